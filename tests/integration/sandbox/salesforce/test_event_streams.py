"""This module tests subscriptions: how much they deliver, where they begin, and how they end."""

from __future__ import annotations

import grpc
import pytest

from tests.integration.sandbox.salesforce.bus_rig import LATEST, refusal
from tests.stage import until

TOPIC = "/data/AccountChangeEvent"
ALL = "/data/ChangeEvents"
HOURS = 3_600


def make(outsider, *names):
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in names]
    outsider.post("/composite/sobjects", {"records": records})


def ended(stream):
    with pytest.raises(grpc.RpcError) as end:
        stream.rest()
    return refusal(end.value)


def test_no_more_is_delivered_than_was_asked_for(outsider, subscriber):
    make(outsider, *(f"A{number}" for number in range(120)))
    stream = subscriber.listen(TOPIC, 3)

    first = stream.next()
    stream.ask(500)
    rest = [stream.next()]
    assert (len(first.events), first.pending_num_requested) == (3, 0)
    while rest[-1].pending_num_requested:
        rest.append(stream.next())
    assert sum(len(response.events) for response in rest) == 100  # more is never outstanding
    stream.ask(100)
    assert len(stream.next().events) == 17


def test_a_subscription_goes_on_where_it_was(outsider, subscriber):
    make(outsider, "A", "B", "C")
    known = subscriber.listen(TOPIC).events(3)

    again = subscriber.listen(TOPIC, after=known[0].replay_id).events(2)
    assert [event.values["Name"] for event in again] == ["B", "C"]
    assert [event.uuid for event in again] == [event.uuid for event in known[1:]]


def test_the_latest_begins_after_everything_that_was(outsider, subscriber):
    make(outsider, "Before")
    stream = subscriber.listen(TOPIC, preset=LATEST)
    until(
        lambda: any(each["pending"] for each in outsider.control("GET", "pubsub")["streams"]),
        seconds=60,
        what="the stream is open",
    )
    make(outsider, "After")

    (event,) = stream.events(1)
    assert event.values["Name"] == "After"


def test_a_quiet_subscription_hears_of_a_position_to_go_on_from(outsider, subscriber):
    make(outsider, "A")
    (event,) = subscriber.listen(TOPIC).events(1)
    outsider.control("POST", "pubsub", {"keepalive": 0.01})
    stream = subscriber.listen(TOPIC, after=event.replay_id)

    sign = stream.next()
    assert not sign.events
    assert sign.latest_replay_id > event.replay_id
    make(outsider, "B")
    (again,) = subscriber.listen(TOPIC, after=sign.latest_replay_id).events(1)
    assert again.values["Name"] == "B"


@pytest.mark.parametrize(
    ("topic", "told"),
    [(ALL, ["Account", "Payment__c", "Contact"]), ("/data/Own__chn", ["Account", "Contact"])],
)
def test_a_channel_tells_of_all_objects_or_of_those_chosen_for_it(outsider, subscriber, topic, told):
    outsider.control(
        "POST", "pubsub/channels", {"topic": "/data/Own__chn", "objects": ["Account", "Contact"]}
    )
    make(outsider, "A")
    outsider.post("/sobjects/Payment__c", {"External_ID__c": "pi_1"})
    outsider.post("/sobjects/Stripe_Payment_Failed__e", {"Code__c": "card_declined"})
    outsider.post("/sobjects/Contact", {"LastName": "B"})

    events = subscriber.listen(topic).events(len(told))
    assert [event.header["entityName"] for event in events] == told


@pytest.mark.parametrize(
    "forget",
    [
        lambda outsider: outsider.control("POST", "org", {"skew": 73 * HOURS}),
        lambda outsider: outsider.control("POST", "pubsub/expire"),
    ],
    ids=["after 72 hours", "by a lever"],
)
def test_a_replay_id_expires_with_its_event(outsider, subscriber, forget):
    outsider.control("POST", "sessions", {"lifetime": 1_000 * HOURS})
    token = outsider.control("POST", "sessions", {"username": "long@acme.example"})["access_token"]
    subscriber.metadata[0] = ("accesstoken", token)
    make(outsider, "Old")
    (event,) = subscriber.listen(TOPIC).events(1)
    forget(outsider)
    outsider.control("POST", "changes", {"act": "create", "object": "Account", "values": {"Name": "New"}})

    refused = ended(subscriber.listen(TOPIC, after=event.replay_id))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
    (kept,) = subscriber.listen(TOPIC).events(1)
    assert kept.values["Name"] == "New"


def test_who_asks_for_nothing_is_dropped_without_a_complaint(outsider, subscriber):
    make(outsider, "A")
    stream = subscriber.listen(TOPIC, 1)
    outsider.control("POST", "pubsub", {"idle": 0.01})

    assert [len(response.events) for response in stream.rest()] == [1]


@pytest.mark.parametrize(
    ("lever", "data", "end"),
    [
        ("pubsub/cut", {}, ("UNAVAILABLE", "service.unavailable")),
        ("pubsub/cut", {"status": "INTERNAL", "code": "x.y"}, ("INTERNAL", "x.y")),
        ("pubsub/topics", {"topic": TOPIC}, ("PERMISSION_DENIED", "subscription.topic.cannot.subscribe")),
        ("reset", {}, ("UNAVAILABLE", "service.unavailable")),
        ("sessions", None, ("UNAUTHENTICATED", "service.auth.error")),
    ],
    ids=["cut", "cut otherwise", "topic refused", "org reset", "session expired"],
)
def test_a_stream_ends_with_the_reason(outsider, subscriber, lever, data, end):
    make(outsider, "A")
    stream = subscriber.listen(TOPIC)
    stream.events(1)

    outsider.control("DELETE" if data is None else "POST", lever, data)

    status, code = end
    assert ended(stream) == (grpc.StatusCode[status], code)


def test_a_topic_that_was_refused_can_be_given_back(outsider, subscriber):
    make(outsider, "A")
    outsider.control("POST", "pubsub/topics", {"topic": TOPIC})

    assert not subscriber.topic(TOPIC).can_subscribe
    assert ended(subscriber.listen(TOPIC))[0] is grpc.StatusCode.PERMISSION_DENIED
    outsider.control("POST", "pubsub/topics", {"topic": TOPIC, "refused": False})
    assert len(subscriber.listen(TOPIC).events(1)) == 1


def test_a_topic_cannot_be_changed_under_way(outsider, subscriber):
    stream = subscriber.listen(TOPIC)
    stream.ask(1, topic_name=ALL)

    assert ended(stream) == (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.topic.mismatch")


def test_there_is_room_for_so_many_streams(outsider, subscriber):
    make(outsider, "A")
    outsider.control("POST", "pubsub", {"clients": 1})
    first = subscriber.listen(TOPIC)
    first.events(1)

    refused = ended(subscriber.listen(TOPIC))
    assert refused == (grpc.StatusCode.RESOURCE_EXHAUSTED, "concurrent.client.limit.exceeded")


def test_gaps_are_told_without_what_was_changed(outsider, subscriber):
    id18 = outsider.post("/sobjects/Account", {"Name": "A"}).json()["id"]
    for data in ({"ids": [id18]}, {"kind": "GAP_OVERFLOW"}, {"kind": "UPDATE", "ids": ["*"]}):
        outsider.control("POST", "pubsub/changes", {"object": "Account", **data})

    events = subscriber.listen(TOPIC).events(4)[1:]
    told = [(event.kind, event.header["recordIds"]) for event in events]
    assert told == [("GAP_UPDATE", [id18]), ("GAP_OVERFLOW", []), ("UPDATE", ["001*"])]
    assert all(event.values["Name"] is None and not event.named("changedFields") for event in events)


def test_an_event_may_come_twice(outsider, subscriber):
    make(outsider, "A")
    outsider.control("POST", "pubsub/repeat", {"topic": TOPIC})

    first, second = subscriber.listen(TOPIC).events(2)
    assert first.uuid == second.uuid
    assert first.replay_id != second.replay_id


def test_a_delayed_event_is_not_passed_over(outsider, subscriber):
    outsider.control("POST", "pubsub", {"delay": HOURS, "keepalive": 0.01})
    make(outsider, "Late")
    stream = subscriber.listen(TOPIC)

    sign = stream.next()
    assert not sign.events
    outsider.control("POST", "pubsub", {"delay": 0})
    (event,) = stream.events(1)
    assert event.values["Name"] == "Late"
    assert sign.latest_replay_id < event.replay_id
