"""An outage is one alert: what its runs and calls show meanwhile stands under it, and all else is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from connectors.tallies import Tallies, add
from flows.models import Deployment, Integration, Pair, Run
from monitoring import alerts, anomalies, detection, flow_anomalies, gathering, outages
from monitoring.models import Alert, Anomaly, FlowSeries, Series
from tests.builders import NOON, a_connection, a_pair, a_person
from tests.integration.flows.given import a_live_flow
from tests.integration.monitoring.watched import BIN, an_outage, runs, usual, watch

pytestmark = pytest.mark.django_db

RETRYING: dict[str, Any] = {"state": Run.State.RETRYING, "fate": "queued", "finished_at": None}


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    cache.clear()
    # On PostgreSQL the test's own transaction holds up what it writes.
    monkeypatch.setattr(gathering, "_feed_since", lambda: None)
    return a_live_flow(a_pair())


@pytest.fixture
def watched(live: Deployment) -> FlowSeries:
    return watch(live)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def held_up(live: Deployment, number: int) -> None:
    """Let ten runs of a bin fail and wait."""
    runs(live, at(5 * number + 1), 10, first_failed_at=at(5 * number + 1.5), **RETRYING)


def look(*minutes: int) -> None:
    for until in minutes:
        flow_anomalies.observe_due(now=at(until))
        alerts.evaluate(now=at(until + 0.1))


def called(live: Deployment, minutes: int, *, ill: str) -> None:
    """Let half of the calls to Salesforce fail with a code in a bin."""
    crm, begun = live.pair.salesforce, at(minutes)
    counts = Tallies(clock=begun.timestamp, ticks=lambda: 0.0)
    counts.calls(crm.pk, 30, [ill] * 15)
    add(counts.take())
    Series.objects.get_or_create(
        connection=crm, defaults={"state": usual(detection.CONNECTION), "seen_until": begun}
    )


def told() -> list[str]:
    return sorted(Alert.objects.open().values_list("kind", flat=True))


def found(kind: str) -> detection.Alert:
    """Return what the detection finds, as far as it matters here."""
    metrics = {"flow_silence": "runs", "run_error_surge": "run_errors", "run_lag": "run_s"}
    return detection.Alert(metrics[kind], kind, 9.0, 9.0, 1.0, 0.0, 2.0, "Runs are not as usual.")


def test_an_outage_with_two_flows_is_exactly_one_alert_that_shows_what_comes_of_it(
    live: Deployment, client: Client
) -> None:
    other, crm = a_live_flow(live.pair, slug="refunds"), live.pair.salesforce
    for one in (live, other):
        watch(one)
    for number in range(3):
        held_up(live, number)
        held_up(other, number)
    called(live, 0, ill="timeout")
    crm.rest(until=at(4), reason="Salesforce did not answer.")
    alerts.evaluate(now=at(1.5))
    look(8, 13, 18)
    crm.wake()
    anomalies.observe(connection=crm, now=at(19))
    alerts.evaluate(now=at(19.1))

    outage = Alert.objects.open().get()
    assert outage.kind == "connection_outage"
    kinds = sorted(Anomaly.objects.values_list("kind", flat=True))
    assert kinds == ["call_error_surge", *["run_error_surge"] * 2, *["run_lag"] * 2]
    assert set(Anomaly.objects.values_list("under", flat=True)) == {outage.pk}
    assert outage.text.endswith("4 anomalies of its calls and runs come of it.")  # and one since it is back

    client.force_login(a_person("otto@acme.test", "operator"))
    page = client.get("/w/acme/dev/alerts/").content.decode()
    one = Anomaly.objects.filter(kind="run_lag").first()
    assert f"/w/acme/dev/anomalies/{one.public_id}/" in page
    listed = client.get("/api/v1/alerts/?open=true").json()["results"]
    assert [len(entry["anomalies"]) for entry in listed] == [5]
    under = client.get(f"/api/v1/anomalies/?alert={outage.public_id}").json()["results"]
    assert {entry["alert"] for entry in under} == {outage.public_id}
    assert f"#entry-{outage.public_id}" in client.get("/w/acme/dev/anomalies/").content.decode()


def test_what_happens_to_another_pair_meanwhile_is_told(live: Deployment) -> None:
    here = live.pair.environment
    shop = Integration.objects.create(workspace=here.workspace, slug="shop", name="Shop")
    pair = Pair.objects.create(
        integration=shop, environment=here, stripe=a_connection("stripe", here, "Stripe of the shop"),
        salesforce=a_connection("salesforce", here, "Salesforce of the shop"),
    )  # fmt: skip
    other = a_live_flow(pair, slug="orders")
    watch(other)
    held_up(other, 0)
    an_outage(live.pair.salesforce, at(1), over=at(30))

    look(8)

    assert "anomaly" in told()
    assert Anomaly.objects.get().under is None


def test_payments_that_fall_meanwhile_are_told(live: Deployment) -> None:
    an_outage(live.pair.salesforce, at(1))
    state = detection.fresh()
    for number in range(8 * 288):
        moment = (NOON - BIN * (8 * 288 - number)).isoformat()
        state, _ = detection.observe(state, {"ts": moment, "charges": 8 + number % 5, "failed": 0})
    Series.objects.create(connection=live.pair.stripe, state=state, seen_until=NOON)

    anomalies.observe(connection=live.pair.stripe, now=at(23))
    alerts.evaluate(now=at(23))

    assert Anomaly.objects.get().kind == "outage"
    assert "anomaly" in told()


def test_what_began_before_is_told(watched: FlowSeries, live: Deployment) -> None:
    alert = an_outage(live.pair.salesforce, at(11))

    assert outages.of_runs(watched, found("run_lag"), at=at(0)) is None
    assert outages.of_runs(watched, found("run_lag"), at=at(5)) == alert  # its runs wait at the end of it
    assert outages.of_runs(watched, found("run_lag"), at=at(10)) == alert


def test_runs_that_gave_up_have_another_cause_than_an_outage(watched: FlowSeries, live: Deployment) -> None:
    alert = an_outage(live.pair.salesforce, at(1))
    held_up(live, 0)

    assert outages.of_runs(watched, found("run_error_surge"), at=NOON) == alert

    runs(live, at(2), 10, state=Run.State.DEAD, fate="dead")

    assert outages.of_runs(watched, found("run_error_surge"), at=NOON) is None
    assert outages.of_runs(watched, found("run_lag"), at=NOON) == alert


@pytest.mark.parametrize(("code", "comes_of_it"), [("timeout", True), ("UNABLE_TO_LOCK_ROW", False)])
def test_calls_that_were_answered_have_another_cause(live: Deployment, code: str, comes_of_it: bool) -> None:
    an_outage(live.pair.salesforce, at(1))
    called(live, 0, ill=code)

    anomalies.observe(connection=live.pair.salesforce, now=at(8))

    assert (Anomaly.objects.get(kind="call_error_surge").under is not None) == comes_of_it


def test_a_flow_that_falls_silent_has_another_cause_unless_its_events_come_from_there(
    watched: FlowSeries, live: Deployment
) -> None:
    runs(live, at(-9), 1)  # by an event of Stripe
    an_outage(live.pair.salesforce, at(1))

    assert outages.of_runs(watched, found("flow_silence"), at=NOON) is None

    of_stripe = an_outage(live.pair.stripe, at(2))

    assert outages.of_runs(watched, found("flow_silence"), at=NOON) == of_stripe


def test_after_an_outage_it_is_held_back_until_what_waited_is_done(
    watched: FlowSeries, live: Deployment
) -> None:
    alert = an_outage(live.pair.salesforce, at(1), over=at(61))
    waiting = runs(live, at(30), 2, **RETRYING)

    assert outages.of_runs(watched, found("run_lag"), at=at(80)) == alert
    assert outages.of_runs(watched, found("run_lag"), at=at(125)) is None  # it took as long as the outage

    done = {"state": Run.State.DONE, "fate": "applied", "finished_at": at(70)}
    Run.objects.filter(pk__in=[run.pk for run in waiting]).update(**done)

    assert outages.of_runs(watched, found("run_lag"), at=at(65)) == alert
    assert outages.of_runs(watched, found("run_lag"), at=at(80)) is None


def test_what_outlasts_an_outage_is_told_by_itself(watched: FlowSeries, live: Deployment) -> None:
    alert = an_outage(live.pair.salesforce, at(1), over=at(30))
    one = Anomaly.of(watched.series, found("run_lag"), began_at=at(5), flow_series=watched, under=alert)
    one.save()

    assert outages.told_by_them([one], now=at(60)) == {one.pk}
    assert outages.told_by_them([one], now=at(80)) == set()


def test_a_rest_that_was_never_told_holds_nothing_back(watched: FlowSeries, live: Deployment) -> None:
    live.pair.salesforce.rest(until=at(4), reason="Salesforce did not answer.")
    alerts.evaluate(now=at(1))
    held_up(live, 0)
    Anomaly.of(
        watched.series, found("run_lag"), began_at=NOON, flow_series=watched, under=Alert.objects.get()
    ).save()

    live.pair.salesforce.wake()
    Series.objects.update(seen_until=at(5))
    alerts.evaluate(now=at(1.5))  # before it had lasted a minute

    assert Anomaly.objects.get().under is None
