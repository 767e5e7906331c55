"""Records are merged once, and whatever becomes of the answer, it is known whether they were."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import gateway
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox

SOAP = "/services/Soap/"


def call(crm, action, request: dict[str, Any], **more: Any) -> Any:
    (answer,) = gateway.call_many(connection_id=crm.pk, action=action, requests=[request], **more)
    return answer


@pytest.fixture
def pair(crm, org) -> tuple[str, str]:
    made = [
        org.post("changes", object="Account", act="create", values={"Name": name, "Phone": name})["id"]
        for name in ("kept", "lost")
    ]
    return made[0], made[1]


def merge(crm, pair, **more: Any) -> Any:
    wanted = {"object": "Account", "master": pair[0], "losers": [pair[1]], "values": {"Phone": "R&D"}}
    return call(crm, "merge", wanted, **more)


def became(crm, pair) -> str:
    found = call(crm, "merged", {"object": "Account", "ids": [pair[1]]})
    return str(found["merged"].get(pair[1], ""))


def test_two_records_become_one_with_the_values_that_were_given(crm, org: Sandbox, pair):
    contact = org.post(
        "changes", object="Contact", act="create", values={"LastName": "C", "AccountId": pair[1]}
    )["id"]

    assert merge(crm, pair) == {"id": pair[0], "merged": [pair[1]], "moved": [contact]}

    (left,) = org.get("records", object="Account")["records"]
    assert (left["Id"], left["Phone"], left["Name"]) == (pair[0], "R&D", "kept")
    assert became(crm, pair) == pair[0]
    again = merge(crm, pair)
    assert (type(again), again.code) == (errors.Missing, "ENTITY_IS_DELETED")


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ({"kind": "reset"}, False),
        ({"kind": "after"}, True),
        ({"kind": "garbage"}, False),
    ],
    ids=["lost before", "lost after", "a proxy's page"],
)
def test_a_lost_answer_leaves_it_in_doubt_and_the_org_says_what_became_of_it(
    crm, org: Sandbox, pair, fault, done
):
    org.break_(**fault, match_path=SOAP, times=1)

    answer = merge(crm, pair)

    assert isinstance(answer, errors.Uncertain)
    assert became(crm, pair) == (pair[0] if done else "")
    assert len(org.calls(SOAP)) == 1  # and nothing was sent again by itself


def test_a_session_that_is_over_is_renewed_once_and_a_refusal_names_its_field(crm, org: Sandbox, pair):
    call(crm, "limits", {})
    org.delete("sessions")

    answer = call(
        crm,
        "merge",
        {"object": "Account", "master": pair[0], "losers": [pair[1]], "values": {"Nothing__c": "1"}},
    )

    assert isinstance(answer, errors.Refused)
    assert (answer.code, answer.field) == ("INVALID_FIELD", "Nothing__c")
    assert became(crm, pair) == ""
    assert len(org.calls(SOAP)) == 2  # the first met the end of the session
