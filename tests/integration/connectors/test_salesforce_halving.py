"""One request that spoils a whole call hurts nobody but itself, and finding it costs few calls."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import gateway
from integrator.kernel import errors

COUNT = 200
POISONED = "pi_077_poison"


def payments(**values: Any) -> list[dict[str, Any]]:
    keys = [POISONED if number == 77 else f"pi_{number:03}" for number in range(COUNT)]
    return [
        {
            "object": "Payment__c",
            "external_id_field": "External_ID__c",
            "external_id": key,
            "values": {"Status__c": "Completed", **values},
        }
        for key in keys
    ]


def call(crm, action, requests, **more):
    return gateway.call_many(connection_id=crm.pk, action=action, requests=requests, **more)


WHOLE_CALL = [
    pytest.param({"code": "JSON_PARSER_ERROR"}, errors.Refused, 17, id="no JSON"),
    pytest.param({"code": "EXCEEDED_ID_LIMIT"}, errors.Refused, 17, id="too many"),
    pytest.param({"code": "", "status": 413}, errors.Refused, 17, id="too large for a proxy"),
    pytest.param({"code": "UNABLE_TO_LOCK_ROW"}, errors.Transient, 17, id="a locked row"),
    pytest.param({"code": "UNKNOWN_EXCEPTION", "status": 500}, errors.Transient, 18, id="unknown exception"),
]


@pytest.mark.parametrize(("poison", "failure", "most_calls"), WHOLE_CALL)
def test_one_poisoned_upsert_of_200_hurts_nobody_else(crm, org, poison, failure, most_calls):
    org.post("poisons", text=POISONED, **poison)

    results = call(crm, "upsert", payments())

    hurt = [place for place, result in enumerate(results) if isinstance(result, Exception)]
    assert hurt == [77]
    assert type(results[77]) is failure
    assert results[77].code == (poison["code"] or "HTTP_413")
    assert org.get("records", object="Payment__c")["count"] == COUNT - 1
    assert len(org.calls("composite/sobjects")) <= most_calls


@pytest.mark.parametrize(("poison", "failure", "most_calls"), WHOLE_CALL)
def test_one_poisoned_update_of_200_hurts_nobody_else(crm, org, poison, failure, most_calls):
    made = call(crm, "upsert", payments())
    before = len(org.calls("composite/sobjects"))
    org.post("poisons", text=made[77]["id"], **poison)

    results = call(
        crm,
        "update",
        [{"object": "Payment__c", "id": one["id"], "values": {"Status__c": "Refunded"}} for one in made],
    )

    assert [place for place, result in enumerate(results) if isinstance(result, Exception)] == [77]
    assert type(results[77]) is failure
    assert len(org.calls("composite/sobjects")) - before <= most_calls


def test_an_unknown_exception_that_passes_costs_one_more_call(crm, org):
    org.post("poisons", text="pi_", code="UNKNOWN_EXCEPTION", status=500, times=1)

    results = call(crm, "upsert", payments())

    assert all(isinstance(result, dict) for result in results)
    assert len(org.calls("composite/sobjects")) == 2


@pytest.mark.parametrize("code", ["UNKNOWN_EXCEPTION", "UNABLE_TO_LOCK_ROW"])
def test_an_org_that_refuses_everything_is_not_asked_without_end(crm, org, code):
    org.post("poisons", text="pi_", code=code, status=500)

    results = call(crm, "upsert", payments())

    assert {(type(result), result.code) for result in results} == {(errors.Transient, code)}
    assert len(org.calls("composite/sobjects")) < 20


def test_the_search_for_the_guilty_ends_at_the_deadline(crm, org):
    org.post("poisons", text=POISONED)
    org.break_("slow", match_path="composite/sobjects", params={"seconds": 0.15})

    results = call(crm, "upsert", payments(), deadline=0.7)

    assert len(results) == COUNT
    assert all(isinstance(result, dict | errors.Transient) for result in results)
    assert 1 < len(org.calls("composite/sobjects")) <= 8
