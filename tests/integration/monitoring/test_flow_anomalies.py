"""Anomalies of flows and calls: runs that stop or fail, calls that take long, amounts, and likely causes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.tallies import Tallies, add
from flows.models import DeadLetter, Deployment, Pair, Run
from monitoring import anomalies, anomaly_amounts, anomaly_sources, detection, flow_anomalies
from monitoring.anomaly_models import Anomaly, CustomerAmounts, FlowBin, FlowSeries, Series
from tests.builders import NOON, a_pair
from tests.integration.flows.given import a_charge, a_live_flow, an_event
from tests.integration.monitoring.watched import runs, usual

pytestmark = pytest.mark.django_db

BIN = timedelta(minutes=5)


@pytest.fixture
def live() -> Deployment:
    deployment = a_live_flow(a_pair())
    series = Series.objects.create(connection=deployment.pair.stripe, seen_until=NOON)
    FlowSeries.objects.create(
        series=series, flow=deployment.flow, state=usual(detection.FLOW), seen_until=NOON, history_until=NOON
    )
    return deployment


def look(minutes: int) -> None:
    for until in range(8, minutes + 1, 5):
        flow_anomalies.observe_due(now=NOON + timedelta(minutes=until))


def test_a_flow_whose_runs_stop_is_told_unless_it_was_switched_off(live: Deployment) -> None:
    look(18)

    told = Anomaly.objects.get()
    assert (told.kind, told.metric, told.flow_series.flow) == ("flow_silence", "runs", live.flow)
    assert told.reason.startswith("No runs came where about")
    assert FlowBin.objects.first().measured["runs"][0] == 0

    live.switch(enabled=False)
    look(23)

    told.refresh_from_db()
    assert told.ended_at is not None
    assert FlowSeries.objects.get().seen_until == NOON + timedelta(minutes=20)


def test_runs_that_fail_are_told_with_the_new_version_and_the_error(live: Deployment) -> None:
    Deployment.objects.update(deployed_at=NOON - timedelta(minutes=10))
    runs(live, NOON - timedelta(hours=3), 20)
    ill = runs(live, NOON + timedelta(minutes=1), 10, state=Run.State.DEAD, fate="dead")
    for run in ill:
        DeadLetter.objects.create(
            event=run.event, run=run, error_class="validation", code="FIELD_FILTER", message="x",
            suggestion="x", fingerprint="x", created_at=NOON,
        )  # fmt: skip

    look(8)

    told = Anomaly.objects.get()
    assert told.kind == "run_error_surge"
    assert told.likely == (
        "Version 1 went live 15 minutes before. Error code FIELD_FILTER: 100% of them, usually 2%."
    )


def test_a_flow_begins_with_what_is_there_and_tells_nothing_of_it(live: Deployment) -> None:
    FlowSeries.objects.all().delete()
    runs(live, NOON - timedelta(minutes=9), 2)

    look(8)

    found = FlowSeries.objects.get()
    assert [one.measured["runs"][0] for one in found.bins.all()] == [2, 0, 0]
    assert found.history_until == NOON + BIN
    assert not Anomaly.objects.exists()


def test_calls_that_take_long_are_told_of_the_connection(live: Deployment) -> None:
    crm, series = live.pair.salesforce, usual(detection.CONNECTION)
    Series.objects.create(connection=crm, state=series, seen_until=NOON)
    for number in range(4):
        counts = Tallies(clock=lambda at=NOON + number * BIN: at.timestamp(), ticks=lambda: 0.0)
        took = counts.timer(crm.pk)
        for _ in range(30):
            took(2.0)
        counts.calls(crm.pk, 30, ["UNABLE_TO_LOCK_ROW"] * 15 if number == 3 else [])
        add(counts.take())

    anomalies.observe(connection=crm, now=NOON + timedelta(minutes=22))

    told = {one.metric: one for one in Anomaly.objects.all()}
    assert set(told) == {"call_ms", "call_errors"}
    assert told["call_ms"].reason.startswith("Calls take 2,049 ms where about 204")
    assert told["call_errors"].likely == "Error code UNABLE_TO_LOCK_ROW: 100% of them, usually 25%."


def test_events_that_tell_the_same_again_are_counted(live: Deployment) -> None:
    stripe = live.pair.stripe
    for _ in range(3):
        an_event(stripe, a_charge(id="ch_1"), received_at=NOON)
    an_event(stripe, a_charge(id="ch_2"), received_at=NOON + timedelta(seconds=1))

    rows = anomaly_sources.of_connection(stripe, NOON, NOON + BIN)

    assert rows[NOON]["dup_events"] == 2
    assert rows[NOON]["charges"] == 4
    assert rows[NOON]["delivery_s"] is None  # of so few


def test_an_amount_is_compared_with_its_customers_in_minor_units(live: Deployment) -> None:
    stripe = live.pair.stripe
    for number in range(6):
        pays(live.pair, NOON + number * timedelta(seconds=10), 2000)
    pays(live.pair, NOON + timedelta(minutes=2), 250_000, id="ch_big")
    pays(live.pair, NOON + timedelta(minutes=2), 250_000, customer="cus_2")

    paid = anomaly_amounts.paid(stripe, NOON, NOON + BIN)
    found, histories = anomaly_amounts.look(stripe, paid, extra=0.0)
    anomaly_amounts.keep(histories)

    assert found[NOON].paid.charge == "ch_big"
    assert found[NOON].reason == ("A customer who usually pays about €20.00 paid €2,500.00 (charge ch_big).")
    assert CustomerAmounts.objects.filter(connection=stripe, currency="EUR").count() == 2
    assert not CustomerAmounts.objects.filter(customer__contains="cus").exists()
    assert anomaly_amounts.look(stripe, paid, extra=90.0)[0] == {}


def pays(pair: Pair, at: datetime, amount: int, **fields: Any) -> None:
    charge = a_charge(amount=amount, **({"customer": "cus_1"} | fields))
    an_event(pair.stripe, charge, created=int(at.timestamp()), received_at=at)


def test_a_connection_that_cannot_be_looked_at_keeps_no_other_from_its_turn(live: Deployment) -> None:
    stripe, crm = live.pair.stripe, live.pair.salesforce
    Series.objects.filter(connection=stripe).update(state={"bins": "broken", "last": None})
    Series.objects.create(connection=crm, seen_until=NOON)

    with pytest.raises(KeyError):
        anomalies.observe_due(now=NOON + timedelta(minutes=8))

    assert Series.objects.get(connection=crm).seen_until == NOON + BIN


def test_what_people_say_while_bins_are_compared_is_not_lost(
    live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = anomalies.of_connection

    def and_somebody_speaks(*args: Any) -> Any:
        series = Series.objects.get(connection=live.pair.stripe)
        series.state = detection.not_an_anomaly(detection.fresh(), "drop")
        series.save()
        return counted(*args)

    monkeypatch.setattr(anomalies, "of_connection", and_somebody_speaks)
    assert anomalies.observe(connection=live.pair.stripe, now=NOON + timedelta(minutes=8)) == 0
    monkeypatch.undo()
    assert anomalies.observe(connection=live.pair.stripe, now=NOON + timedelta(minutes=8)) == 1
    assert detection.raised(Series.objects.get(connection=live.pair.stripe).state) == {"drop": 0.5}
