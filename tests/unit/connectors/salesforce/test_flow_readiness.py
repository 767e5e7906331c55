"""An org is judged by what the flows in use need of it, and each finding names them."""

from __future__ import annotations

from typing import Any

from connectors.checks import Check, State
from connectors.salesforce import flow_readiness, readiness
from connectors.salesforce.package.choosing import Found, choose
from connectors.salesforce.package.needs import needs_of
from connectors.salesforce.package.wanted import Wanted
from integrator.kernel import errors
from tests.unit.connectors.salesforce.test_readiness import GONE, HIDDEN, an_org, payment

WON = ("Won",)
TOPIC = "/data/AccountChangeEvent"
CAPTURED = Wanted(flows=WON, objects={"Account": WON}, captured={"Account": WON})
OPEN = {TOPIC: {"topic": TOPIC, "can_subscribe": True}}
SELECTED = {"AccountChangeEvent"}


def only(checks: Any) -> Check:
    (check,) = checks
    return check


def test_changes_are_told_and_heard_or_it_is_said_which_of_both_is_not_so():
    def judged(entities: Any = SELECTED, told: Any = OPEN, heard: Any = (TOPIC,)) -> Check:
        return only(flow_readiness.changes(CAPTURED, entities, told, heard))

    shut = {TOPIC: {"topic": TOPIC, "can_subscribe": False}}
    assert judged().state is State.OK
    assert judged(heard=("/data/ChangeEvents",)).state is State.OK
    assert judged(entities=set()).title == "Changes of Account are not told"
    assert judged(told={TOPIC: GONE}).title == "Changes of Account cannot be heard"
    assert judged(told=shut).title == "Changes of Account may not be heard"
    assert judged(heard=()).title == f"Nobody listens to {TOPIC}"
    assert judged(heard=()).explanation == "For “Won”."
    assert judged(entities=None).state is State.WARNING


def test_a_platform_event_that_the_org_lacks_is_a_problem_of_the_flows_it_starts():
    wanted = Wanted(flows=WON, heard={"Paid__e": WON})
    check = only(flow_readiness.events(wanted, {"/event/Paid__e": GONE}, ()))

    assert (check.state, check.title) == (State.PROBLEM, "Paid__e cannot be heard")
    assert "“Won”" in check.explanation


def test_what_no_flow_in_use_needs_is_no_problem():
    wanted = Wanted(flows=WON, objects={"Payment__c": WON}, fields={("Payment__c", "Amount__c"): WON})
    needed = needs_of(wanted)

    def judged(**changed: Any) -> dict[str, Check]:
        found = readiness.objects(an_org(**changed), needed)
        return {check.title.split()[0]: check for check in found}

    rest = judged(Refund__c=GONE, Payout__c=GONE)["The"]
    assert (rest.state, rest.explanation) == (State.OK, "Payout__c, Refund__c: no flow in use needs it.")
    assert judged(Payment__c=GONE)["Payment__c"].state is State.PROBLEM
    assert judged(Payment__c=payment(Fee__c={"type": "string"}))["Payment__c"].state is State.OK
    assert judged(Payment__c=payment(Amount__c={"type": "string"}))["Payment__c"].state is State.PROBLEM
    assert only(c for c in readiness.flows({"records": []}, needed.flows) if "Runner" in c.title).state is (
        State.WARNING
    )


def test_an_object_that_the_package_does_not_have_is_judged_with_its_fields():
    wanted = Wanted(
        flows=WON,
        objects={"Lead": WON, "Asset": WON},
        fields={("Lead", "Score__c"): WON, ("Lead", "Id"): WON},
    )
    found = Found({"Lead": {"fields": [{"name": "Id", "type": "id"}]}, "Asset": GONE})
    checks = {check.title: check.state for check in flow_readiness.foreign(choose(wanted, found))}

    assert checks == {"Lead lacks Score__c": State.PROBLEM, "Asset is not there": State.PROBLEM}


def test_only_duplicate_rules_on_what_flows_write_are_worth_a_look():
    rules = {"records": [{"MasterLabel": "Standard", "SobjectType": "Lead"}]}

    def judged(written: str) -> Check | None:
        return flow_readiness.duplicate_rules(Wanted(flows=WON, written={written: WON}), rules)

    about_it, about_others = judged("Lead"), judged("Account")
    assert about_it is not None
    assert about_others is not None
    assert (about_it.state, about_others.state) == (State.WARNING, State.OK)
    assert flow_readiness.duplicate_rules(CAPTURED, HIDDEN) is None


def test_a_currency_that_stripe_uses_and_the_org_has_not_active_is_a_problem():
    told = {"records": [{"IsoCode": "EUR", "IsActive": True}, {"IsoCode": "CHF", "IsActive": False}]}

    assert flow_readiness.currencies({"eur"}, told).state is State.OK
    assert flow_readiness.currencies({"eur", "chf"}, told).title == "CHF is not active"
    assert (
        flow_readiness.currencies({"eur"}, errors.Transient("Away.", code="timeout")).state is State.WARNING
    )


def test_a_record_type_that_a_mapping_names_has_to_be_the_users():
    wanted = Wanted(flows=WON, record_types={("Account", "Partner"): WON})

    def judged(*infos: dict[str, Any]) -> Check:
        return only(flow_readiness.record_types(wanted, {"Account": {"recordTypeInfos": list(infos)}}))

    assert judged({"developerName": "Partner", "available": True}).state is State.OK
    assert "may not use it" in judged({"developerName": "Partner", "available": False}).explanation
    assert "no such record type" in judged().explanation
