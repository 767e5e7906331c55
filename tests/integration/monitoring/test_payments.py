"""Of the money that Stripe tells of, the overview says how much is in Salesforce, and where the rest is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import Count, Sum
from django.test import Client

from flows.models import Change, Event, Link, Pair, Run
from monitoring import payment_following, payments, standing
from monitoring.fragments import Edition, News, Reader
from monitoring.models import Payment, PaymentSum
from tests.builders import NOON, a_connection, a_pair, a_person, an_environment
from tests.integration.flows.given import a_live_flow, an_event, runs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_before() -> None:
    standing._known.clear()


@pytest.fixture
def pair() -> Pair:
    return a_pair()


@pytest.fixture
def follower() -> payment_following.Follower:
    found = payment_following.Follower()
    found.follow_due(now=NOON)
    return found


def told(pair: Pair, key: str, amount: int = 1000, currency: str = "eur", **fields: Any) -> Event:
    """Return an event that tells of a charge that went well."""
    charge = {
        "id": f"ch_{key}", "object": "charge", "payment_intent": f"pi_{key}", "amount": amount,
        "amount_captured": amount, "captured": True, "currency": currency, "status": "succeeded",
    }  # fmt: skip
    charge |= fields.pop("charge", {})
    return an_event(pair.stripe, charge, **fields)


def saved(pair: Pair, key: str, amount: int | None = 1000, at: datetime = NOON, **fields: Any) -> Link:
    """Return the link that says that Salesforce has confirmed the record of a payment."""
    return Link.objects.create(
        pair=pair, stripe_id=f"pi_{key}", salesforce_object="Payment__c", external_id=f"pi_{key}",
        record_id="a0B000000000001AAA", agreed=b"", amount=amount, currency="EUR",
        first_synced_at=at, synced_at=at, **fields,
    )  # fmt: skip


def follow(follower: payment_following.Follower, now: datetime = NOON) -> int:
    """Let the duty run now, however long its last turn took."""
    follower._not_before = 0.0
    return follower.follow_due(now=now)


def shown(pair: Pair, period: str = "today", now: datetime = NOON) -> dict[str, dict[str, tuple[int, int]]]:
    """Return amount and number by currency and state, without what is zero."""
    standing._known.clear()
    found = {}
    for one in payments.of_period(pair.environment, period, now=now):
        states = {"told": one.told, "confirmed": one.confirmed, **one.open}
        found[one.currency] = {name: (of.amount, of.payments) for name, of in states.items() if of.payments}
    return found


def test_what_stripe_told_is_what_salesforce_confirmed_and_where_the_rest_is(
    pair: Pair, follower: Any
) -> None:
    for number, fate in enumerate(
        ["applied", "queued", "waiting", "dead", "discarded", "ignored", "refused"]
    ):
        told(pair, fate, 100 + number, fate=fate)
    saved(pair, "applied")

    follow(follower)

    assert shown(pair)["EUR"] == {
        "told": (721, 7),
        "confirmed": (100, 1),
        "under_way": (101, 1),
        "waiting": (102, 1),
        "dead": (103, 1),
        "left_out": (104 + 105 + 106, 3),
    }


def test_currencies_stand_by_themselves_in_their_own_minor_units(
    pair: Pair, follower: Any, client: Client
) -> None:
    told(pair, "yen", 5000, "jpy", fate="dead")
    told(pair, "dinar", 1250, "kwd", fate="dead")
    follow(follower)

    assert shown(pair) == {
        "JPY": {"told": (5000, 1), "dead": (5000, 1)},
        "KWD": {"told": (1250, 1), "dead": (1250, 1)},
    }
    client.force_login(a_person("vera@acme.test", "viewer"))
    page = client.get("/w/acme/dev/payments/").content.decode()
    assert "¥5,000" in page
    assert "KWD\u00a01.250" in page


def test_a_payment_counts_once_whatever_tells_of_it(pair: Pair, follower: Any) -> None:
    told(pair, "one")
    follow(follower)
    told(pair, "one", type="charge.captured", external_id="evt_captured")
    intent = {"id": "pi_one", "object": "payment_intent", "amount": 1000, "amount_received": 1000,
              "currency": "eur", "status": "succeeded", "latest_charge": "ch_one"}  # fmt: skip
    an_event(pair.stripe, intent, type="payment_intent.succeeded")
    told(pair, "one", type="charge.updated", origin="sweep", external_id="sweep:ch_one:1")
    follow(follower)
    follow(payment_following.Follower())  # one that begins anew reads the last events again

    assert shown(pair)["EUR"] == {"told": (1000, 1), "under_way": (1000, 1)}


def test_what_is_no_payment_is_not_counted(pair: Pair, follower: Any) -> None:
    told(pair, "refund", type="charge.refunded", charge={"amount_refunded": 400})
    told(pair, "declined", type="charge.failed", charge={"status": "failed", "captured": False})
    told(pair, "authorised", charge={"captured": False, "amount_captured": 0})
    told(pair, "changed", type="charge.updated")
    an_event(pair.stripe, body=b"no JSON")

    follow(follower)

    assert shown(pair) == {}


def test_of_a_charge_that_is_captured_in_part_only_that_part_counts(pair: Pair, follower: Any) -> None:
    told(pair, "part", 1000, charge={"captured": False, "amount_captured": 0})
    told(pair, "part", 1000, type="charge.captured", charge={"amount_captured": 300})
    follow(follower)
    assert shown(pair)["EUR"]["told"] == (300, 1)

    told(pair, "part", 1000, type="charge.captured", charge={"amount_captured": 800})
    follow(follower)

    assert shown(pair)["EUR"]["told"] == (800, 1)

    told(pair, "part", 1000, type="charge.captured", charge={"amount_captured": 300})  # delivered late
    follow(follower)
    assert shown(pair)["EUR"]["told"] == (800, 1)


def test_a_record_that_does_not_count_as_money_confirms_nothing(pair: Pair, follower: Any) -> None:
    told(pair, "one", fate="applied")
    saved(pair, "one", amount=None)

    follow(follower)

    assert shown(pair)["EUR"]["left_out"] == (1000, 1)


def test_it_moves_on_as_things_happen(pair: Pair, follower: Any) -> None:
    event = told(pair, "one")
    follow(follower)
    for fate, state in (
        ("dead", "dead"),
        ("waiting", "waiting"),
        ("queued", "under_way"),
        ("discarded", "left_out"),
    ):
        Event.objects.filter(pk=event.pk).update(fate=fate)
        follow(follower)
        assert list(shown(pair)["EUR"]) == ["told", state]

    link = saved(pair, "one")
    follow(follower)
    assert list(shown(pair)["EUR"]) == ["told", "confirmed"]

    Link.objects.filter(pk=link.pk).update(gone_at=NOON)
    follow(follower)
    assert list(shown(pair)["EUR"]) == ["told", "left_out"]


def test_a_run_that_is_begun_anew_is_looked_at_though_thousands_wait_their_turn(
    pair: Pair, follower: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_live_flow(pair)
    (first,) = runs(pair, 1, amount=500)
    Run.objects.update(state="done", fate="discarded", finished_at=NOON, next_attempt_at=None)
    Event.objects.update(fate="discarded")
    follow(follower)
    assert list(shown(pair)["EUR"]) == ["told", "left_out"]
    monkeypatch.setattr(payment_following.Follower, "_in_turn", lambda _: [])

    first.again(reason="", now=NOON).save()
    Event.objects.update(fate="queued")
    follow(follower)

    assert list(shown(pair)["EUR"]) == ["told", "under_way"]


def test_days_are_those_of_the_workspace(pair: Pair, follower: Any) -> None:
    workspace = pair.environment.workspace
    workspace.move_to("Asia/Kolkata")  # half an hour beside the hours of UTC
    midnight = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
    told(pair, "before", 1, received_at=midnight - timedelta(seconds=1))
    told(pair, "after", 2, received_at=midnight)
    told(pair, "month", 4, received_at=midnight - timedelta(days=29))
    told(pair, "older", 8, received_at=midnight - timedelta(days=29, seconds=1))
    now = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)

    follow(payment_following.Follower(), now)

    assert shown(pair, now=now)["EUR"]["told"] == (2, 1)
    assert shown(pair, "30d", now)["EUR"]["told"] == (7, 3)


def test_every_figure_leads_to_the_list_of_exactly_these(pair: Pair, follower: Any, client: Client) -> None:
    for number, fate in enumerate(["applied", "applied", "queued", "waiting", "dead", "ignored"] * 2):
        told(pair, f"{fate}{number}", 100 + number, "eur" if number < 9 else "jpy", fate=fate)
        if fate == "applied":
            saved(pair, f"{fate}{number}")
    told(pair, "old", 7, fate="dead", received_at=NOON - timedelta(days=3))
    follow(payment_following.Follower())
    client.force_login(a_person("vera@acme.test", "viewer"))

    for one in payments.standings(pair.environment, now=NOON):
        for state in ("", *payments.STATES):
            choice = payments.Choice(state, one.currency, one.period)
            rows = payments.listed(pair.environment, choice, now=NOON)
            found = rows.aggregate(amount=Sum("amount", default=0), payments=Count("pk"))
            figure = one.of(state)
            assert found == {"amount": figure.amount, "payments": figure.payments}
            expected = [(one.currency, figure)] if figure.payments else []
            assert payments.totals(pair.environment, choice, now=NOON) == expected
    sums = PaymentSum.objects.aggregate(amount=Sum("amount"), payments=Sum("payments"))
    assert sums == Payment.objects.aggregate(amount=Sum("amount"), payments=Count("pk"))


def test_a_list_names_the_run_that_says_how_it_stands(pair: Pair, follower: Any, client: Client) -> None:
    a_live_flow(pair)
    (run,) = runs(pair, 1, amount=500)
    Run.objects.update(state="dead", fate="dead", finished_at=NOON, next_attempt_at=None, reason="Too long")
    Event.objects.update(fate="dead", received_at=NOON)
    follow(follower)
    (row,) = payments.rows_of(Payment.objects.all())

    assert (row.run, row.reason) == (run, "Too long")
    client.force_login(a_person("vera@acme.test", "viewer"))
    Payment.objects.update(told_at=datetime.now(UTC))
    page = client.get("/w/acme/dev/payments/?state=dead&currency=EUR&period=today").content.decode()
    assert f'href="/w/acme/dev/runs/{run.public_id}/"' in page
    assert "€5.00" in page


def test_environments_see_their_own(pair: Pair, follower: Any) -> None:
    other = a_connection(name="Another", environment=an_environment("qa"))
    an_event(other, {"id": "ch_x", "object": "charge", "amount": 5, "currency": "eur", "status": "succeeded"})

    follow(follower)

    assert shown(pair) == {}
    assert payments.of_period(other.environment, "today", now=NOON)[0].told == payments.Figure(5, 1)


def test_open_pages_are_told_and_lists_of_events_are_not_called_old(pair: Pair, follower: Any) -> None:
    told(pair, "one")
    follow(follower)
    news = News(position="")
    news.add(Change.objects.get())

    html = Edition(pair.environment, news, now=NOON).for_reader(Reader(topics=frozenset({"dashboard"})))

    assert "Is every payment in Salesforce?" in html
    assert "data-payments" in html
    assert "data-stale" not in html
    assert not follow(follower)
    assert Change.objects.count() == 1


def test_what_is_told_again_long_after_is_not_counted_again(pair: Pair, follower: Any) -> None:
    saved(pair, "old", at=NOON - timedelta(days=60))
    told(pair, "old", type="charge.updated", origin="sweep", external_id="sweep:ch_old:9")

    follow(follower)

    assert shown(pair) == {}


def test_what_is_not_shown_any_more_is_removed(pair: Pair, follower: Any) -> None:
    told(pair, "old")
    told(pair, "new", received_at=NOON + timedelta(days=30))
    follow(follower, NOON + timedelta(days=30))

    assert payment_following.forget(now=NOON + timedelta(days=41)) == 2

    assert list(Payment.objects.values_list("key", flat=True)) == ["pi_new"]
    assert PaymentSum.objects.count() == 1


def test_events_that_are_committed_late_are_not_missed(pair: Pair, follower: Any) -> None:
    late = told(pair, "late")
    Event.objects.filter(pk=late.pk).update(type="not yet")
    told(pair, "early")
    follow(follower)
    Event.objects.filter(pk=late.pk).update(type="charge.succeeded")

    follow(follower, NOON + timedelta(seconds=30))

    assert shown(pair)["EUR"]["told"] == (2000, 2)


def test_one_event_is_opened_once(pair: Pair, follower: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told(pair, "one")
    follow(follower)
    opened = []
    monkeypatch.setattr(payment_following.payloads, "open_bodies", lambda some: opened.extend(some) or [])

    follow(follower, NOON + timedelta(seconds=5))

    assert opened == []


def test_prometheus_has_the_same_figures(pair: Pair, follower: Any, client: Client) -> None:
    now = datetime.now(UTC)
    told(pair, "one", 100, fate="dead", received_at=now)
    follow(payment_following.Follower(), now)

    metrics = client.get("/metrics").content.decode()

    place = 'currency="EUR",environment="dev",state="dead",workspace="acme"'
    assert f"integrator_payments_minor_units{{{place}}} 100.0" in metrics
    assert f"integrator_payments{{{place}}} 1.0" in metrics


def test_nothing_is_passed_over_when_the_database_fails_in_between(
    pair: Pair, follower: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(pair, "one")
    with monkeypatch.context() as patched:
        patched.setattr(payment_following, "_save", lambda _: connection.cursor().execute("SELECT nothing"))
        with pytest.raises(DatabaseError):
            follow(follower)

    follow(follower, NOON + timedelta(minutes=10))

    assert shown(pair)["EUR"]["told"] == (1000, 1)


def test_a_record_that_went_while_nobody_watched_is_noticed(pair: Pair, follower: Any) -> None:
    told(pair, "one", fate="applied")
    link = saved(pair, "one")
    follow(follower)
    Link.objects.filter(pk=link.pk).update(gone_at=NOON + timedelta(hours=1))

    follow(payment_following.Follower(), NOON + timedelta(hours=2))

    assert list(shown(pair)["EUR"]) == ["told", "left_out"]


def test_an_event_that_was_committed_after_the_end_of_a_watcher_is_not_missed(
    pair: Pair, follower: Any
) -> None:
    late = told(pair, "late")
    Event.objects.filter(pk=late.pk).update(type="not yet")
    told(pair, "early")
    follow(follower)
    Event.objects.filter(pk=late.pk).update(type="charge.succeeded")

    follow(payment_following.Follower(), NOON + timedelta(hours=2))

    assert shown(pair)["EUR"]["told"] == (2000, 2)
