"""What must not be done twice is done once, and a lost answer leaves it in doubt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors import gateway
from flows.error_catalogue import explain
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox

EVENT = "Stripe_Payment_Failed__e"


def call(crm, action, *requests: dict[str, Any], **more: Any) -> list[Any]:
    return gateway.call_many(connection_id=crm.pk, action=action, requests=requests, **more)


def starts(count: int, flow: str = "Stripe_Dunning", **inputs: Any) -> list[dict[str, Any]]:
    return [{"flow": flow, "inputs": {"Effect_ID": f"eff_{number}", **inputs}} for number in range(count)]


def events(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"event": EVENT, "values": {"Payment_ID__c": f"pi_{n}", **values}} for n in range(count)]


ACTS = {"start_flow": starts, "publish": events}


def done(org: Sandbox, action: str) -> int:
    """Return how often it was really done."""
    if action == "publish":
        return len(org.get("events")["events"])
    return len(org.get("flows", flow="Stripe_Dunning")["runs"])


def calls(org: Sandbox) -> list[dict[str, Any]]:
    return org.calls("actions/custom/flow|composite/sobjects|sobjects/", "POST")


def test_a_flow_is_started_with_its_inputs_and_gives_its_outputs(crm, org):
    org.post("flows", flow="Score", inputs=["Amount"], outputs={"Score": 0.1})

    (result,) = call(crm, "start_flow", {"flow": "Score", "inputs": {"Amount": Decimal("12.50")}})

    assert result["outputs"]["Score"] == Decimal("0.1")
    assert result["status"] == "Finished"
    (run,) = org.get("flows")["runs"]
    assert run["inputs"] == {"Amount": 12.5}
    assert '"Amount":12.50' in calls(org)[0]["body"]


def test_a_published_event_arrives_with_its_values(crm, org):
    (result,) = call(crm, "publish", {"event": EVENT, "values": {"Amount__c": Decimal("0.100")}})

    assert result["id"].startswith("e0")
    (event,) = org.get("events")["events"]
    assert (event["event"], event["values"]) == (EVENT, {"Amount__c": 0.1})


@pytest.mark.parametrize("action", ACTS)
def test_250_of_a_kind_take_two_calls_and_are_all_done(crm, org, action):
    results = call(crm, action, *ACTS[action](250))

    assert all(isinstance(result, dict) for result in results), results[:3]
    assert done(org, action) == 250
    assert len(calls(org)) == 2


@pytest.mark.parametrize("action", ACTS)
def test_two_that_are_the_same_are_two(crm, org, action):
    results = call(crm, action, *(ACTS[action](1) * 2))

    assert all(isinstance(result, dict) for result in results)
    assert done(org, action) == 2
    assert len(calls(org)) == 1


LOST = [
    pytest.param({"kind": "after"}, id="done, then the connection is closed"),
    pytest.param({"kind": "after_status", "params": {"status": 500}}, id="done, then a 500"),
    pytest.param({"kind": "partial"}, id="done, then half an answer"),
    pytest.param({"kind": "garbage", "params": {"done": True}}, id="done, then a page of a proxy"),
    pytest.param({"kind": "garbage", "params": {"style": "text", "done": True}}, id="done, then text"),
    pytest.param({"kind": "empty", "params": {"done": True}}, id="done, then nothing"),
    pytest.param({"kind": "reset"}, id="not done, and reset"),
]


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "together"])
@pytest.mark.parametrize("action", ACTS)
@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_in_doubt_and_not_asked_for_again(crm, org, action, fault, count):
    org.break_(**fault, match_path="actions|sobjects", match_method="POST", times=1)

    results = call(crm, action, *ACTS[action](count))

    assert {type(result) for result in results} == {errors.Uncertain}, results
    assert {result.code for result in results} == {"unanswered"}
    assert done(org, action) == (0 if fault["kind"] == "reset" else count)
    assert len(calls(org)) == 1


@pytest.mark.parametrize("action", ACTS)
def test_no_answer_within_the_deadline_is_in_doubt(crm, org, action):
    fault = {"match_path": "actions|sobjects", "match_method": "POST"}
    org.break_("slow", **fault, params={"seconds": 0.4, "done": True})

    (result,) = call(crm, action, *ACTS[action](1), deadline=0.2)

    assert isinstance(result, errors.Uncertain)
    assert result.code == "timeout"
    assert done(org, action) == 1


@pytest.mark.parametrize("action", ACTS)
@pytest.mark.parametrize(
    ("poison", "failure"),
    [
        pytest.param({"code": "SERVER_UNAVAILABLE", "status": 503}, errors.Transient, id="too busy"),
        pytest.param({"code": "UNABLE_TO_LOCK_ROW"}, errors.Transient, id="a locked row"),
        pytest.param({"code": "JSON_PARSER_ERROR"}, errors.Refused, id="no JSON"),
        pytest.param({"code": "UNKNOWN_EXCEPTION", "status": 500}, errors.Uncertain, id="unknown exception"),
    ],
)
def test_the_api_itself_says_for_certain_whether_nothing_was_done(crm, org, action, poison, failure):
    org.post("poisons", text="_0", **poison)

    (result,) = call(crm, action, *ACTS[action](1))

    assert type(result) is failure
    assert done(org, action) == 0


@pytest.mark.parametrize("action", ACTS)
@pytest.mark.parametrize("poison", [{"code": "JSON_PARSER_ERROR"}, {"code": "", "status": 413}])
def test_one_that_spoils_the_whole_call_hurts_nobody_else_and_none_is_done_twice(crm, org, action, poison):
    org.post("poisons", text="_77", **poison)

    results = call(crm, action, *ACTS[action](100))

    assert [place for place, result in enumerate(results) if isinstance(result, Exception)] == [77]
    assert isinstance(results[77], errors.Refused)
    assert done(org, action) == 99
    assert len(calls(org)) <= 15


def test_an_interview_that_fails_is_refused_and_its_neighbours_are_held(crm, org):
    (payment,) = call(
        crm,
        "upsert",
        {"object": "Payment__c", "external_id_field": "External_ID__c", "external_id": "pi_1", "values": {}},
    )
    requests = [
        {"flow": "Stripe_Dunning", "inputs": {"Record_ID": payment["id"], "Effect_ID": key}} for key in "aab"
    ]

    first, second, third = call(crm, "start_flow", *requests)

    assert isinstance(second, errors.Refused)
    assert explain(second).error_class == "conflict"
    assert "DUPLICATE" not in second.code
    assert isinstance(first, dict)
    assert isinstance(third, dict)
    assert done(org, "start_flow") == 2


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "together"])
@pytest.mark.parametrize(
    ("action", "request_", "name"),
    [
        pytest.param("start_flow", {"flow": "Gone"}, "Gone", id="a flow"),
        pytest.param("publish", {"event": "Gone__e"}, "Gone__e", id="an event"),
    ],
)
def test_what_the_org_has_not_is_a_matter_of_its_schema(crm, count, action, request_, name):
    results = call(crm, action, *([request_] * count))

    assert {type(result) for result in results} == {errors.Refused}
    explained = explain(results[0])
    assert explained.error_class == "schema"
    assert name in explained.suggestion


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        pytest.param("start_flow", {"flow": "A/../B"}, id="a path in the flow"),
        pytest.param("start_flow", {"flow": None}, id="no flow"),
        pytest.param("start_flow", {"flow": "Score", "inputs": {"A": float("nan")}}, id="no number"),
        pytest.param("publish", {"event": "Payment__c"}, id="not an event"),
        pytest.param("publish", {"event": "X__e/..", "values": {}}, id="a path in the event"),
    ],
)
def test_an_act_that_cannot_be_right_is_never_sent(crm, org, action, request_):
    (result,) = call(crm, action, request_)

    assert isinstance(result, errors.Refused)
    assert not calls(org)


def test_an_event_with_a_wrong_field_is_refused_alone(crm, org):
    good, bad = events(2)
    bad["values"] = {"Nope__c": 1}

    first, second = call(crm, "publish", good, bad)

    assert isinstance(first, dict)
    assert isinstance(second, errors.Refused)
    assert second.field == "Nope__c"
    assert done(org, "publish") == 1
