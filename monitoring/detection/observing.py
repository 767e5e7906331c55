"""This module takes bin after bin and tells what is unusual. It is pure: the state goes in and out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from monitoring.detection import amounts, incidents, latency, shares, volume
from monitoring.detection.bins import BIN_MINUTES, PER_DAY, Alert, Instant, Row, State, number
from monitoring.detection.catalogue import AMOUNT, LATENCY, SHARES, VOLUME
from monitoring.detection.counts import band
from monitoring.detection.shares import Look

VERSION = 1
LEARNS, SETTLES = 2 * PER_DAY, 7 * PER_DAY  # bins without any alert; bins with the badge "learning"
UNSETTLED = 0.5  # standard deviations more, meanwhile


def fresh() -> State:
    """Return the state of a series of which nothing is known."""
    return {
        "version": VERSION, "bins": 0, "last": None, "volume": volume.fresh(), "latency": latency.fresh(),
        "amounts": amounts.fresh(), "shares": {share.metric: shares.fresh(share) for share in SHARES},
        "incidents": incidents.fresh(),
    }  # fmt: skip


def is_learning(state: State) -> bool:
    """Tell whether what is usual is not known well yet."""
    return int(state["bins"]) < SETTLES


def observe(state: State | None, row: Row) -> tuple[State, list[Alert]]:
    """
    Return the state after one more bin, and what it gave away; None is the state of a new series.

    `row` has the bin's start as "ts" and what was measured: "charges", "failed", "refunds", "disputes",
    "dup_events", "sf_calls", "sf_errors", "lat_p95_ms", "amt_max". What is missing is not judged. The
    state that was given stays as it is. Bins come in their order; one that is older than the last, or the
    last again, changes nothing. Raises KeyError without a start, ValueError if a value is no number.
    """
    now = Instant.of(row)
    watch = _Watch(state or fresh(), now)
    if watch.is_late():
        return watch.state, []
    watch.enter()
    charges = number(row, VOLUME)
    if charges is not None:
        watch.charges(charges)
        watch.shares(row, charges)
        largest = number(row, AMOUNT)
        if largest is not None:
            watch.amounts(largest, charges)
    answer = number(row, LATENCY)
    if answer is not None:
        watch.latency(answer)
    return watch.done(), watch.alerts


def backfill(rows: Iterable[Row], state: State | None = None) -> tuple[State, list[Alert]]:
    """Return the state after all `rows`, in their order, and what would have been told."""
    found: list[Alert] = []
    state = state or fresh()
    for row in rows:
        state, alerts = observe(state, row)
        found += alerts
    return state, found


def not_an_anomaly(state: State, metric: str) -> State:
    """Return the state after a person said so of an alert: its metric is told less keenly from now on."""
    return {**state, "incidents": incidents.raised(state["incidents"], metric)}


def mute(state: State, *, begins: datetime, ends: datetime, metric: str = "") -> State:
    """Return the state that knows of an event to come, of one metric or of all; raises ValueError."""
    return {**state, "incidents": incidents.muted(state["incidents"], metric, begins, ends)}


def known_events(state: State) -> list[tuple[str, datetime, datetime]]:
    """Return what was muted and is not forgotten: the metric ("" for all), from when, until when."""
    kept = state["incidents"]["mutes"] if state else []
    return [(of, datetime.fromisoformat(begins), datetime.fromisoformat(ends)) for of, begins, ends in kept]


def expected_charges(state: State) -> tuple[float, float, float] | None:
    """Return the charges expected in the last bin, and between which counts nearly all should lie."""
    mean = volume.expected(state["volume"])
    return None if mean is None else (mean, *band(mean, state["volume"]["phi"]))


def goes_on(state: State, key: str) -> bool:
    """Tell whether an incident of "drop", "spike" or a metric still shows in the last half hour."""
    return incidents.shows(state["incidents"], key, state["bins"])


class _Watch:
    """One bin on its way through the detectors; what it holds is new, so that the old state stays."""

    def __init__(self, state: State, now: Instant) -> None:
        self.state, self.now = {**state}, now
        self.alerts: list[Alert] = []
        self.number: int = state["bins"]
        self.extra = UNSETTLED if is_learning(state) else 0.0

    def is_late(self) -> bool:
        last = self.state["last"]
        return last is not None and self.now.at <= datetime.fromisoformat(last)

    def enter(self) -> None:
        state, last = self.state, self.state["last"]
        state["bins"] = self.number + 1
        state["last"] = self.now.at.isoformat()
        state["volume"] = volume.enter(state["volume"], self.now)
        if last is not None and self.now.at - datetime.fromisoformat(last) > timedelta(
            minutes=2 * BIN_MINUTES
        ):
            state["volume"] |= {"ring": [], "down": 0.0, "up": 0.0, "silent": 0.0}
        if self.now.bin_of_day == 0:
            state["incidents"] = incidents.forget_mutes(state["incidents"], self.now)

    def charges(self, count: float) -> None:
        state = self.state
        settled = self.number >= SETTLES
        after, fall, rise = volume.look(
            state["volume"], count, self.now, extra=self._extra(VOLUME), settled=settled
        )
        monthly = (
            rise.unusual and self._is_quiet("spike") and incidents.is_monthly(state["incidents"], self.now)
        )
        fell = self._note("drop", VOLUME, fall)
        rose = self._note("spike", VOLUME, rise, tell=not monthly)
        if rose:
            state["incidents"] = incidents.remember_spike(state["incidents"], self.now)
        disturbed = fell or rose or self._disturbs("drop") or self._disturbs("spike")
        disturbed = disturbed or incidents.is_muted(state["incidents"], VOLUME, self.now)
        if disturbed and settled:
            state["volume"] = volume.pass_over(after)
        else:
            state["volume"] = volume.learn(after, count, settled=settled)

    def shares(self, row: Row, charges: float) -> None:
        usual = volume.expected(self.state["volume"]) or 0.0
        known: dict[str, Any] = {**self.state["shares"]}
        for share in SHARES:
            count, of = number(row, share.metric), number(row, share.of)
            if count is None or of is None:
                continue
            exposure = max(of, usual) if share.follows else of
            extra = self._extra(share.metric)
            after, look = shares.look(known[share.metric], share, count, exposure, extra=extra)
            self._note(share.metric, share.metric, look)
            learns = not self._disturbs(share.metric)
            known[share.metric] = shares.learn(after, count, exposure) if learns else after
        self.state["shares"] = known

    def amounts(self, largest: float, count: float) -> None:
        extra = self._extra(AMOUNT)
        self.state["amounts"], look = amounts.look(self.state["amounts"], largest, count, extra=extra)
        self._note(AMOUNT, AMOUNT, look)

    def latency(self, value: float) -> None:
        hour = self.now.at.hour
        after, look = latency.look(self.state["latency"], value, hour, extra=self._extra(LATENCY))
        self._note(LATENCY, LATENCY, look)
        self.state["latency"] = after if self._disturbs(LATENCY) else latency.learn(after, value, hour)

    def done(self) -> State:
        return self.state

    def _extra(self, metric: str) -> float:
        return self.extra + incidents.raised_by(self.state["incidents"], metric)

    def _is_quiet(self, key: str) -> bool:
        return not incidents.is_open(self.state["incidents"], key, self.number)

    def _disturbs(self, key: str) -> bool:
        return incidents.disturbs(self.state["incidents"], key, self.number)

    def _note(self, key: str, metric: str, look: Look, *, tell: bool = True) -> bool:
        if self.number < LEARNS:
            return False
        state, begins = incidents.note(
            self.state["incidents"], key, self.number, unusual=look.unusual, lasts=look.lasts
        )
        self.state["incidents"] = state
        if begins and tell and not incidents.is_muted(state, metric, self.now):
            self.alerts.append(Alert(metric, *look[2:]))
        return begins
