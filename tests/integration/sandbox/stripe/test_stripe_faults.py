"""This module tests that every kind of fault does what it says, and can prove that it fired."""

from __future__ import annotations

import pytest
import requests
import stripe


def fired(sandbox) -> list[int]:
    """Return how often each fault in force fired."""
    return [fault["fired"] for fault in sandbox.look("faults")["faults"]]


def customers(sandbox) -> int:
    """Return how many customers exist."""
    return sandbox.look("state")["counts"]["customers"]


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        pytest.param({"kind": "before"}, stripe.APIError, 0, id="before: an error and nothing done"),
        pytest.param({"kind": "after"}, stripe.APIConnectionError, 1, id="after: done and the answer lost"),
        pytest.param({"kind": "after_status"}, stripe.APIError, 1, id="after_status: done and an error"),
        pytest.param(
            {"kind": "partial"}, stripe.APIConnectionError, 1, id="partial: done and the answer cut"
        ),
        pytest.param({"kind": "garbage"}, stripe.APIError, 0, id="garbage: HTML"),
        pytest.param(
            {"kind": "garbage", "params": {"style": "text", "done": True}},
            stripe.APIError,
            1,
            id="garbage: no JSON",
        ),
        pytest.param({"kind": "empty"}, stripe.APIError, 0, id="empty"),
        pytest.param({"kind": "reset"}, stripe.APIConnectionError, 0, id="reset: nothing done"),
        pytest.param(
            {"kind": "slow", "params": {"seconds": 1.2}},
            stripe.APIConnectionError,
            1,
            id="slow: done after the caller left",
        ),
        pytest.param(
            {"kind": "slow", "params": {"seconds": 1.2, "done": True}},
            stripe.APIConnectionError,
            1,
            id="slow: done at once and answered too late",
        ),
    ],
)
def test_each_fault_does_what_it_says(sandbox, eventually, fault, error, made):
    sandbox.turn("faults", match_method="POST", match_path="^/v1/customers$", times=1, **fault)
    client = sandbox.client()
    asking = sandbox.client(timeout=0.4) if fault["kind"] == "slow" else client

    with pytest.raises(error):
        asking.v1.customers.create({"name": "Ada"})

    eventually(lambda: sandbox.look("counts")["faults"] == {fault["kind"]: 1})
    assert customers(sandbox) == made
    assert fired(sandbox) == [1]
    assert client.v1.customers.create({"name": "Ada"}).name == "Ada"
    assert fired(sandbox) == [1]


def test_a_repetition_after_a_lost_answer_makes_nothing_twice(sandbox):
    sandbox.turn("faults", kind="after", match_path="^/v1/customers$", times=1)

    made = sandbox.client(max_network_retries=2).v1.customers.create({"name": "Ada"})

    assert made.last_response.headers["idempotent-replayed"] == "true"
    assert (customers(sandbox), fired(sandbox)) == (1, [1])


def test_the_nth_call_is_the_one_that_fails(sandbox):
    sandbox.turn("faults", kind="before", match_path="/v1/customers", nth=3)

    statuses = [sandbox.raw("GET", "/v1/customers").status_code for _ in range(5)]

    assert statuses == [200, 200, 503, 200, 200]


def test_chance_is_seeded(sandbox):
    def statuses() -> list[int]:
        sandbox.turn("reset", seed=4)
        sandbox.turn("faults", kind="before", match_path="/v1/customers", probability=0.5)
        return [sandbox.raw("GET", "/v1/customers").status_code for _ in range(20)]

    first = statuses()

    assert set(first) == {200, 503}
    assert statuses() == first


def test_a_fault_answers_with_the_status_body_and_headers_it_was_given(sandbox):
    params = {"status": 429, "body": {"error": {"code": "lock_timeout"}}, "headers": {"Retry-After": "3"}}
    sandbox.turn("faults", kind="before", params=params)

    answer = sandbox.raw("GET", "/v1/customers")

    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, params["body"], "3")


def test_faults_never_hit_the_hand_that_sets_them(sandbox):
    sandbox.turn("faults", kind="reset")

    assert requests.delete(f"{sandbox.url}/_sandbox/faults", timeout=60).json() == {"faults": []}

    assert sandbox.raw("GET", "/v1/customers").ok


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "rain"}, id="a kind that is none"),
        pytest.param({"kind": "slow", "match_path": "("}, id="no regular expression"),
        pytest.param({"kind": "slow", "nth": 0}, id="the call before the first"),
        pytest.param({"kind": "slow", "when": "now"}, id="a word that it does not know"),
        pytest.param([], id="no object"),
    ],
)
def test_a_fault_that_is_none_is_refused(sandbox, fault):
    assert requests.post(f"{sandbox.url}/_sandbox/faults", json=fault, timeout=60).status_code == 400


def test_the_journal_knows_every_call_and_no_secret(sandbox, client):
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "mine"})
    client.v1.customers.list({"limit": 3})

    made, listed = sandbox.look("journal", path="^/v1/customers")["calls"]

    assert (made["method"], made["path"], made["body"], made["status"]) == (
        "POST",
        "/v1/customers",
        "name=Ada",
        200,
    )
    assert made["headers"]["authorization"] == "Bearer ****dbox"
    assert made["headers"]["idempotency-key"] == "mine"
    assert listed["query"] == "limit=3"
    assert "sk_test_sandbox" not in str(sandbox.look("journal"))
    assert sandbox.look("journal", since=made["id"])["calls"] == [listed]
    assert sandbox.look("counts")["routes"] == {"POST /v1/customers": 1, "GET /v1/customers": 1}


def test_every_answer_takes_as_long_as_it_was_told_to(sandbox):
    sandbox.turn("latency", seconds=0.1)

    answer = sandbox.raw("GET", "/v1/customers")

    assert answer.elapsed.total_seconds() >= 0.1
    (call,) = sandbox.look("journal")["calls"]
    assert call["duration"] >= 0.1


def test_a_reset_leaves_an_empty_service(sandbox, client, receiver):
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    sandbox.pay(client)
    sandbox.turn("faults", kind="reset", match_path="never")
    sandbox.turn("delivery", loss=1)

    sandbox.turn("reset")

    state = sandbox.look("state")
    assert set(state["counts"].values()) == {0}
    assert state["waiting"] == 0
    assert sandbox.look("faults") == {"faults": []}
    assert sandbox.look("journal") == {"calls": []}
    assert sandbox.look("delivery")["loss"] == 0
    assert sandbox.look("scenario")["expected"] == []
