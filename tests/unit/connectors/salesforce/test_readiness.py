"""What an org lacks is named with what to do about it; what is as it should be is green."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.checks import Check, State
from connectors.salesforce import readiness
from connectors.salesforce.package import source
from connectors.salesforce.package.comparing import DESCRIBED
from connectors.salesforce.package.source import PackagedField, PackagedObject
from integrator.kernel import errors

GONE = errors.Missing("The requested resource does not exist", code="NOT_FOUND")
HIDDEN = errors.Refused("sObject type 'FlowDefinitionView' is not supported.", code="INVALID_TYPE")


def a_field(field: PackagedField, **spoilt: Any) -> dict[str, Any]:
    """Return what an org describes of a field of the package."""
    return {
        "name": field.name,
        "type": DESCRIBED[field.type],
        "custom": True,
        "length": field.length,
        "precision": field.precision,
        "scale": field.scale,
        "createable": True,
        "updateable": True,
        "nillable": True,
        "externalId": field.key,
        "unique": field.key,
        "caseSensitive": field.key,
        "referenceTo": [field.refers_to] if field.refers_to else [],
        "picklistValues": [{"value": choice, "active": True} for choice in field.choices],
        "restrictedPicklist": field.restricted,
        **spoilt,
    }


def a_description(thing: PackagedObject, **spoilt: dict[str, Any]) -> dict[str, Any]:
    """Return what an org with the package describes of an object; `spoilt` by field changes that."""
    standard = source.standard_fields().get(thing.name, ())
    fields = [a_field(field, **spoilt.get(field.name, {})) for field in thing.fields]
    return {
        "createable": True,
        "updateable": not thing.event,
        "fields": [*fields, *({"name": name, "custom": False} for name in standard)],
    }


def an_org(**changed: Any) -> dict[str, Any]:
    """Return the descriptions of every object, some of them `changed`."""
    return {thing.name: a_description(thing) for thing in source.objects()} | changed


def payment(**spoilt: dict[str, Any]) -> dict[str, Any]:
    """Return the description of Payment__c, spoilt."""
    return a_description(thing_called("Payment__c"), **spoilt)


def thing_called(name: str) -> PackagedObject:
    return next(thing for thing in source.objects() if thing.name == name)


def check_of(description: Any, name: str = "Payment__c") -> Check:
    """Return what is said of one object that is described so."""
    found = readiness.objects(an_org(**{name: description}))
    return next(check for check in found if check.title.startswith(f"{name} "))


def test_an_org_with_the_whole_package_is_green():
    found = list(readiness.objects(an_org()))

    assert {check.state for check in found} == {State.OK}
    assert len(found) == len(source.objects())


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        pytest.param({"Fee__c": {"createable": False}}, "may not write Fee__c", id="a field is read-only"),
        pytest.param({"Fee__c": {"updateable": False}}, "may not write Fee__c", id="it is set once only"),
        pytest.param({"Fee__c": {"type": "string"}}, "Fee__c is of type string, not currency", id="the type"),
        pytest.param({"Failure_Message__c": {"length": 80}}, "holds 80 characters, not 255", id="the length"),
        pytest.param(
            {"Amount__c": {"scale": 2}}, "18 digits, 2 of them after", id="the digits after the point"
        ),
        pytest.param(
            {"Amount__c": {"precision": 16}}, "16 digits, 3 of them", id="the digits before the point"
        ),
        pytest.param({"External_ID__c": {"unique": False}}, "has to be an external id", id="not unique"),
        pytest.param(
            {"External_ID__c": {"externalId": False}}, "has to be an external id", id="no external id"
        ),
        pytest.param(
            {"External_ID__c": {"caseSensitive": False}}, "case-sensitive", id="case does not count"
        ),
        pytest.param(
            {"Order__c": {"referenceTo": ["Asset"]}}, "leads to Asset, not to Order", id="a look-up"
        ),
    ],
)
def test_a_field_that_differs_is_a_problem_with_its_name(spoilt: dict[str, Any], told: str):
    check = check_of(payment(**spoilt))

    assert check.state is State.PROBLEM
    assert told in check.explanation
    assert "Deploy the package" in check.remedy


def test_a_field_that_is_wider_than_ours_is_well():
    wide = payment(Failure_Message__c={"length": 1000}, Amount__c={"precision": 18, "scale": 3})

    assert check_of(wide).state is State.OK


def test_every_hidden_field_is_named_at_once():
    description = payment()
    description["fields"] = [f for f in description["fields"] if f["name"] not in {"Fee__c", "Net__c"}]

    check = check_of(description)

    assert check.state is State.PROBLEM
    assert "Missing or hidden: Fee__c, Net__c." in check.explanation


def test_a_standard_field_that_the_permission_set_grants_has_to_be_seen():
    description = a_description(thing_called("Contact"))
    description["fields"] = [f for f in description["fields"] if f["name"] != "Email"]

    assert "Missing or hidden: Email." in check_of(description, "Contact").explanation


def test_an_object_that_nobody_sees_is_a_problem():
    check = check_of(GONE)

    assert (check.state, check.title) == (State.PROBLEM, "Payment__c is not there")
    assert "Stripe_Integration" in check.remedy


def test_orders_that_are_off_are_explained():
    assert "Orders have to be enabled" in check_of(GONE, "Order").remedy


@pytest.mark.parametrize("right", ["createable", "updateable"])
def test_an_object_that_may_not_be_written_is_a_problem(right: str):
    assert check_of(payment() | {right: False}).state is State.PROBLEM


def test_an_event_is_published_and_never_changed():
    name = "Stripe_Payment_Failed__e"
    locked = {field.name: {"updateable": False} for field in thing_called(name).fields}

    assert check_of(a_description(thing_called(name), **locked), name).state is State.OK


def test_what_only_some_flows_need_is_a_warning():
    check = check_of(GONE, "Task")

    assert check.state is State.WARNING
    assert "Edit Tasks" in check.explanation


def test_an_outage_is_not_taken_for_a_missing_object():
    check = check_of(errors.Transient("Salesforce did not answer within the deadline.", code="timeout"))

    assert "could not be looked at" in check.title
    assert "did not answer" in check.explanation


def test_a_choice_that_the_org_refuses_is_a_warning_and_any_other_passes():
    less = {"picklistValues": [{"value": "Pending", "active": True}, {"value": "Failed", "active": False}]}

    refused = check_of(payment(Status__c={**less, "restrictedPicklist": True}))
    taken = check_of(payment(Status__c={**less, "restrictedPicklist": False}))

    assert refused.state is State.WARNING
    assert "does not know Completed, Failed" in refused.explanation
    assert taken.state is State.OK


def test_a_field_that_the_org_alone_requires_is_a_warning():
    description = payment()
    description["fields"].append(
        {
            "name": "Region__c",
            "custom": True,
            "createable": True,
            "nillable": False,
            "defaultedOnCreate": False,
        }
    )

    check = check_of(description)

    assert check.state is State.WARNING
    assert "Region__c" in check.explanation


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param({"records": [{"Id": "0Pa1"}]}, State.OK, id="assigned"),
        pytest.param({"records": []}, State.WARNING, id="not assigned"),
        pytest.param(HIDDEN, State.WARNING, id="not to be seen"),
    ],
)
def test_the_permission_set_is_looked_for(found: Any, state: State):
    assert readiness.permission_set(found).state is state


def test_a_flow_that_is_not_active_is_a_problem_and_an_active_one_is_not():
    records = [
        {"ApiName": "Stripe_Dunning", "IsActive": True},
        {"ApiName": "Stripe_Effect_Runner", "IsActive": False},
    ]

    found = {check.title: check.state for check in readiness.flows({"records": records})}

    assert found == {
        "The flow Stripe_Dunning is active": State.OK,
        "The flow Stripe_Effect_Runner is not active": State.PROBLEM,
    }


def test_flows_that_nobody_may_see_are_a_warning():
    assert {check.state for check in readiness.flows(HIDDEN)} == {State.WARNING}


@pytest.mark.parametrize(
    ("left", "state"),
    [
        pytest.param(50_000, State.OK, id="half"),
        pytest.param(19_999, State.WARNING, id="less than a fifth"),
        pytest.param(1_999, State.PROBLEM, id="nearly nothing"),
    ],
)
def test_the_budget_of_calls_is_judged_by_its_share(left: int, state: State):
    limits = {"DailyApiRequests": {"Max": 100_000, "Remaining": left}}

    assert readiness.budget(limits).state is state


@pytest.mark.parametrize("limits", [{}, {"DailyApiRequests": {"Max": 0, "Remaining": 0}}, HIDDEN])
def test_a_budget_that_nobody_tells_is_a_warning(limits: Any):
    assert readiness.budget(limits).state is State.WARNING


def test_duplicate_rules_are_named():
    rule = {"MasterLabel": "Standard Account Rule", "SobjectType": "Account"}

    check = readiness.duplicate_rules({"records": [rule]})

    assert check.state is State.WARNING
    assert "Standard Account Rule (Account)" in check.explanation
    assert readiness.duplicate_rules({"records": []}).state is State.OK


def test_several_currencies_and_person_accounts_are_noticed():
    plain = list(readiness.org({"fields": [{"name": "Name"}]}))
    special = list(readiness.org({"fields": [{"name": "CurrencyIsoCode"}, {"name": "IsPersonAccount"}]}))

    assert [check.state for check in plain] == [State.OK]
    assert [check.title for check in special] == ["The org has several currencies", "Person accounts are on"]
