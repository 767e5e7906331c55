"""Anomalies: each kind of trouble is told once, what is usual or known is not, and the state is JSON."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest

from monitoring.detection import (
    Knobs,
    backfill,
    incidents,
    is_learning,
    not_an_anomaly,
    observe,
    score_amount,
)
from monitoring.detection.bins import Instant

MONDAY = datetime(2026, 3, 2)  # noqa: DTZ001 - the wall clock of the business
PER_DAY, WEEKS = 288, 2
NOW = MONDAY + timedelta(weeks=WEEKS, hours=15)
RATES = {"failed": 0.04, "refunds": 0.012, "disputes": 0.001, "dup_events": 0.004, "call_errors": 0.006}


def poisson(mean: float, dice: Random) -> int:
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product, count = product * dice.random(), count + 1
    return count


def a_bin(at: datetime, dice: Random, **changes: float) -> dict[str, Any]:
    """Return a bin of a business that takes 40 charges by day and 15 by night; `changes` are factors."""
    mean = (40 if 8 <= at.hour < 20 else 15) * changes.get("charges", 1.0)
    charges = round(max(0.0, dice.gauss(mean, 1.2 * math.sqrt(mean))))
    row: dict[str, Any] = {"ts": at.isoformat(), "charges": charges}
    for name, rate in RATES.items():
        of = 3 * charges if name == "call_errors" else charges
        row[name] = poisson(of * rate * changes.get(name, 1.0), dice)
    row["calls"] = 3 * charges
    row["call_ms"] = 480 * math.exp(dice.gauss(0, 0.13)) * changes.get("call_ms", 1.0)
    row["amt_max"] = math.exp(dice.gauss(6.5, 0.9)) * changes.get("amt_max", 1.0)
    return row


def bins(begins: datetime, count: int, **changes: float) -> list[dict[str, Any]]:
    dice = Random(f"{begins} {count} {changes}")
    return [a_bin(begins + timedelta(minutes=5 * index), dice, **changes) for index in range(count)]


@cache
def known() -> str:
    """Return the state after two usual weeks and a bit, as it is stored."""
    state, alerts = backfill(bins(MONDAY, WEEKS * 7 * PER_DAY + 180))
    assert alerts == []
    return json.dumps(state)


def told(rows: list[dict[str, Any]], state: Any = None, **knobs: Any) -> list[tuple[str, str]]:
    _, alerts = backfill(rows, state or json.loads(known()), Knobs(**knobs))
    return [(alert.metric, alert.kind) for alert in alerts]


@pytest.mark.parametrize(
    ("metric", "kind", "times", "lasts"),
    [
        ("charges", "volume_spike", 2.7, 12),
        ("charges", "volume_drop", 0.45, 18),
        ("charges", "outage", 0.0, 4),
        ("failed", "failed_spike", 6.0, 10),
        ("refunds", "refund_surge", 7.0, 20),
        ("disputes", "dispute_wave", 25.0, 40),
        ("dup_events", "dup_surge", 15.0, 15),
        ("call_errors", "call_error_surge", 12.0, 6),
        ("call_ms", "latency_rise", 2.5, 20),
        ("amt_max", "amount_outlier", 400.0, 1),
    ],
)
def test_each_kind_of_trouble_is_told_once(metric, kind, times, lasts):
    assert told(bins(NOW, lasts, **{metric: times})) == [(metric, kind)]


def test_failures_that_rise_slowly_are_told_too():
    rows = [row for h in range(8) for row in bins(NOW + timedelta(hours=h), 12, failed=1.0 + 0.3 * h)]

    assert [metric for metric, _ in told(rows)] == ["failed"]


def test_silence_is_an_outage_though_few_charges_come():
    """Seven charges an hour: no single bin can be surprising."""
    sparse = [{"ts": (MONDAY + timedelta(minutes=5 * i)).isoformat(), "charges": i % 5 == 0 or i % 3 == 0}
              for i in range(8 * PER_DAY)]  # fmt: skip
    state, _ = backfill(sparse)
    begins = MONDAY + timedelta(days=8, hours=3)
    silent = [{"ts": (begins + timedelta(minutes=5 * i)).isoformat(), "charges": 0} for i in range(60)]

    assert told(silent[:12], state) == []
    assert told(silent, state) == [("charges", "outage")]


@pytest.mark.parametrize("times", [2.2, 0.5], ids=["a promotion", "a holiday"])
def test_a_day_that_is_special_from_its_midnight_on_is_no_trouble_but_hides_none(times):
    tuesday = MONDAY + timedelta(weeks=WEEKS, days=1)
    state, alerts = backfill(bins(NOW, 108), json.loads(known()))
    special = bins(tuesday, 150, charges=times)
    broken = bins(tuesday + timedelta(minutes=750), 12, charges=0.0)

    assert alerts == []
    assert told(special, state) == []
    assert told([*special, *broken], state) == [("charges", "outage")]


def test_one_wild_bin_means_nothing():
    wild = bins(NOW, 1, charges=2.4, call_ms=2.2)
    usual = bins(NOW + timedelta(minutes=5), 11)

    assert told([*wild, *usual]) == []


def test_a_known_event_is_not_told_but_what_else_goes_wrong_is():
    now = frozenset({"drop", "spike"})

    assert told(bins(NOW, 12, charges=2.7), known=now) == []
    assert told(bins(NOW, 12, charges=2.7, failed=8.0), known=now) == [("failed", "failed_spike")]


def test_what_begins_within_a_known_event_and_outlasts_it_is_told_then():
    state, within = backfill(bins(NOW, 12, charges=0.0), json.loads(known()), Knobs(known=frozenset({""})))
    after = NOW + timedelta(hours=1)

    assert within == []
    assert told(bins(after, 60, charges=0.0), state) == [("charges", "outage")]
    assert told(bins(after, 60), state) == []


def test_nothing_is_learnt_of_what_is_known_to_be_unusual():
    before = json.loads(known())
    state, _ = backfill(bins(NOW, 12, failed=1.6), before, Knobs(known=frozenset({"failed"})))

    assert state["shares"]["failed"]["x"] == before["shares"]["failed"]["x"]


def test_what_is_watched_only_since_an_update_is_learnt_before_it_is_judged():
    before = json.loads(known())
    before |= {"levels": {}, "shares": {"failed": before["shares"]["failed"]}}

    assert told(bins(NOW, 30, call_errors=40.0), before) == []
    assert (
        told([row | {"call_ms": 100 * 2.0 ** min(n, 5)} for n, row in enumerate(bins(NOW, 9))], before) == []
    )


def test_a_monthly_run_is_told_once_and_not_a_month_later():
    state, alerts = backfill(bins(NOW, 12, charges=4.0), json.loads(known()))
    quiet = incidents.fresh()
    then = datetime(2026, 4, NOW.day, NOW.hour, 35)  # noqa: DTZ001 - as above
    month_later = Instant(then, then)

    assert [alert.kind for alert in alerts] == ["volume_spike"]
    assert incidents.is_monthly(state["incidents"], month_later)
    assert not incidents.is_monthly(quiet, month_later)


def test_what_people_call_no_anomaly_has_to_be_more_unusual_next_time():
    rows = [{**bins(NOW, 1)[0], "call_errors": 9}]
    state = json.loads(known())
    for _ in range(6):
        state = not_an_anomaly(state, "call_errors")

    assert told(rows) == [("call_errors", "call_error_surge")]
    assert told(rows, state) == []


def test_nothing_is_told_while_nothing_is_known():
    state, alerts = backfill(
        bins(MONDAY, PER_DAY, charges=1.0) + bins(MONDAY + timedelta(days=1), 12, charges=0.0)
    )

    assert alerts == []
    assert is_learning(state)
    assert not is_learning(json.loads(known()))


def test_a_state_stays_as_it_was_and_the_same_bins_give_the_same():
    before = json.loads(known())
    row = bins(NOW, 1, charges=0.0)[0]
    after, alerts = observe(before, row)

    assert json.dumps(before) == known()
    assert observe(json.loads(known()), row) == (after, alerts)
    assert json.loads(json.dumps(after)) == after
    assert observe(after, row) == (after, [])


def test_an_alert_says_what_was_seen_and_what_would_have_passed():
    _, alerts = backfill(bins(NOW, 10, failed=6.0), json.loads(known()))
    alert = alerts[0]

    assert alert.lo <= alert.expected <= alert.hi < alert.observed
    assert alert.reason.startswith(f"{alert.observed:,.0f} failed charges where about")


def test_an_amount_is_judged_by_what_its_customer_usually_pays():
    history: list[float] = []
    for amount in (19.0, 21.0, 20.0, 20.0, 24.0, 18.0, 20.0):
        history, score = score_amount(history, amount)
        assert not score.unusual

    assert score_amount(history, 900.0)[1].unusual
    assert not score_amount(history, 60.0)[1].unusual
    assert not score_amount([], 900.0)[1].unusual


def test_what_hardly_ever_came_is_not_told_as_so_many_thousand_times_as_usual() -> None:
    days = 4
    state, _ = backfill(bins(MONDAY, days * PER_DAY, refunds=0.0))
    _, alerts = backfill(bins(MONDAY + timedelta(days=days), 20, refunds=12.0), state)

    (reason,) = [alert.reason for alert in alerts if alert.metric == "refunds"]
    assert reason.endswith("refunds where hardly any are usual.")
