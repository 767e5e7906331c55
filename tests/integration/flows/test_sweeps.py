"""Sweeps: which objects come in as changed, which do not, and how a sweep goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.models import Connection, Cursor
from flows import intake, streams, sweeps
from flows.dispatch import dispatch
from flows.models import Event, Notice, Pair, Run, SweptObject
from integrator.kernel.errors import Transient
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, an_event
from tests.integration.flows.listing import ListingStripe

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHT = NOON.replace(hour=3) + DAY


@pytest.fixture
def billing(pair: Pair) -> Connection:
    a_live_flow(pair, "charge.succeeded", "charge.failed")
    Connection.objects.filter(pk=pair.stripe_id).update(created_at=NOON - HOUR)
    return Connection.objects.get(pk=pair.stripe_id)


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> ListingStripe:
    listing = ListingStripe(NIGHT)
    listing.lists["charge"] = []
    monkeypatch.setattr(streams.gateway, "call_many", listing.call_many)
    return listing


def a_charge(name: str = "ch_1", **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "object": "charge",
        "amount": 1999,
        "currency": "eur",
        "status": "succeeded",
        "livemode": False,
        "payment_intent": "pi_1",
        "created": int(NOON.timestamp()),
        "receipt_url": "https://pay.stripe.com/receipts/one",
    } | fields


def swept() -> list[str]:
    found = Event.objects.filter(origin="sweep").order_by("id")
    return list(found.values_list("external_id", flat=True))


def test_a_change_that_no_event_told_comes_in_at_night(billing, stripe):
    stripe.put("charge", a_charge())
    assert sweeps.sweep_due(now=NIGHT - MINUTE) == 0

    assert sweeps.sweep_due(now=NIGHT) == 1

    kept = Event.objects.get()
    assert (kept.external_id, kept.origin, kept.type) == ("sweep:ch_1:1", "sweep", "charge.updated")
    assert (kept.object_id, kept.livemode, kept.api_version) == ("ch_1", False, billing.api_version)


def test_it_leads_to_every_flow_about_such_objects_which_reads_the_object_first(pair, billing, stripe):
    a_live_flow(pair, "customer.created", slug="customers")
    stripe.put("charge", a_charge())
    sweeps.sweep_due(now=NIGHT)

    dispatch(now=NIGHT)

    run = Run.objects.get()
    assert (run.flow.slug, run.fetch_first, run.lane.key) == ("payments", True, "stripe:pi_1")
    assert (run.amount, run.currency) == (1999, "EUR")


@pytest.mark.parametrize(
    ("types", "found", "starts"),
    [
        (["charge.failed"], a_charge(), False),
        (["charge.failed", "charge.refunded"], a_charge(), True),
        (["charge.failed"], a_charge(status="failed"), True),
        (["customer.deleted"], {"id": "cus_1", "object": "customer"}, False),
        (["customer.created", "charge.failed"], {"id": "cus_1", "object": "customer"}, True),
        (["customer.subscription.deleted"], {"object": "subscription", "status": "active"}, False),
        (["customer.subscription.deleted"], {"object": "subscription", "status": "canceled"}, True),
        (["invoice.payment_failed"], {"object": "invoice", "status": "paid"}, False),
    ],
)
def test_it_starts_no_flow_for_what_cannot_have_happened_last(pair, types, found, starts):
    a_live_flow(pair, *types)
    an_event(pair.stripe, {"id": "x_1", **found}, type="some.updated", origin="sweep")

    dispatch(now=NOON)

    assert Run.objects.exists() is starts


def test_it_comes_in_once_however_often_it_is_swept(billing, stripe):
    stripe.put("charge", a_charge())
    sweeps.sweep_due(now=NIGHT)
    stripe.lists["charge"][0]["receipt_url"] = "https://pay.stripe.com/receipts/another"

    assert sweeps.sweep_due(now=NIGHT + DAY) == 0
    assert swept() == ["sweep:ch_1:1"]
    assert not Notice.objects.exists(), "what the first sweep finds, nobody has missed"

    stripe.lists["charge"][0]["status"] = "refunded"
    assert sweeps.sweep_due(now=NIGHT + 2 * DAY) == 1
    assert swept() == ["sweep:ch_1:1", "sweep:ch_1:3"]
    assert Notice.objects.get().title == f"{billing.name}: 1 changes of charge objects were missed"


def test_it_comes_in_at_the_hour_that_the_connection_says(billing, stripe):
    billing.configure(sweep_hour=5)
    stripe.put("charge", a_charge())

    assert sweeps.sweep_due(now=NIGHT + timedelta(hours=1)) == 0
    assert sweeps.sweep_due(now=NIGHT + timedelta(hours=2)) == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"fate": "applied"}, True, id="applied"),
        pytest.param({"fate": "dead"}, True, id="a person has it"),
        pytest.param({"fate": "ignored"}, False, id="no flow wanted it then"),
        pytest.param({"fate": "applied", "purged_at": NOON, "body": b""}, False, id="long deleted"),
    ],
)
def test_what_an_event_has_told_is_not_missed(billing, stripe, fields: Any, told):
    stripe.put("charge", a_charge())
    event = an_event(billing, a_charge(receipt_url="https://pay.stripe.com/receipts/earlier"))
    Event.objects.filter(pk=event.pk).update(**fields)

    assert sweeps.sweep_due(now=NIGHT) == (0 if told else 1)

    assert SweptObject.objects.get().object_id == "ch_1", "so that the next sweep need not look"


def test_an_event_of_an_older_state_tells_nothing(billing, stripe):
    stripe.put("charge", a_charge(status="refunded"))
    event = an_event(billing, a_charge())
    Event.objects.filter(pk=event.pk).update(fate="applied")

    assert sweeps.sweep_due(now=NIGHT) == 1


def test_a_sweep_goes_on_where_it_stopped(billing, stripe, monkeypatch):
    monkeypatch.setattr(sweeps, "PAGES", 1)
    stripe.most = 2
    stripe.put("charge", *(a_charge(f"ch_{n}", created=int(NOON.timestamp()) - n) for n in range(5)))

    assert [sweeps.sweep_due(now=NIGHT) for _ in range(4)] == [2, 2, 1, 0]

    cursor = Cursor.objects.get(stream="sweep:charge")
    assert [request.get("starting_after") for request in stripe.asked] == [None, "ch_1", "ch_3"]
    assert (cursor.state["compared"], cursor.state["found"], cursor.state["over"]) == (5, 5, True)


def test_a_page_that_cannot_be_kept_is_compared_again(billing, stripe, monkeypatch):
    stripe.put("charge", a_charge())
    failed = intake.Kept(new=0, failed={0: ValueError("no column takes it")})
    honest = intake.keep
    monkeypatch.setattr(intake, "keep", lambda _: failed)
    sweeps.sweep_due(now=NIGHT)
    assert (swept(), SweptObject.objects.count()) == ([], 0)
    assert "ValueError" in Cursor.objects.get().failure

    monkeypatch.setattr(intake, "keep", honest)
    sweeps.sweep_due(now=NIGHT + sweeps.AGAIN)

    assert swept() == ["sweep:ch_1:1"]


def test_what_changes_while_a_sweep_begins_anew_comes_in_a_second_time(billing, stripe, monkeypatch):
    monkeypatch.setattr(sweeps, "PAGES", 1)
    stripe.most = 2
    stripe.put("charge", *(a_charge(f"ch_{n}", created=int(NOON.timestamp()) - n) for n in range(4)))
    sweeps.sweep_due(now=NIGHT)
    stripe.lists["charge"] = [one for one in stripe.lists["charge"] if one["id"] != "ch_1"]  # its page's last
    stripe.lists["charge"][0]["status"] = "disputed"

    for minutes in range(6):
        sweeps.sweep_due(now=NIGHT + minutes * sweeps.AGAIN)

    assert [name for name in swept() if name.startswith("sweep:ch_0:")] == ["sweep:ch_0:1", "sweep:ch_0:2"]


def test_a_failure_is_told_and_tried_again(billing, stripe):
    stripe.failure = Transient("Stripe could not be reached.")
    sweeps.sweep_due(now=NIGHT)
    sweeps.sweep_due(now=NIGHT + MINUTE)
    assert len(stripe.asked) == 1
    assert Cursor.objects.get().failure == "Stripe could not be reached."

    stripe.failure = None
    sweeps.sweep_due(now=NIGHT + sweeps.AGAIN)

    assert Cursor.objects.get().failure == ""


@pytest.mark.parametrize(
    ("settings", "since"),
    [
        pytest.param({}, NIGHT - 35 * DAY, id="35 days"),
        pytest.param({"sweep_days": 90}, NIGHT - 90 * DAY, id="as the connection says"),
    ],
)
def test_objects_are_compared_as_far_back_as_the_connection_says(billing, stripe, settings: Any, since):
    Connection.objects.filter(pk=billing.pk).update(settings=settings)

    sweeps.sweep_due(now=NIGHT)

    assert stripe.asked[0]["params"] == {"created": {"gte": int(since.timestamp())}}


def test_a_connection_that_wants_no_sweeps_is_only_swept_when_a_person_asks(billing, stripe):
    Connection.objects.filter(pk=billing.pk).update(settings={"sweep_days": 0})
    billing.refresh_from_db()
    stripe.put("charge", a_charge())
    assert sweeps.sweep_due(now=NIGHT) == 0
    assert stripe.asked == []

    assert sweeps.look(billing, since=NOON - 2 * DAY, now=NIGHT) == ["charge"]

    assert sweeps.sweep_due(now=NIGHT) == 1
    assert sweeps.sweep_due(now=NIGHT + DAY) == 0


def test_long_lived_objects_are_all_compared(pair, stripe):
    a_live_flow(pair, "customer.subscription.updated", slug="subscriptions")

    sweeps.look(pair.stripe, since=NOON, now=NIGHT)
    stripe.lists["subscription"] = []
    sweeps.sweep_due(now=NIGHT)

    assert stripe.asked[0]["params"] == {"status": "all"}


def test_a_sweep_that_goes_as_far_back_is_left_to_go_on(billing, stripe):
    sweeps.look(billing, since=NOON - 9 * DAY, now=NIGHT)
    before = Cursor.objects.get().state

    sweeps.look(billing, since=NOON - DAY, now=NIGHT)
    assert Cursor.objects.get().state == before

    sweeps.look(billing, since=NOON - 20 * DAY, now=NIGHT)
    assert Cursor.objects.get().state["since"] < before["since"]


def test_a_sweep_that_waits_after_a_failure_goes_on_when_a_person_asks(billing, stripe):
    stripe.put("charge", a_charge())
    stripe.failure = Transient("Stripe could not be reached.")
    sweeps.sweep_due(now=NIGHT)
    stripe.failure = None

    sweeps.look(billing, since=NOON - DAY, now=NIGHT + MINUTE)

    assert sweeps.sweep_due(now=NIGHT + MINUTE) == 1


def test_what_changes_behind_a_sweep_is_found_by_the_one_that_a_person_asks_for(billing, stripe, monkeypatch):
    monkeypatch.setattr(sweeps, "PAGES", 1)
    stripe.most = 1
    stripe.put("charge", *(a_charge(f"ch_{n}", created=int(NOON.timestamp()) - n) for n in range(2)))
    sweeps.look(billing, since=NOON - DAY, now=NIGHT)
    sweeps.sweep_due(now=NIGHT)
    stripe.lists["charge"][0]["status"] = "disputed"

    sweeps.look(billing, since=NOON - DAY, now=NIGHT)
    for _ in range(4):
        sweeps.sweep_due(now=NIGHT)

    assert [name for name in swept() if name.startswith("sweep:ch_0:")] == ["sweep:ch_0:1", "sweep:ch_0:2"]
    assert Cursor.objects.get().state["number"] == 2


def test_nothing_is_listed_that_no_live_flow_is_about(pair, stripe):
    a_live_flow(pair, "charge.succeeded", enabled=False)

    assert sweeps.look(pair.stripe, since=None, now=NIGHT) == []
    assert sweeps.sweep_due(now=NIGHT) == 0
    assert stripe.asked == []


def test_what_is_no_object_is_passed_over(billing, stripe):
    stripe.put("charge", a_charge())
    stripe.lists["charge"] += [{"object": "charge", "created": 0, "id": 7}]
    sweeps.look(billing, since=NOON - 9000 * DAY, now=NIGHT)

    assert sweeps.sweep_due(now=NIGHT) == 1


def test_a_key_of_another_account_sweeps_nothing(billing, stripe):
    stripe.account = "acct_other"
    stripe.put("charge", a_charge())

    assert sweeps.sweep_due(now=NIGHT) == 0
    assert "acct_other" in Cursor.objects.get().failure
