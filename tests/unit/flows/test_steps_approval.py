"""Who may approve what a flow is about to do, and what becomes of the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flows.engine.approving import Terms, Who, needs_a_comment, refusal
from flows.engine.outcome import AskHuman, Done, End
from integrator.accounts.roles import Role
from tests.fakes import NOON, FakePorts
from tests.unit.flows.taking import KINDS, a_mapped, take

REFUND = {"question": "Refund {charge.amount}?", "evidence": ["charge.amount", "charge.customer"]}


def decide(item: Any, answer: str, **settings: Any) -> Any:
    item.keep("here", "answer", answer)
    item.keep("here", "by", "otto@acme.test")
    item.keep("here", "comment", "too much")
    (found,) = take("approval", {**REFUND, **settings}, [item])
    return found


def test_an_approval_is_asked_of_whom_it_concerns_and_until_when():
    settings = {"people": ["cfo@acme.test"], "caused_by": "charge.metadata.owner", "expires_hours": 48}

    (asks,) = take("approval", {**REFUND, **settings}, [a_mapped({}, metadata={"owner": " eve@acme.test "})])

    assert isinstance(asks, AskHuman)
    assert (asks.question, asks.kind) == ("Refund 1999?", "approval")
    assert [option.value for option in asks.options] == ["approved", "declined"]
    assert asks.evidence == {"charge.amount": 1999, "charge.customer": None}
    assert asks.terms == Terms(
        "approver", ["cfo@acme.test"], ["eve@acme.test"], "declining",
        NOON + timedelta(hours=24), NOON + timedelta(hours=48),
    )  # fmt: skip
    assert Terms.of(asks.terms.as_data()).as_data() == asks.terms.as_data()


@pytest.mark.parametrize(
    ("owner", "causes"),
    [
        ("Eve E. <eve@acme.test>", ["eve@acme.test"]),
        ("eve@acme.test; fay@acme.test", ["eve@acme.test", "fay@acme.test"]),
        (["eve@acme.test", None, "fay@acme.test"], ["eve@acme.test", "fay@acme.test"]),
        ("eve", ["eve"]),
        (" ", []),
        (7, []),
    ],
)
def test_whoever_caused_it_is_known_whatever_stands_around_the_address(owner, causes):
    item = a_mapped({}, metadata={"owner": owner})

    (asks,) = take("approval", {**REFUND, "caused_by": "charge.metadata.owner"}, [item])

    assert asks.terms.causes == causes


def test_only_what_is_approved_goes_on():
    said = {"by": "otto@acme.test", "comment": "too much", "at": None}

    assert decide(a_mapped({}), "approved") == Done({"answer": "approved", **said}, exit="approved")
    assert decide(a_mapped({}), "declined") == End("ignored", "Declined by otto@acme.test: too much")
    assert decide(a_mapped({}), "expired") == End("ignored", "Nobody approved it in time")
    assert decide(a_mapped({}), "declined", otherwise="exit").exit == "declined"
    assert decide(a_mapped({}), "expired", otherwise="exit", expires_hours=72).exit == "expired"


def test_an_approval_holds_for_the_values_that_were_shown():
    item = a_mapped({}, customer="cus_1")
    take("approval", REFUND, [item], FakePorts())

    item.context["charge"] = {**item.context["charge"], "customer": {"id": "cus_1", "object": "customer"}}
    assert decide(item, "approved").exit == "approved", "an object in the place of its id is no change"
    item.context["charge"] = {**item.context["charge"], "amount": 5000}
    again = decide(item, "approved")

    assert isinstance(again, AskHuman)
    assert again.question == "What was approved has changed since. Refund 5000?"
    assert decide(item, "approved", again_if_changed=False).exit == "approved"


@pytest.mark.parametrize(
    ("settings", "exits"),
    [
        ({}, ("approved",)),
        ({"otherwise": "exit"}, ("approved", "declined")),
        ({"otherwise": "exit", "expires_hours": 48}, ("approved", "declined", "expired")),
    ],
)
def test_there_are_other_ways_only_where_they_are_wanted(settings, exits):
    kind = KINDS["approval"]

    assert kind.exits_of(kind.settings_model(question="Go on?", **settings)) == exits


@pytest.mark.parametrize(
    "settings",
    [
        {"role": "nobody"},
        {"people": ["nobody"]},
        {"expires_hours": 24, "remind_hours": 24},
        {"role": "auditor"},
    ],
)
def test_what_asks_nobody_or_reminds_too_late_is_refused(settings):
    with pytest.raises(ValidationError):
        KINDS["approval"].settings_model.model_validate({"question": "Go on?", **settings})


# Who may decide

TERMS = Terms("finance", ["Cfo@acme.test"], ["eve@acme.test"], "declining")


def a_person(name: str, *roles: str) -> Who:
    return Who(name, frozenset(roles), is_person=True)


@pytest.mark.parametrize(
    ("who", "approve", "decline"),
    [
        (a_person("fin@acme.test", "finance"), "", ""),
        (a_person("ada@acme.test", "admin"), "", ""),
        (a_person("cfo@ACME.test", "viewer"), "", ""),
        (a_person("olga@acme.test", "operator", "approver"), "This is asked of", "This is asked of"),
        (a_person("Eve@acme.test", "finance"), "You have caused this", ""),
        (Who("token ci", frozenset({"finance"}), is_person=False), "Two people are needed", ""),
        (
            Who("cfo@acme.test", frozenset({"viewer"}), is_person=False),
            "This is asked of",
            "This is asked of",
        ),
    ],
)
def test_the_role_and_those_who_are_named_decide_but_nobody_approves_what_they_caused(who, approve, decline):
    found = [refusal(TERMS, who, answer) for answer in ("approved", "declined")]

    for why, wanted in zip(found, (approve, decline), strict=True):
        assert why.startswith(wanted)
        assert bool(why) is bool(wanted)


def test_a_reason_is_needed_when_it_is_said_so():
    assert needs_a_comment(TERMS, "declined")
    assert not needs_a_comment(TERMS, "approved")


def test_the_roles_that_may_be_asked_are_roles():
    schema = KINDS["approval"].settings_model.model_json_schema()["properties"]["role"]["enum"]

    assert set(schema) - {"nobody"} <= set(Role)
