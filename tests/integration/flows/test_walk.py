"""The walk of Stripe's list: what it finds, where it goes on, and what it does not do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.models import Connection, Cursor
from flows import intake, streams, walk
from flows.dispatch import dispatch
from flows.models import DeadLetter, Event, Notice, Pair, Run
from integrator.kernel.errors import Transient
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow
from tests.integration.flows.listing import ListingStripe

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def billing(pair: Pair) -> Connection:
    Connection.objects.filter(pk=pair.stripe_id).update(created_at=NOON - HOUR)
    return Connection.objects.get(pk=pair.stripe_id)


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> ListingStripe:
    listing = ListingStripe(NOON)
    monkeypatch.setattr(streams.gateway, "call_many", listing.call_many)
    return listing


def names() -> set[str]:
    return set(Event.objects.values_list("external_id", flat=True))


def cursor_of(billing: Connection) -> Cursor:
    return Cursor.objects.get(connection=billing, stream=walk.STREAM)


def test_what_was_never_delivered_comes_in_as_stripe_lists_it(billing, stripe):
    a_live_flow(Pair.objects.get())
    event = stripe.event("evt_lost", NOON - 10 * MINUTE, data={"object": {"id": "ch_1", "object": "charge"}})

    assert walk.walk_due(now=NOON) == 1

    kept = Event.objects.get()
    assert (kept.external_id, kept.origin, kept.type) == ("evt_lost", "walk", "charge.succeeded")
    assert (kept.object_id, kept.happened_at, kept.received_at) == ("ch_1", NOON - 10 * MINUTE, NOON)
    dispatch(now=NOON)
    assert Run.objects.get().event_id == kept.pk
    assert event["id"] == cursor_of(billing).position


def test_what_was_delivered_is_not_doubled(billing, stripe):
    stripe.event("evt_1", NOON - 10 * MINUTE)
    delivered = intake.Delivery(external_id="evt_1", body=b"as delivered")
    intake.receive(connection_id=billing.pk, deliveries=[delivered], now=NOON)

    assert walk.walk_due(now=NOON) == 0

    assert Event.objects.get().origin == "live"


def test_a_new_connection_begins_with_itself_and_not_with_its_past(billing, stripe):
    stripe.event("evt_before", NOON - DAY)
    stripe.event("evt_since", NOON - HOUR + MINUTE)

    walk.walk_due(now=NOON)

    assert names() == {"evt_since"}


def test_a_walk_begins_a_little_before_the_last_one_ended(billing, stripe):
    stripe.event("evt_1", NOON - MINUTE)
    walk.walk_due(now=NOON)
    stripe.event("evt_visible_late", NOON - 2 * MINUTE)
    stripe.now = later = NOON + walk.EVERY

    assert walk.walk_due(now=later) == 1

    assert cursor_of(billing).reached_at == later - timedelta(seconds=1), "by Stripe's clock"
    assert Event.objects.get(external_id="evt_visible_late").origin == "walk"


@pytest.mark.parametrize(
    ("settings", "after", "due"),
    [
        pytest.param({}, 4 * MINUTE, False, id="not yet"),
        pytest.param({}, 5 * MINUTE, True, id="every five minutes"),
        pytest.param({"walk_minutes": 60}, 59 * MINUTE, False, id="as the connection says"),
        pytest.param({"walk_only": True}, timedelta(seconds=30), True, id="the only trigger"),
    ],
)
def test_a_list_is_read_as_often_as_it_should_be(billing, stripe, settings: Any, after, due):
    Connection.objects.filter(pk=billing.pk).update(settings=settings)
    walk.walk_due(now=NOON)
    stripe.asked.clear()

    walk.walk_due(now=NOON + after)

    assert bool(stripe.asked) is due


def test_a_long_list_is_read_page_by_page_and_resumed_where_it_stopped(billing, stripe):
    stripe.most = 2
    for number in range(5):
        stripe.event(f"evt_{number}", NOON - (number + 1) * MINUTE)
    (cursor,) = walk.due(now=NOON)

    assert walk.walk(cursor, now=NOON, pages=1) == 2
    assert cursor_of(billing).reached_at == NOON - HOUR, "nothing before it counts as read yet"
    (cursor,) = walk.due(now=NOON)
    assert walk.walk(cursor, now=NOON, pages=9) == 3

    assert [request.get("starting_after") for request in stripe.asked] == [None, "evt_1", "evt_3"]
    assert cursor_of(billing).state == {}


def test_after_an_outage_days_are_read_one_after_the_other(billing, stripe):
    Cursor.objects.create(connection=billing, stream=walk.STREAM, reached_at=NOON - 3 * DAY)
    for number in range(3):
        stripe.event(f"evt_{number}", NOON - number * DAY - HOUR)

    assert walk.walk_due(now=NOON) == 3

    since = [request["params"]["created"]["gte"] for request in stripe.asked]
    assert since == sorted(since)
    assert len(since) == 3
    arrived = list(Event.objects.order_by("id").values_list("external_id", flat=True))
    assert arrived == ["evt_2", "evt_1", "evt_0"]


def test_an_outage_longer_than_the_list_is_told_and_left_to_the_objects(billing, stripe):
    a_live_flow(Pair.objects.get(), "charge.succeeded", "customer.created")
    Cursor.objects.create(connection=billing, stream=walk.STREAM, reached_at=NOON - 40 * DAY)

    walk.walk_due(now=NOON)

    notice = Notice.objects.get(kind="gap")
    assert (notice.severity, notice.environment_id) == ("critical", billing.environment_id)
    assert "from 2026-10-15 to 2026-10-25" in notice.title
    since = stripe.asked[0]["params"]["created"]["gte"]
    assert since == int((NOON - 30 * DAY).timestamp())
    for kind in ("charge", "customer"):
        state = Cursor.objects.get(stream=f"sweep:{kind}").state
        assert state["since"] == int((NOON - 40 * DAY).timestamp())


def test_the_cursor_stays_where_it_is_when_a_page_cannot_be_kept(billing, stripe, monkeypatch):
    stripe.event("evt_1", NOON - MINUTE)

    def full(*_: Any) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr(intake, "keep", full)
    walk.walk_due(now=NOON)

    cursor = cursor_of(billing)
    assert (cursor.reached_at, cursor.position, cursor.lease_until) == (NOON - HOUR, "", None)
    assert cursor.failure


def test_two_processes_do_not_read_one_list(billing, stripe):
    stripe.event("evt_1", NOON - MINUTE)
    (cursor,) = walk.due(now=NOON)
    assert streams.take(cursor) is not None

    assert walk.walk_due(now=NOON) == 0
    assert stripe.asked == []

    Cursor.objects.update(lease_until="2020-01-01T00:00Z")  # whoever had it died
    assert walk.walk_due(now=NOON) == 1


def test_a_reader_that_lost_its_stream_keeps_nothing(billing, stripe):
    stripe.event("evt_1", NOON - MINUTE)
    stripe.before = lambda: Cursor.objects.update(lease_owner="somebody else")

    assert walk.walk_due(now=NOON) == 0

    assert names() == set()
    assert cursor_of(billing).lease_owner == "somebody else"


def test_a_key_of_another_account_reads_nothing(billing, stripe):
    stripe.account = "acct_other"
    stripe.event("evt_1", NOON - MINUTE)

    walk.walk_due(now=NOON)

    assert stripe.asked == []
    assert "acct_other" in cursor_of(billing).failure


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        pytest.param({"state": "active"}, True, id="active"),
        pytest.param({"state": "paused"}, False, id="paused"),
        pytest.param({"state": "resting", "paused_until": NOON + MINUTE}, False, id="resting"),
        pytest.param({"state": "resting", "paused_until": NOON - MINUTE}, True, id="rested"),
        pytest.param({"pinned_account": ""}, False, id="never tested"),
    ],
)
def test_only_a_connection_in_use_is_read(billing, stripe, fields: Any, read):
    Connection.objects.filter(pk=billing.pk).update(**fields)

    walk.walk_due(now=NOON)

    assert bool(stripe.asked) is read


def test_a_failure_is_told_and_tried_again_later(billing, stripe):
    stripe.failure = Transient("Stripe could not be reached.")
    walk.walk_due(now=NOON)
    walk.walk_due(now=NOON + MINUTE)
    assert (cursor_of(billing).failure, len(stripe.asked)) == ("Stripe could not be reached.", 1)

    stripe.failure = None
    walk.walk_due(now=NOON + 6 * MINUTE)

    assert cursor_of(billing).failure == ""


def test_an_event_that_nobody_can_read_is_kept_and_harms_no_other(billing, stripe):
    stripe.event("evt_good", NOON - MINUTE)
    stripe.event("evt_bad", NOON - 2 * MINUTE, type=7, amount=10**30)

    assert walk.walk_due(now=NOON) == 2

    bad = Event.objects.exclude(external_id="evt_good").get()
    assert bad.external_id.startswith("unreadable:")
    assert (bad.origin, bool(bad.unreadable)) == ("walk", True)


NAMELESS = [
    pytest.param({"object": "event", "type": "charge.succeeded"}, id="no id"),
    pytest.param({"id": 7, "object": "event"}, id="a number for an id"),
    pytest.param({"id": None}, id="nothing in it"),
]


@pytest.mark.parametrize("nameless", NAMELESS)
@pytest.mark.parametrize("most", [2, 100], ids=["at a page's end", "in a page"])
def test_an_event_without_an_id_is_stepped_over_and_shown(billing, stripe, nameless: Any, most: int):
    stripe.most = most
    stripe.event("evt_3", NOON - MINUTE)
    stripe.put("event", nameless | {"created": int((NOON - 2 * MINUTE).timestamp())})
    stripe.event("evt_1", NOON - 3 * MINUTE)

    assert walk.walk_due(now=NOON) == 3

    assert {"evt_1", "evt_3"} < names()
    told = Event.objects.get(external_id__startswith="unreadable:")
    assert (told.origin, bool(told.unreadable)) == ("walk", True)
    assert (cursor_of(billing).failure, cursor_of(billing).state) == ("", {})
    dispatch(now=NOON)
    assert DeadLetter.objects.get().event_id == told.pk


def test_a_page_in_which_no_event_has_an_id_is_followed_by_time(billing, stripe):
    stripe.most = 2
    stripe.event("evt_4", NOON - MINUTE)
    for age in (2, 3):
        stripe.put("event", {"object": "event", "created": int((NOON - age * MINUTE).timestamp())})
    stripe.event("evt_1", NOON - 4 * MINUTE)

    (cursor,) = walk.due(now=NOON)
    walk.walk(cursor, now=NOON, pages=2)
    assert walk.walk_due(now=NOON + MINUTE) == 1  # another process goes on where this one stopped

    assert {"evt_1", "evt_4"} < names()
    assert Event.objects.count() == 4
    assert (cursor_of(billing).failure, cursor_of(billing).state) == ("", {})


def test_what_is_no_object_at_all_is_stepped_over_as_well(billing, stripe, monkeypatch):
    event = stripe.event("evt_1", NOON - MINUTE)
    page = {"objects": ["evt_2", None, event], "has_more": False, "requested_at": NOON.isoformat()}
    monkeypatch.setattr(stripe, "_page", lambda _: page)

    assert walk.walk_due(now=NOON) == 3

    assert Event.objects.filter(external_id__startswith="unreadable:").count() == 2
    assert cursor_of(billing).failure == ""


def test_a_page_that_tells_neither_id_nor_time_is_told_at_the_cursor(billing, stripe, monkeypatch):
    page = {"objects": [{"object": "event"}], "has_more": True, "requested_at": NOON.isoformat()}
    monkeypatch.setattr(stripe, "_page", lambda _: page)

    assert walk.walk_due(now=NOON) == 0

    assert "goes on" in cursor_of(billing).failure
    assert len(stripe.asked) == 1


def test_a_list_that_never_ends_is_left(billing, stripe, monkeypatch):
    event = stripe.event("evt_1", NOON - MINUTE)
    page = {"objects": [event], "has_more": True, "requested_at": NOON.isoformat()}
    monkeypatch.setattr(stripe, "_page", lambda _: page)

    assert walk.walk_due(now=NOON) == 1

    assert "goes on" in cursor_of(billing).failure
    assert len(stripe.asked) == 2


def test_a_page_whose_predecessor_is_listed_no_more_begins_its_window_anew(billing, stripe):
    stripe.most = 1
    stripe.event("evt_2", NOON - MINUTE)
    stripe.event("evt_1", NOON - 2 * MINUTE)
    (cursor,) = walk.due(now=NOON)
    walk.walk(cursor, now=NOON, pages=1)
    stripe.lists["event"].pop(0)

    walk.walk_due(now=NOON)
    walk.walk_due(now=NOON + 6 * MINUTE)

    assert names() == {"evt_1", "evt_2"}


def test_an_event_that_cannot_be_kept_is_named(billing, stripe, monkeypatch):
    stripe.event("evt_1", NOON - MINUTE)
    failed = intake.Kept(new=0, failed={0: ValueError("no column takes it")})
    monkeypatch.setattr(intake, "keep", lambda _: failed)

    walk.walk_due(now=NOON)

    notice = Notice.objects.get(kind="missing_event")
    assert "evt_1" in notice.title
    assert cursor_of(billing).state == {}, "what cannot be kept does not keep the others waiting"


def test_the_list_is_read_once_more_when_a_person_asks(billing, stripe):
    walk.walk_due(now=NOON)
    stripe.event("evt_old", NOON - 20 * DAY)

    walk.look(billing, since=NOON - 25 * DAY, now=NOON)
    assert walk.walk_due(now=NOON) == 1
    assert walk.walk_due(now=NOON) == 0

    assert names() == {"evt_old"}
    assert Cursor.objects.get(stream=walk.ASKED).state == {}
