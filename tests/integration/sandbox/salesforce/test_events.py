"""This module tests platform events: they are published, described, counted, and never stored."""

from __future__ import annotations

import pytest

EVENT = "Stripe_Payment_Failed__e"
VALUES = {"Payment_ID__c": "pi_1", "Amount__c": 12.5, "Code__c": "card_declined"}


def published(outsider):
    return outsider.control("GET", "events", event=EVENT)["events"]


def test_an_event_is_queued_and_its_success_carries_an_error(outsider):
    answer = outsider.post(f"/sobjects/{EVENT}", VALUES)

    told = answer.json()
    assert (answer.status_code, told["success"]) == (201, True)
    (news,) = told["errors"]
    assert news["statusCode"] == "OPERATION_ENQUEUED"
    (event,) = published(outsider)
    assert (event["uuid"], event["values"]) == (news["message"], VALUES)


def test_a_collection_of_events_tells_each_by_itself(outsider):
    records = [
        {"attributes": {"type": EVENT}, **VALUES},
        {"attributes": {"type": EVENT}, "Nope__c": 1},
        {"attributes": {"type": EVENT}, "Payment_ID__c": "pi_2"},
    ]

    answer = outsider.post("/composite/sobjects", {"records": records}).json()

    assert [told["success"] for told in answer] == [True, False, True]
    assert answer[1]["errors"][0]["statusCode"] == "INVALID_FIELD"
    assert [event["values"]["Payment_ID__c"] for event in published(outsider)] == ["pi_1", "pi_2"]


def test_an_event_is_described_as_something_that_can_only_be_published(outsider):
    told = outsider.get(f"/sobjects/{EVENT}/describe").json()

    assert (told["createable"], told["queryable"], told["updateable"]) == (True, False, False)
    fields = {field["name"]: field for field in told["fields"]}
    assert {"ReplayId", "EventUuid", "CreatedDate", *VALUES} <= set(fields)
    assert not fields["ReplayId"]["createable"]


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(
            lambda o: o.query("SELECT ReplayId FROM Stripe_Payment_Failed__e"), "INVALID_TYPE", id="queried"
        ),
        pytest.param(lambda o: o.get(f"/sobjects/{EVENT}/e00gK0000000001"), "NOT_FOUND", id="read"),
        pytest.param(lambda o: o.post("/sobjects/Nope__e", {}), "NOT_FOUND", id="unknown"),
    ],
)
def test_an_event_cannot_be(outsider, ask, code):
    answer = ask(outsider)

    assert answer.status_code in (400, 404)
    assert answer.json()[0]["errorCode"] == code
