"""The listener: what it keeps, where it goes on, and that it never passes over anything in silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from connectors import gateway
from connectors.base import Account
from connectors.models import Connection, Topic, TopicQuerySet
from connectors.salesforce import auth
from connectors.salesforce.auth import Token
from connectors.salesforce.pubsub import client
from connectors.salesforce.pubsub.messages import CUSTOM, EARLIEST, LATEST
from flows import hearing, intake, payloads, recovering, streams
from flows.dispatch import dispatch
from flows.listening import Listener
from flows.models import DeadLetter, Event, Notice, Resync
from integrator.kernel import errors
from tests.builders import NOON, a_connection
from tests.integration.flows.an_event_bus import (
    DENIED,
    EXPIRED,
    TOPIC,
    EventBus,
    an_event_bus,
    hears,
    kept,
    stands,
)
from tests.stage import until

pytestmark = pytest.mark.django_db(transaction=True)

ORG = "00D000000000001AAA"


@pytest.fixture
def bus() -> Iterator[EventBus]:
    with an_event_bus() as served:
        yield served


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the generations of the sessions that were opened; the last one is good."""
    opened = [1]

    def obtain(account: Account, *, stale: int | None = None, deadline: float = 10.0) -> Token:
        if stale is not None and stale == opened[-1]:
            opened.append(stale + 1)
        return Token(f"token-{opened[-1]}", "https://acme.my.salesforce.com", ORG, opened[-1])

    monkeypatch.setattr(auth, "obtain", obtain)
    return opened


@pytest.fixture
def topic(bus: EventBus, logins: list[int]) -> Iterator[Topic]:
    gateway.forget_all()
    settings = {"event_bus": bus.address, "event_bus_certificate": bus.certificate}
    yield Topic.objects.create(
        connection=a_connection("salesforce", name="CRM", settings=settings), name=TOPIC, created_at=NOON
    )
    gateway.forget_all()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.stop()


def test_what_happens_stands_in_the_inbox_with_its_position(topic, listener, bus):
    hears(listener, bus)

    bus.happen("e1", "e2")

    kept("e1", "e2")
    event = Event.objects.first()
    assert (event.connection, event.type, event.object_id) == (
        topic.connection, "Account.updated", "001000000000001AAA",
    )  # fmt: skip
    assert (event.origin, event.fate) == ("live", "queued")
    body = payloads.open_body(event.body, connection_id=topic.connection_id)
    assert body["data"]["object"] == {"Id": "001000000000001AAA", "Name": "e2"}
    assert (body["topic"], body["changed"]) == (TOPIC, ["Name"])
    stands(topic, replay_id=(2).to_bytes(8), received=2, failure="")
    assert bus.starts == [(LATEST, 0)]
    dispatch(now=NOON)
    assert Event.objects.get(external_id="e1").fate == "ignored"


def test_a_broken_stream_goes_on_behind_what_was_kept(topic, listener, bus):
    hears(listener, bus)
    bus.happen("e1")
    kept("e1")
    bus.cut()
    stands(topic, failure_code="service.unavailable", attempts=1)
    bus.happen("e2")

    hears(listener, bus, streams=2)

    kept("e1", "e2")
    assert bus.starts[1] == (CUSTOM, 1)
    stands(topic, failure="", attempts=0)


def test_what_is_sent_twice_is_kept_once(topic, listener, bus):
    hears(listener, bus)

    bus.happen("e1", "e1", "e2")

    kept("e1", "e2")
    stands(topic, replay_id=(3).to_bytes(8), received=2)


def test_more_than_the_bus_sends_at_once_flows_without_a_stop(topic, listener, bus):
    hears(listener, bus)

    bus.happen(*(f"e{number}" for number in range(1_000)))

    stands(topic, received=1_000)
    assert bus.most_outstanding <= 100


def test_events_and_position_are_kept_together_or_not_at_all(topic, listener, bus, monkeypatch):
    keep, failing = intake.keep, [True]

    def fails_once(arrivals: Any) -> Any:
        found = keep(arrivals)
        if failing and arrivals:
            failing.clear()
            raise OperationalError("disk full")
        return found

    monkeypatch.setattr(intake, "keep", fails_once)
    hears(listener, bus)
    bus.stay_silent()
    stands(topic, replay_id=(0).to_bytes(8))
    bus.happen("e1")
    stands(topic, failure_code="internal")
    assert not Event.objects.exists()

    hears(listener, bus, streams=2)

    kept("e1")
    assert bus.starts[1] == (CUSTOM, 0)


def test_a_silent_bus_moves_the_position(topic, listener, bus):
    bus.happen("before")
    hears(listener, bus)

    bus.stay_silent()

    stands(topic, replay_id=(1).to_bytes(8), received=0)


def test_a_first_stream_that_breaks_at_once_leaves_no_hole(topic, listener, bus):
    bus.happen("long-ago", at=datetime.now(UTC) - timedelta(hours=1))
    hears(listener, bus)
    bus.cut()
    stands(topic, attempts=1)
    bus.happen("meanwhile")

    hears(listener, bus, streams=2)

    kept("meanwhile")
    assert [preset for preset, _ in bus.starts] == [LATEST, EARLIEST]


@pytest.fixture
def no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*asked: Any) -> None:
        raise errors.Refused("No such object", code="INVALID_TYPE")

    monkeypatch.setattr(streams, "ask", refuse)


def forgets_the_position(topic: Topic, bus: EventBus) -> None:
    Topic.objects.filter(pk=topic.pk).update(replay_id=b"old", kept_until=NOON)
    bus.refuses["Subscribe"] = EXPIRED
    bus.happen("e1")


def test_a_position_that_is_lost_has_records_compared_and_the_topic_goes_on(
    topic, listener, bus, monkeypatch
):
    monkeypatch.setattr(streams, "ask", lambda *_: {"records": []})
    forgets_the_position(topic, bus)

    listener.turn()

    stands(topic, from_earliest=True, replay_id=b"", stopped=False, lease_owner="")
    resync = Resync.objects.get()
    assert (resync.object, resync.reason) == ("Account", "position")
    assert resync.since == NOON - recovering.OVERLAP
    notice = Notice.objects.get()
    assert (notice.kind, notice.severity) == ("gap", "critical")
    assert "was not heard since 2026-11-24 12:00" in notice.title
    bus.refuses.clear()
    hears(listener, bus)
    kept("e1")
    assert bus.starts == [(EARLIEST, 0)]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param(TOPIC, "Account records cannot be read: No such object", id="unreadable records"),
        pytest.param("/event/Paid__e", "Platform events leave no records", id="platform events"),
    ],
)
@pytest.mark.usefixtures("no_records")
def test_a_topic_stops_where_nothing_can_be_compared_until_a_person_says_how_to_go_on(
    topic, listener, bus, name, says
):
    Topic.objects.filter(pk=topic.pk).update(name=name)
    forgets_the_position(topic, bus)

    listener.turn()

    stands(topic, stopped=True, replay_id=b"old")
    assert says in Notice.objects.get().text
    assert not Resync.objects.exists()
    bus.refuses.clear()
    listener.turn()
    assert bus.starts == [], "nothing is passed over until a person says so"

    Topic.objects.get(pk=topic.pk).go_on()
    hears(listener, bus)
    kept("e1")


def test_a_topic_that_may_not_be_heard_waits_and_does_not_rest_its_connection(topic, listener, bus):
    bus.refuses["GetTopic"] = DENIED

    listener.turn()

    stands(topic, failure_code="subscription.topic.cannot.subscribe", lease_owner="")
    topic.refresh_from_db()
    assert topic.retry_at - topic.failed_at == hearing.PATIENT
    assert topic.connection.state == Connection.State.ACTIVE


def test_a_session_that_is_over_is_replaced_once(topic, listener, bus, logins):
    bus.over.add("token-1")

    hears(listener, bus)

    assert logins == [1, 2]
    assert bus.tokens == ["token-2"]


def test_another_listener_takes_over_and_the_first_keeps_nothing_more(topic, listener, bus):
    hears(listener, bus)
    bus.happen("e1")
    kept("e1")
    second = Listener()
    second.turn()
    assert not second.hears(), "one owns a topic at a time"
    Topic.objects.filter(pk=topic.pk).update(lease_until=Now() - timedelta(seconds=1))  # as time passes

    hears(second, bus, streams=2)
    bus.happen("e2")

    kept("e1", "e2")
    until(lambda: not listener.hears(), seconds=60, what="the first has let go")
    stands(topic, received=2)
    second.stop()


def test_a_stop_lets_the_topic_go_at_once(topic, listener, bus):
    hears(listener, bus)

    listener.stop()

    topic.refresh_from_db()
    assert (topic.lease_until, topic.failure) == (None, "")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(
            lambda topic: topic.connection.pause(reason="Maintenance"), id="its connection is paused"
        ),
        pytest.param(
            lambda topic: topic.connection.lead_to("https://b.my.salesforce.com"), id="it leads elsewhere"
        ),
        pytest.param(lambda topic: topic.delete(), id="it is dropped"),
    ],
)
def test_a_topic_is_given_up_when(topic, listener, bus, act):
    hears(listener, bus)
    held = list(listener.hears())

    act(topic)
    listener.turn()

    until(lambda: not listener.hears() & set(held), seconds=60, what="it is given up")


def test_a_topic_that_is_dropped_while_it_is_taken_up_keeps_no_other_waiting(topic, bus):
    other = Topic.objects.create(connection=topic.connection, name="/event/Zwei__e", created_at=NOON)
    heard: list[int] = []
    listener = Listener(hear=lambda held: heard.append(held.topic.pk))
    take = TopicQuerySet.take

    def dropped_at_once(rows: TopicQuerySet, **by: Any) -> bool:
        taken = take(rows, **by)
        Topic.objects.filter(pk=topic.pk).delete()
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TopicQuerySet, "take", dropped_at_once)
        listener.turn()

    until(lambda: heard == [other.pk], seconds=60, what="the other topic is heard")
    listener.stop()


def test_a_line_that_was_lost_without_a_word_is_opened_again(topic, listener, bus):
    hears(listener, bus)
    bus.happen("e1")
    kept("e1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "SILENCE", -1.0)
        listener.turn()
    until(lambda: not listener.hears(), seconds=60, what="the silent stream is given up")
    hears(listener, bus, streams=2)

    assert bus.starts[1] == (CUSTOM, 1)


def test_an_event_that_cannot_be_stored_at_all_is_told_to_a_person(topic, listener, bus, monkeypatch):
    keep = intake.keep

    def keeps_all_but_one(arrivals: Any) -> Any:
        good = [one for one in arrivals if one.delivery.external_id != "e1"]
        failed = {n: ValueError() for n, one in enumerate(arrivals) if one not in good}
        return intake.Kept(new=keep(good).new, failed=failed)

    monkeypatch.setattr(intake, "keep", keeps_all_but_one)
    hears(listener, bus)

    bus.happen("e1", "e2")

    kept("e2")
    notice = Notice.objects.get(kind="missing_event")
    assert (notice.severity, notice.title) == ("critical", "Event e1 could not be kept")
    stands(topic, replay_id=(2).to_bytes(8), received=1)


def test_many_changes_that_are_not_named_are_compared_and_told_to_a_person(topic, listener, bus):
    hears(listener, bus)

    bus.happen("e1", header={"changeType": "GAP_OVERFLOW", "recordIds": [], "changedFields": []})

    kept("e1")
    assert Event.objects.get().type == "Account.overflow"
    notice = Notice.objects.get()
    assert (notice.kind, notice.severity) == ("gap", "critical")
    assert "many Account records changed" in notice.title
    assert [(one.object, one.reason) for one in Resync.objects.all()] == [("Account", "overflow")]


def test_an_event_that_nobody_can_read_is_kept_and_shown(topic, listener, bus):
    hears(listener, bus)

    bus.send("e1", b"\xff\xff")
    bus.happen("e2")

    kept("e1", "e2")
    dispatch(now=NOON)
    assert DeadLetter.objects.get().event.external_id == "e1"
