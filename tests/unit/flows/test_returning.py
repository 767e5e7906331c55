"""Values that one flow carries to Stripe and another back are found, unless somebody says who wins."""

from __future__ import annotations

from typing import Any

import pytest

from flows.engine import definition
from flows.steps import registry, returning, soundness

KINDS = registry.load()


def flow(trigger: dict[str, Any], *steps: dict[str, Any]) -> definition.FlowDocument:
    raw = {"format": 1, "name": "Flow", "trigger": trigger, "steps": list(steps)}
    return definition.load(raw, kinds=KINDS)


def step(kind: str, step_id: str = "save", **settings: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": kind, "settings": settings}


ACCOUNTS = {"kind": "salesforce.change", "object": "Account"}
CUSTOMERS = {"kind": "stripe.event", "types": ["customer.updated"]}
ALIKE = {"fields": [], "policy": "newest"}


def to_stripe(path: str = "Account.Name", **more: Any) -> definition.FlowDocument:
    names = {"name": path}
    return flow(ACCOUNTS, step("stripe.update", object="customer", id="Account.Id", parameters=names, **more))


def to_salesforce(path: str = "customer.name", **more: Any) -> definition.FlowDocument:
    lines = [{"field": "External_ID__c", "from": "customer.id"}, {"field": "Name", "from": path}]
    return flow(
        CUSTOMERS,
        step("map", "map", target="Account", lines=lines),
        step("salesforce.upsert", record="map", object="Account", external_id="External_ID__c", **more),
    )


def test_a_value_that_comes_back_is_told_at_both_ends():
    (there,) = returning.issues_of(to_stripe(), {"Customers": to_salesforce()}, KINDS)
    (back,) = returning.issues_of(to_salesforce(), {"Accounts": to_stripe()}, KINDS)

    assert [one.code for one in (there, back)] == ["to_and_fro"] * 2
    assert there.message.startswith("Customers carries back")
    assert "Account.Name into customer.name" in there.message


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(to_stripe("Account.Phone"), to_salesforce(), id="another field is carried"),
        pytest.param(to_stripe(), to_salesforce("customer.email"), id="another field comes back"),
        pytest.param(to_stripe(two_way=ALIKE), to_salesforce(), id="we compare both sides"),
        pytest.param(to_stripe(), to_salesforce(two_way=ALIKE), id="they compare both sides"),
        pytest.param(to_stripe(), to_stripe(), id="both carry it there"),
    ],
)
def test_nothing_is_told_where_nothing_comes_back(ours, theirs):
    assert list(returning.issues_of(ours, {"Other": theirs}, KINDS)) == []


@pytest.mark.parametrize(
    ("trigger", "writing", "loops"),
    [
        pytest.param(ACCOUNTS, "Account", True, id="the object whose changes start it"),
        pytest.param(ACCOUNTS, "Contact", False, id="another object"),
        pytest.param({"kind": "salesforce.event", "event": "Won__e"}, "Account", False, id="an event"),
    ],
)
def test_a_flow_that_writes_what_starts_it_is_told(trigger, writing, loops):
    document = flow(
        trigger,
        step("map", "map", target=writing, lines=[{"field": "Name", "from": "event.id"}]),
        step("salesforce.update", record="map", object=writing, id="event.record_id"),
    )

    codes = [one.code for one in soundness.issues_of(document, KINDS, [])]
    assert ("loop" in codes) is loops


def test_a_flow_that_publishes_what_starts_it_is_told():
    won = {"kind": "salesforce.event", "event": "Won__e"}

    codes = {
        event: [one.code for one in soundness.issues_of(flow(won, published(event)), KINDS, [])]
        for event in ("Won__e", "Lost__e")
    }
    assert ["loop" in found for found in codes.values()] == [True, False]


def published(event: str) -> dict[str, Any]:
    return step("salesforce.publish", event=event, values={"Name__c": "event.id"})
