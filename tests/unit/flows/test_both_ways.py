"""What is said before publishing of fields that both sides may change."""

from __future__ import annotations

from typing import Any

from flows.engine.definition import FlowDocument, load
from flows.steps import registry
from flows.steps.both_ways import issues_of, rules_in
from tests.unit.flows.taking import problems

KINDS = registry.load()
OF_STRIPE = {"kind": "stripe.event", "types": ["customer.updated"]}
OF_SALESFORCE = {"kind": "salesforce.change", "object": "Account"}


def into_salesforce(*, trigger: dict[str, Any] = OF_STRIPE, **rules: Any) -> FlowDocument:
    lines = [{"field": "Key__c", "from": "customer.id"}, {"field": "Name", "from": 'customer["name"]'}]
    saved = {"object": "Account", "external_id": "Key__c", "record": "describe", "two_way": rules}
    return a_document(
        trigger,
        {"id": "describe", "kind": "map", "settings": {"target": "Account", "lines": lines}},
        {"id": "save", "kind": "salesforce.upsert", "settings": saved},
    )


def into_stripe(*, trigger: dict[str, Any] = OF_SALESFORCE, **rules: Any) -> FlowDocument:
    changed = {"object": "customer", "id": "Account.Key__c", "parameters": {"name": "Account.Name"}}
    return a_document(
        trigger, {"id": "change", "kind": "stripe.update", "settings": {**changed, "two_way": rules}}
    )


def a_document(trigger: dict[str, Any], *steps: dict[str, Any]) -> FlowDocument:
    return load({"format": 1, "name": "Flow", "trigger": trigger, "steps": list(steps)}, kinds=KINDS)


def codes(document: FlowDocument, **others: FlowDocument) -> list[tuple[str, str, str]]:
    return [(one.level, one.code, one.step) for one in issues_of(document, others, KINDS)]


def test_both_directions_know_a_field_by_the_same_name():
    (there,), (back,) = rules_in(into_salesforce(), KINDS), rules_in(into_stripe(), KINDS)

    assert (there.salesforce, there.stripe) == ("Account.Name", ("customer.name",))
    assert (back.salesforce, back.stripe) == ("Account.Name", ("customer.name",))


def test_two_flows_with_the_same_rules_are_sound_and_with_others_a_person_is_told():
    assert codes(into_salesforce(policy="stripe"), other=into_stripe(policy="stripe")) == []
    assert codes(into_salesforce(policy="stripe"), other=into_stripe(policy="salesforce")) == [
        ("warning", "other_rule", "save")
    ]
    own = into_stripe(policy="ask", fields=[{"field": "name", "policy": "stripe"}])
    assert codes(own, other=into_salesforce(policy="stripe")) == []


def test_a_step_needs_the_other_side_to_start_its_flow():
    assert codes(into_stripe(trigger=OF_STRIPE)) == [("error", "no_other_side", "change")]
    assert codes(into_salesforce(trigger=OF_SALESFORCE)) == [("error", "no_other_side", "save")]


def test_a_rule_is_for_a_field_that_the_step_writes():
    changed = {"object": "customer", "id": "Account.Key__c", "parameters": {"name": "Account.Name"}}
    rule = {"fields": [{"field": "phone", "policy": "stripe"}]}

    assert problems("stripe.update", {**changed, "two_way": rule}) == [
        ("two_way", "There is a rule for phone, which the step does not write")
    ]
    lists = {**changed, "parameters": {"items[0].price": "Account.Name"}, "object": "subscription"}
    assert problems("stripe.update", {**lists, "two_way": {}})[0][0] == "two_way"
