"""What people decide about anomalies: known events, muting, taking care, how keenly, and the time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from flows.models import Pair
from integrator.accounts import workspaces
from integrator.accounts.models import AuditEntry, Workspace
from integrator.kernel.refusals import Unacceptable
from monitoring import alerts, anomalies, detection
from monitoring.anomaly_knobs import Settings
from monitoring.anomaly_knobs import muted as hidden
from monitoring.models import Alert, Anomaly, FlowSeries, KnownEvent, Series
from tests.builders import NOON, a_flow, a_pair, a_person
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db

ZURICH = ZoneInfo("Europe/Zurich")
PAGE = "/w/acme/dev/anomalies/"
USD = {"what": "currency", "value": "USD", "share": 0.0, "usual": 1.0, "sentence": "Currency USD: 0."}


@pytest.fixture
def pair() -> Pair:
    pair = a_pair()
    Series.objects.create(connection=pair.stripe, seen_until=timezone.now())
    return pair


@pytest.fixture
def operator(client: Client, pair: Pair) -> Client:
    client.force_login(a_person("otto@acme.test", "operator"))
    return client


def an_anomaly(pair: Pair, **fields: Any) -> Anomaly:
    values: dict[str, Any] = {
        "metric": "charges", "kind": "outage", "z": -6.0, "observed": 0.0, "expected": 20.0, "lo": 8.0,
        "hi": 32.0, "reason": "No charges came where about 20 are usual.", "began_at": timezone.now(),
        "causes": [USD],
    }  # fmt: skip
    return Anomaly.objects.create(series=pair.stripe.series, **(values | fields))


def the_coming(days: int, hour: int) -> datetime:
    return (datetime.now(ZURICH) + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


def test_a_known_event_is_announced_changed_and_taken_back_by_the_clock_of_the_workspace(
    operator: Client, pair: Pair
) -> None:
    Workspace.objects.update(time_zone="Europe/Zurich")
    begins, ends = the_coming(1, 9), the_coming(1, 11)
    form = {
        "name": "Morning sale", "metric": "charges", "connection": pair.stripe.public_id, "repeats": "weekly",
        "begins": f"{begins:%Y-%m-%dT%H:%M}", "ends": f"{ends:%Y-%m-%dT%H:%M}",
    }  # fmt: skip

    announced = operator.post(f"{PAGE}announce/", form)
    event = KnownEvent.objects.get()
    listed = operator.get(f"{PAGE}known/").content.decode()
    shown = operator.get(f"{PAGE}known/{event.public_id}/").content.decode()
    wrong = operator.post(f"{PAGE}known/{event.public_id}/", form | {"ends": form["begins"]})
    changed = operator.post(f"{PAGE}known/{event.public_id}/", form | {"name": "Evening sale"})

    assert (announced.status_code, wrong.status_code, changed.status_code) == (302, 422, 302)
    assert (event.begins, event.ends) == (begins, ends)
    assert "Morning sale" in listed
    assert form["begins"] in shown
    assert "It has to end after it begins." in wrong.content.decode()
    assert KnownEvent.objects.get().name == "Evening sale"

    settings = Settings(pair.stripe.series, None, begins, begins + timedelta(days=60))
    assert settings.at(begins + timedelta(days=7)).known == {"drop", "spike"}
    assert settings.at(ends + timedelta(days=7)).known == frozenset()

    operator.post(f"{PAGE}known/{event.public_id}/take-back/")
    assert not KnownEvent.objects.exists()
    acts = AuditEntry.objects.filter(action__startswith="anomaly.").values_list("action", flat=True)
    assert set(acts) == {"anomaly.announced", "anomaly.changed", "anomaly.taken_back"}


def test_what_is_muted_is_no_alert_until_it_is_taken_back(operator: Client, pair: Pair) -> None:
    found, now = an_anomaly(pair), timezone.now()
    FlowSeries.objects.create(
        series=pair.stripe.series, flow=a_flow(pair.integration), seen_until=now, history_until=now
    )

    page = operator.get(PAGE).content.decode()
    refused = operator.post(f"{PAGE}{found.public_id}/mute/", {"hours": "9999"})
    muted = operator.post(f"{PAGE}{found.public_id}/mute/", {"hours": "8"})

    assert "Most likely: Currency USD: 0." in page
    assert "Payments (learning)" in page
    assert (refused.status_code, muted.status_code) == (422, 302)
    assert KnownEvent.objects.get().metric == "drop"
    assert "muted, or known" in operator.get(PAGE).content.decode()
    assert hidden([found], now + timedelta(hours=1)) == {found.pk}
    assert hidden([found], now + timedelta(hours=9)) == set()


def test_who_takes_care_of_an_anomaly_takes_care_of_its_alert(operator: Client, pair: Pair) -> None:
    found = an_anomaly(pair)
    alerts.evaluate(now=timezone.now())

    operator.post(f"{PAGE}{found.public_id}/acknowledge/")

    found.refresh_from_db()
    alert = Alert.objects.get(kind="anomaly")
    assert found.acknowledged_by == "otto@acme.test"
    assert alert.acknowledged_by == "otto@acme.test"
    assert "Currency USD: 0." in alert.text


def test_how_keenly_something_is_watched_is_chosen_and_feedback_forgotten(
    operator: Client, pair: Pair
) -> None:
    address = f"{PAGE}series/{pair.stripe.public_id}/"
    operator.post(f"{PAGE}{an_anomaly(pair).public_id}/dismiss/")

    before = operator.get(PAGE).content.decode()
    chosen = operator.post(f"{address}choose/", {"key": "drop", "sensitivity": "off"})
    refused = operator.post(f"{address}choose/", {"key": "drop", "sensitivity": "loud"})
    operator.post(f"{address}forget/", {"key": "drop"})

    series = Series.objects.get()
    assert "has to stand out a little more than usual" in before
    assert (chosen.status_code, refused.status_code) == (302, 422)
    assert series.sensitivity == {"drop": "off"}
    assert detection.raised(series.state) == {}
    now = timezone.now()
    assert Settings(series, None, now, now).at(now).is_silent("drop")


def test_a_series_learns_its_hours_anew_when_the_workspace_moves(pair: Pair) -> None:
    an_event(pair.stripe, received_at=NOON)
    Series.objects.update(
        state=detection.fresh() | {"bins": 3000, "zone": "UTC"}, seen_until=NOON + timedelta(days=1)
    )
    workspaces.move(workspace=Workspace.objects.get(), time_zone="Asia/Tokyo", actor="ada", now=NOON)

    anomalies.observe(connection=pair.stripe, now=NOON + timedelta(days=1))

    state = Series.objects.get().state
    assert (state["zone"], state["bins"]) == ("Asia/Tokyo", 287)
    assert state["told_from"] == (NOON + timedelta(days=1)).isoformat()
    with pytest.raises(Unacceptable, match="no such time zone"):
        workspaces.move(workspace=Workspace.objects.get(), time_zone="Mars/Olympus", actor="ada", now=NOON)


def test_what_an_earlier_version_was_told_stands_in_the_calendar(pair: Pair) -> None:
    begins, ends = NOON.isoformat(), (NOON + timedelta(days=1)).isoformat()
    state = detection.fresh()
    state["incidents"]["mutes"] = [["charges", begins, ends]]
    Series.objects.update(state=state)

    anomalies.observe(connection=pair.stripe, now=timezone.now())

    assert (KnownEvent.objects.get().metric, KnownEvent.objects.get().begins) == ("charges", NOON)
    assert Series.objects.get().state["incidents"]["mutes"] == []


def test_only_administrators_choose_the_time_zone(operator: Client, pair: Pair) -> None:
    address = "/w/acme/settings/workspace/"
    seen, refused = operator.get(address), operator.post(f"{address}time-zone/", {"time_zone": "Asia/Tokyo"})
    operator.force_login(a_person("ada@acme.test", "admin"))
    chosen = operator.post(f"{address}time-zone/", {"time_zone": "Asia/Tokyo"})
    patched = operator.patch(
        "/api/v1/workspace/", {"time_zone": "Europe/Rome"}, content_type="application/json"
    )
    wrong = operator.patch("/api/v1/workspace/", {"time_zone": "Rome"}, content_type="application/json")

    assert (seen.status_code, refused.status_code, chosen.status_code) == (200, 403, 302)
    assert (patched.json()["time_zone"], wrong.status_code) == ("Europe/Rome", 400)
    assert 'data-zone="Europe/Rome"' in operator.get(address).content.decode()


def test_programs_do_what_the_pages_do(operator: Client, pair: Pair) -> None:
    def ask(method: str, path: str, **body: Any) -> Any:
        return getattr(operator, method)(f"/api/v1/{path}", body or None, content_type="application/json")

    found = an_anomaly(pair)
    known = {
        "environment": "dev",
        "begins": "2030-01-31T08:00Z",
        "ends": "2030-01-31T10:00Z",
        "repeats": "monthly",
    }

    made = ask("post", "known-events/", **known)
    changed = ask("put", f"known-events/{made.json()['id']}/", **known | {"name": "Billing"})
    nowhere = ask("post", "known-events/", **known | {"environment": "moon"})
    series = ask("get", "anomaly-series/").json()
    bins = ask("get", f"anomaly-series/{pair.stripe.public_id}/bins/?metric=charges")
    chosen = ask("post", f"anomaly-series/{pair.stripe.public_id}/choose/", key="spike", sensitivity="calm")
    learnt = ask("post", f"anomaly-series/{pair.stripe.public_id}/learn/")
    care = ask("post", f"anomalies/{found.public_id}/acknowledge/")
    muted = ask("post", f"anomalies/{found.public_id}/mute/", until="2030-01-01T00:00Z")
    gone = ask("delete", f"known-events/{made.json()['id']}/")

    assert (made.status_code, changed.json()["name"], nowhere.status_code) == (201, "Billing", 400)
    assert [(one["id"], one["learning"], one["open"]) for one in series] == [(pair.stripe.public_id, True, 1)]
    assert (bins.status_code, bins.json()) == (200, [])
    assert {"key": "spike", "words": "More charges", "sensitivity": "calm", "raised": 0.0} in chosen.json()[
        "watching"
    ]
    assert learnt.status_code == 200
    assert care.json()["acknowledged_by"] == "otto@acme.test"
    assert care.json()["causes"][0]["value"] == "USD"
    assert muted.json()["metric"] == "drop"
    assert gone.status_code == 204


def test_feedback_of_an_earlier_version_is_forgotten_thing_by_thing(operator: Client, pair: Pair) -> None:
    address = f"{PAGE}series/{pair.stripe.public_id}/forget/"
    state = detection.fresh()
    state["incidents"]["raised"] = {"charges": 1.0}
    Series.objects.update(state=state)

    wrong = operator.post(address, {"key": "x" * 500})
    operator.post(address, {"key": "drop"})

    assert wrong.status_code == 422
    assert detection.raised(Series.objects.get().state) == {"spike": 1.0}


def test_what_is_known_of_a_flow_stays_at_its_connection(operator: Client, pair: Pair) -> None:
    now = timezone.now()
    watched = FlowSeries.objects.create(
        series=pair.stripe.series, flow=a_flow(pair.integration), seen_until=now, history_until=now
    )
    found = an_anomaly(pair, flow_series=watched, metric="run_errors", kind="run_error_surge")
    operator.post(f"{PAGE}{found.public_id}/mute/", {"hours": "8"})
    event = KnownEvent.objects.get()
    body = {"begins": "2030-01-01T00:00Z", "ends": "2030-01-02T00:00Z"}

    refused = operator.put(
        f"/api/v1/known-events/{event.public_id}/",
        body | {"connection": pair.salesforce.public_id},
        content_type="application/json",
    )
    ancient = operator.put(
        f"/api/v1/known-events/{event.public_id}/",
        body | {"begins": "0001-01-01T00:00Z", "connection": pair.stripe.public_id},
        content_type="application/json",
    )

    assert (refused.status_code, ancient.status_code) == (400, 400)
    assert hidden([found, an_anomaly(pair)], timezone.now()) == {found.pk}
    for method in ("patch", "post"):
        asked = getattr(operator, method)(f"/api/v1/known-events/{event.public_id}/", {}, "application/json")
        assert asked.status_code == 405
