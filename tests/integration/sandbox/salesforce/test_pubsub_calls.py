"""This module tests topics, schemas, published events, and how the Pub/Sub API refuses."""

from __future__ import annotations

import grpc
import pytest

from tests.integration.sandbox.salesforce.bus_rig import CUSTOM, Subscriber, refusal

EVENT = "Stripe_Payment_Failed__e"
TOPIC = f"/event/{EVENT}"


@pytest.mark.parametrize(
    ("name", "record", "publishes"),
    [
        (TOPIC, EVENT, True),
        ("/data/AccountChangeEvent", "AccountChangeEvent", False),
        ("/data/Payment__ChangeEvent", "Payment__ChangeEvent", False),
    ],
)
def test_a_topic_leads_to_its_schema(subscriber, name, record, publishes):
    topic = subscriber.topic(name)
    schema = subscriber.schema(topic.schema_id)

    assert (topic.topic_name, topic.can_subscribe, topic.can_publish) == (name, True, publishes)
    assert (schema["name"], schema["namespace"]) == (record, "com.sforce.eventbus")


def test_the_channel_of_all_changes_has_no_schema_of_its_own(subscriber):
    assert subscriber.topic("/data/ChangeEvents").schema_id == ""


def test_an_event_is_received_whichever_way_it_was_published(outsider, subscriber):
    stamps = {"CreatedDate": 0, "CreatedById": ""}
    sent = {"Payment_ID__c": "pi_1", "Amount__c": 12.5, **stamps}
    (answer,) = subscriber.publish(subscriber.batch(TOPIC, sent, b"\x00\xff"))
    outsider.post(f"/sobjects/{EVENT}", {"Payment_ID__c": "pi_2"})

    first, second = subscriber.listen(TOPIC).events(2)
    good, bad = answer.results
    assert (first.uuid, first.replay_id) == ("own-0", good.replay_id)
    assert (first.values["Payment_ID__c"], first.values["Amount__c"]) == ("pi_1", 12.5)
    assert second.values["Payment_ID__c"] == "pi_2"
    assert second.values["CreatedById"].startswith("005")
    assert second.values["CreatedDate"] > 1_700_000_000_000
    assert (bad.error.code, bad.correlation_key, bad.replay_id) == (1, "own-1", b"")
    assert outsider.control("GET", "events")["counts"] == {EVENT: 2}


def test_batches_are_published_on_a_stream_that_keeps_its_topic(subscriber):
    batch = subscriber.batch(TOPIC, {"CreatedDate": 0, "CreatedById": "", "Payment_ID__c": "pi_1"})

    assert [len(answer.results) for answer in subscriber.publish(batch, batch, stream=True)] == [1, 1]
    other = subscriber.batch("/event/Opportunity_Closed_Won__e")
    with pytest.raises(grpc.RpcError) as refused:
        subscriber.publish(batch, other, stream=True)
    assert refusal(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "publish.topic.mismatch")
    assert len(subscriber.listen(TOPIC).events(3)) == 3


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"accesstoken": "00D!wrong"}, "service.auth.error"),
        ({"tenantid": "00DgK0000000999"}, "service.auth.error"),
        ({"accesstoken": None}, "service.auth.headers.invalid"),
        ({"instanceurl": None}, "service.auth.headers.invalid"),
    ],
    ids=["no session", "another org", "no token", "no instance"],
)
def test_nobody_is_served_without_a_session(outsider, metadata, code):
    stranger = Subscriber(outsider, **metadata)

    for attempt in (lambda: stranger.topic(TOPIC), lambda: stranger.listen(TOPIC).next()):
        with pytest.raises(grpc.RpcError) as refused:
            attempt()
        assert refusal(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, code)
    stranger.close()


@pytest.mark.parametrize(
    ("attempt", "status", "code"),
    [
        (lambda s: s.topic("/data/NopeChangeEvent"), "NOT_FOUND", "topic.not.found"),
        (lambda s: s.topic(""), "INVALID_ARGUMENT", "topic.validation.empty"),
        (lambda s: s.schema(""), "INVALID_ARGUMENT", "schema.validation.failed"),
        (lambda s: s.schema("nope"), "NOT_FOUND", "schema.meta.permission"),
        (lambda s: s.publish(s.batch(TOPIC)), "INVALID_ARGUMENT", "publish.event.count.invalid"),
        (lambda s: s.listen("/event/Nope__e").next(), "NOT_FOUND", "topic.not.found"),
        (
            lambda s: s.listen(TOPIC, 0).next(),
            "INVALID_ARGUMENT",
            "subscription.fetch.requested.events.invalid",
        ),
        (
            lambda s: s.listen(TOPIC, preset=CUSTOM).next(),
            "INVALID_ARGUMENT",
            "subscription.fetch.replayid.validation.failed",
        ),
        (
            lambda s: s.listen(TOPIC, after=b"\x00" * 8).next(),
            "INVALID_ARGUMENT",
            "subscription.fetch.replayid.corrupted",
        ),
        (
            lambda s: s.listen(TOPIC, after=b"short").next(),
            "INVALID_ARGUMENT",
            "subscription.fetch.replayid.corrupted",
        ),
    ],
)
def test_a_call_is_refused_in_words_of_its_own(subscriber, attempt, status, code):
    with pytest.raises(grpc.RpcError) as refused:
        attempt(subscriber)

    assert refusal(refused.value) == (grpc.StatusCode[status], code)


def test_the_certificate_is_trusted_by_those_alone_who_were_given_it(outsider):
    told = outsider.control("GET", "pubsub")
    with grpc.secure_channel(told["endpoint"], grpc.ssl_channel_credentials()) as channel:
        ask = channel.unary_unary("/eventbus.v1.PubSub/GetTopic")
        with pytest.raises(grpc.RpcError) as refused:
            ask(b"", timeout=5)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
