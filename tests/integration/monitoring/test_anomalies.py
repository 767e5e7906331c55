"""Anomalies: payments that stop become one alert, and people say what is no anomaly or is to come."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from django.core.cache import cache as django_cache
from django.test import Client
from django.utils import timezone

from connectors.models import Cursor
from flows.models import Pair
from integrator.accounts.models import AuditEntry
from monitoring import alerts, anomalies, detection, gathering
from monitoring.models import Alert, Anomaly, KnownEvent, Series, SeriesBin
from tests.builders import NOON, a_pair, a_person
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db

BIN = timedelta(minutes=5)


@cache
def usual() -> dict[str, Any]:
    """Return what is known after eight days of about ten charges in five minutes, up to noon."""
    bins = 8 * 288
    rows = [
        {"ts": (NOON - BIN * (bins - number)).isoformat(), "charges": 8 + number % 5, "failed": 0}
        for number in range(bins)
    ]
    state, found = detection.backfill(rows)
    assert found == []
    return state


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    django_cache.clear()
    # On PostgreSQL the test's own transaction holds up what it writes.
    monkeypatch.setattr(gathering, "_feed_since", lambda: None)
    pair = a_pair()
    Series.objects.create(connection=pair.stripe, state=usual(), seen_until=NOON)
    return pair


def charges(pair: Pair, at: datetime, count: int, type_: str = "charge.succeeded") -> None:
    for _ in range(count):
        an_event(pair.stripe, type=type_, created=int(at.timestamp()), received_at=at, dispatched_at=at,
                 fate="applied")  # fmt: skip


def an_anomaly(pair: Pair, **fields: Any) -> Anomaly:
    values: dict[str, Any] = {
        "metric": "charges", "kind": "outage", "z": -6.0, "observed": 0.0, "expected": 20.0, "lo": 8.0,
        "hi": 32.0, "reason": "No charges came where about 20 are usual.", "began_at": NOON,
    }  # fmt: skip
    return Anomaly.objects.create(series=pair.stripe.series, **(values | fields))


def test_charges_that_stop_are_one_alert_until_they_come_again(pair: Pair) -> None:
    looked_at = anomalies.observe_due(now=NOON + timedelta(minutes=23))
    alerts.evaluate(now=NOON + timedelta(minutes=24))

    told = Alert.objects.open().get()
    assert looked_at == 4
    assert (told.kind, told.severity, told.title) == ("anomaly", "critical", "Stripe: hardly any charges")
    assert told.link == f"/w/acme/dev/anomalies/{Anomaly.objects.get().public_id}/"

    for number in range(30):
        charges(pair, NOON + timedelta(minutes=21) + number * BIN, 10)
    anomalies.observe_due(now=NOON + timedelta(hours=3))
    for minutes in (0, 5):
        alerts.evaluate(now=NOON + timedelta(hours=3, minutes=minutes))

    assert Anomaly.objects.get().ended_at is not None
    assert not Alert.objects.open().exists()


def test_what_was_missed_while_we_were_away_is_waited_for(pair: Pair) -> None:
    listed = Cursor.objects.create(
        connection=pair.stripe, stream="events", reached_at=NOON + timedelta(minutes=6)
    )

    first = anomalies.observe(connection=pair.stripe, now=NOON + timedelta(minutes=31))
    listed.reached_at = NOON + timedelta(minutes=30)
    listed.save()
    charges(pair, NOON + timedelta(minutes=6), 10)

    later = anomalies.observe(connection=pair.stripe, now=NOON + timedelta(minutes=32))

    assert (first, later) == (1, 5)


def test_what_was_counted_is_kept_with_what_was_expected(pair: Pair) -> None:
    charges(pair, NOON + timedelta(minutes=6), 8)
    charges(pair, NOON + timedelta(minutes=7), 2, "charge.failed")

    anomalies.observe_due(now=NOON + timedelta(minutes=13))

    first, second = SeriesBin.objects.all()
    assert (first.charges, second.charges, second.failed) == (0, 10, 2)
    assert second.lo < 10 < second.hi
    assert anomalies.observe_due(now=NOON + timedelta(minutes=13)) == 0
    assert anomalies.forget(now=NOON + timedelta(days=20)) == 2


def test_a_series_begins_with_the_events_that_are_there(pair: Pair) -> None:
    Series.objects.all().delete()
    charges(pair, NOON, 1)

    anomalies.observe_due(now=NOON + timedelta(minutes=13))

    assert [one.charges for one in SeriesBin.objects.all()] == [1, 0]
    assert not Anomaly.objects.exists()


def test_what_is_no_anomaly_is_over_and_has_to_be_more_unusual_next_time(pair: Pair, client: Client) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))
    found = an_anomaly(pair)

    answer = client.post(f"/w/acme/dev/anomalies/{found.public_id}/dismiss/")
    again = client.post(f"/w/acme/dev/anomalies/{found.public_id}/dismiss/")

    found.refresh_from_db()
    state = Series.objects.get().state
    assert (answer.status_code, again.status_code) == (302, 409)
    assert found.dismissed_by == "otto@acme.test"
    assert found.ended_at is not None
    assert state["incidents"]["raised"] == {"drop": 0.5}
    assert AuditEntry.objects.get(action="anomaly.dismissed").actor == "otto@acme.test"


def test_what_is_announced_is_not_told(pair: Pair, client: Client) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))
    now = timezone.now()
    begins, ends = (f"{at:%Y-%m-%dT%H:%M}" for at in (NOON, now + timedelta(days=1)))
    form = {"connection": pair.stripe.public_id, "metric": "charges", "begins": begins, "ends": ends}

    answer = client.post("/w/acme/dev/anomalies/announce/", form)
    wrong = client.post("/w/acme/dev/anomalies/announce/", form | {"ends": "2020-01-01T00:00"})
    anomalies.observe_due(now=NOON + timedelta(minutes=23))

    assert (answer.status_code, wrong.status_code) == (302, 409)
    assert not Anomaly.objects.exists()


def test_the_page_shows_what_is_unusual_and_the_band(pair: Pair, client: Client) -> None:
    client.force_login(a_person("eve@acme.test", "viewer"))
    now = timezone.now()
    an_anomaly(pair)
    counted = {"starts_at": now - BIN, "charges": 3, "failed": 0, "expected": 10.0, "lo": 1.0, "hi": 19.0}
    SeriesBin.objects.create(series=pair.stripe.series, **counted)

    page = client.get("/w/acme/dev/anomalies/").content.decode()

    assert "No charges came where about 20 are usual." in page
    assert 'class="chart band"' in page
    assert "Not an anomaly" not in page
    assert client.post("/w/acme/dev/anomalies/announce/", {}).status_code == 403


def test_a_page_without_any_series_says_what_will_be_there(pair: Pair, client: Client) -> None:
    Series.objects.all().delete()
    client.force_login(a_person("eve@acme.test", "viewer"))

    assert "Nothing is watched yet" in client.get("/w/acme/dev/anomalies/").content.decode()


def test_programs_list_dismiss_and_announce(pair: Pair, client: Client) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))
    found = an_anomaly(pair)
    day = {"connection": pair.stripe.public_id, "begins": "2030-11-29T00:00Z", "ends": "2030-11-30T00:00Z"}

    listed = client.get("/api/v1/anomalies/?open=true").json()["results"]
    dismissed = client.post(f"/api/v1/anomalies/{found.public_id}/dismiss/")
    announced = client.post("/api/v1/anomalies/announce/", day, content_type="application/json")
    backwards = client.post(
        "/api/v1/anomalies/announce/", day | {"ends": "2030-11-28T00:00Z"}, content_type="application/json"
    )

    assert [(one["id"], one["connection"]) for one in listed] == [(found.public_id, pair.stripe.public_id)]
    assert dismissed.json()["dismissed_by"] == "otto@acme.test"
    assert (announced.status_code, backwards.status_code) == (204, 400)
    assert KnownEvent.objects.get().connection == pair.stripe
