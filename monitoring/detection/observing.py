"""This module takes bin after bin and tells what is unusual. It is pure: the state goes in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.detection import amounts, incidents, levels, shares, volume
from monitoring.detection.bins import BIN_MINUTES, PER_DAY, USUAL, Alert, Instant, Knobs, Row, State, number
from monitoring.detection.catalogue import AMOUNT, CONNECTION, PROFILES, Profile
from monitoring.detection.counts import band
from monitoring.detection.shares import Look

VERSION = 1
LEARNS, SETTLES = shares.LEARNS, 7 * PER_DAY  # bins without any alert; bins with the badge "learning"
UNSETTLED = 0.5  # standard deviations more, meanwhile
GAP = timedelta(minutes=2 * BIN_MINUTES)
VOLUME = {"drop", "spike", "silence"}  # keys
NO_EVIDENCE: State = {"ring": [], "down": 0.0, "up": 0.0, "silent": 0.0}


def fresh(profile: str = CONNECTION) -> State:
    """Return the state of a series of which nothing is known; `profile` is a name of catalogue.PROFILES."""
    return {
        "version": VERSION, "profile": profile, "bins": 0, "last": None, "volume": volume.fresh(),
        "levels": {}, "amounts": amounts.fresh(), "shares": {}, "incidents": incidents.fresh(),
    }  # fmt: skip


def is_learning(state: State) -> bool:
    """Tell whether what is usual is not known well yet."""
    return int(state["bins"]) < SETTLES


def days_known(state: State) -> float:
    """Return how many days have been looked at; nothing is told before the third, all is known with 7."""
    return int(state["bins"]) / PER_DAY if state else 0.0


def observe(state: State | None, row: Row, knobs: Knobs = USUAL) -> tuple[State, list[Alert]]:
    """
    Return the state after one more bin, and what it gave away; None is the state of a new connection.

    `row` has the bin's start as "ts" and what was measured, by the names of the profile; what is missing is
    not judged. "amt_max" is the largest amount of the bin; where each amount was compared with its
    customer's (`amounts.score_amount`), "unusual_amount" is the `Look` of the most unusual one instead. The
    state that was given stays as it is. Bins come in their order; one that is older than the last, or the
    last again, changes nothing. Raises KeyError without a start, ValueError if a value is no number.
    """
    now = Instant.of(row, knobs.zone)
    watch = _Watch(state or fresh(), now, knobs)
    if watch.is_late():
        return watch.state, []
    watch.enter()
    count = number(row, watch.profile.volume)
    if count is not None:
        watch.volume(count)
    watch.shares(row)
    largest = number(row, AMOUNT)
    if largest is not None and count is not None:
        watch.amounts(largest, count)
    if isinstance(unusual := row.get("unusual_amount"), Look):
        watch.note(AMOUNT, AMOUNT, unusual)
    watch.levels(row)
    return watch.state, watch.alerts


def backfill(
    rows: Iterable[Row], state: State | None = None, knobs: Knobs = USUAL
) -> tuple[State, list[Alert]]:
    """Return the state after all `rows`, in their order, and what would have been told."""
    found: list[Alert] = []
    state = state or fresh()
    for row in rows:
        state, alerts = observe(state, row, knobs)
        found += alerts
    return state, found


def not_an_anomaly(state: State, key: str) -> State:
    """Return the state after a person said so of an alert: its like is told less keenly, ever less so."""
    return {**state, "incidents": incidents.raised(state["incidents"], key)}


def as_keen_as_before(state: State, key: str) -> State:
    """Return the state that has forgotten what people said of `key`."""
    known = incidents.split(state["incidents"], "charges", ("drop", "spike"))
    return {**state, "incidents": incidents.lowered(known, key)}


def raised(state: State) -> Mapping[str, float]:
    """Return by key how many standard deviations what people said adds now."""
    found: Mapping[str, float] = state["incidents"]["raised"] if state else {}
    return found


def learn_anew(state: State, profile: str = CONNECTION) -> State:
    """Return the state that knows nothing of what is usual, but still what people said."""
    kept = {**incidents.fresh(), "raised": dict(raised(state))}
    return {**fresh(profile), "incidents": kept}


def expected_charges(state: State) -> tuple[float, float, float] | None:
    """Return the volume expected in the last bin, and between which counts nearly all should lie."""
    mean = volume.expected(state["volume"])
    return None if mean is None else (mean, *band(mean, state["volume"]["phi"]))


def measured(state: State, row: Row, knobs: Knobs = USUAL) -> dict[str, list[float | None]]:
    """Return of what `row` measured: the value, what is expected, and between which it should lie."""
    profile, hour = _profile(state), Instant.of(row, knobs.zone).local.hour
    found: dict[str, list[float | None]] = {}
    count = number(row, profile.volume)
    if count is not None:
        found[profile.volume] = [count, *(expected_charges(state) or (None, None, None))]
    for share in profile.shares:
        value, of = number(row, share.metric), number(row, share.of)
        if value is not None and of is not None and share.metric in state["shares"]:
            mean = shares.rate(state["shares"][share.metric]) * of
            found[share.metric] = [value, mean, *band(mean, shares.DISPERSION)]
    for level in profile.levels:
        value = number(row, level.metric)
        if value is not None and level.metric in state["levels"]:
            found[level.metric] = [
                value, *(levels.expected(state["levels"][level.metric], hour) or (None, None, None))
            ]  # fmt: skip
    return found


def goes_on(state: State, key: str) -> bool:
    """Tell whether an incident of "drop", "spike" or a metric still shows in the last half hour."""
    return incidents.shows(state["incidents"], key, state["bins"])


def _profile(state: State) -> Profile:
    return PROFILES[state.get("profile", CONNECTION)]


class _Watch:
    """One bin on its way through the detectors; what it holds is new, so that the old state stays."""

    def __init__(self, state: State, now: Instant, knobs: Knobs) -> None:
        self.state, self.now, self.knobs = {**state}, now, knobs
        self.profile = _profile(state)
        self.alerts: list[Alert] = []
        self.woken: set[str] = set()
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
        if last is not None and self.now.at - datetime.fromisoformat(last) > GAP:
            state["volume"] |= NO_EVIDENCE
        state["incidents"], self.woken = incidents.woken(state["incidents"], self.knobs.is_silent)
        if self.woken & VOLUME:
            state["volume"] |= NO_EVIDENCE
        if self.now.bin_of_day == 0:
            state["incidents"] = incidents.faded(state["incidents"])

    def volume(self, count: float) -> None:
        state, profile, settled = self.state, self.profile, self.number >= SETTLES
        drop, spike = ("drop", "spike") if profile.falls else ("silence", "spike")
        after, fall, rise = volume.look(
            state["volume"], count, self.now, extra=(self._extra(drop), self._extra(spike)), settled=settled,
            words=profile.words,
        )  # fmt: skip
        if fall.kind == "outage":
            fall = fall._replace(kind=profile.silence)
        monthly = (
            rise.unusual and self._is_quiet("spike") and incidents.is_monthly(state["incidents"], self.now)
        )
        fell = self.note(drop, profile.volume, fall, tell=profile.falls or fall.kind == profile.silence)
        rose = self.note(spike, profile.volume, rise, tell=profile.rises and not monthly)
        if rose:
            state["incidents"] = incidents.remember_spike(state["incidents"], self.now)
        disturbed = fell or rose or self._disturbs(drop) or self._disturbs(spike)
        disturbed = disturbed or self.knobs.is_known(drop) or self.knobs.is_known(spike)
        if disturbed and settled:
            state["volume"] = volume.pass_over(after)
        else:
            state["volume"] = volume.learn(after, count, settled=settled)

    def shares(self, row: Row) -> None:
        usual = volume.expected(self.state["volume"]) or 0.0
        known: dict[str, Any] = {**self.state["shares"]}
        for share in self.profile.shares:
            count, of = number(row, share.metric), number(row, share.of)
            if count is None or of is None:
                continue
            exposure = max(of, usual) if share.follows else of
            before = known.get(share.metric) or shares.fresh(share)
            if share.metric in self.woken:
                before = shares.without_evidence(before)
            after, look = shares.look(before, share, count, exposure, extra=self._extra(share.metric))
            self.note(share.metric, share.metric, look)
            learns = self._learns(share.metric)
            known[share.metric] = shares.learn(after, count, exposure) if learns else after
        self.state["shares"] = known

    def levels(self, row: Row) -> None:
        hour = self.now.local.hour
        known: dict[str, Any] = {**self.state.get("levels", {})}
        for level in self.profile.levels:
            value = number(row, level.metric)
            if value is None:
                continue
            before = known.get(level.metric) or levels.fresh()
            if level.metric in self.woken:
                before = {**before, "ring": []}
            after, look = levels.look(before, level, value, hour, extra=self._extra(level.metric))
            self.note(level.metric, level.metric, look)
            learns = self._learns(level.metric)
            known[level.metric] = levels.learn(after, level, value, hour) if learns else after
        self.state["levels"] = known

    def amounts(self, largest: float, count: float) -> None:
        extra = self._extra(AMOUNT)
        self.state["amounts"], look = amounts.look(self.state["amounts"], largest, count, extra=extra)
        self.note(AMOUNT, AMOUNT, look)

    def note(self, key: str, metric: str, look: Look, *, tell: bool = True) -> bool:
        if self.number < LEARNS:
            return False
        state, begins = incidents.note(
            self.state["incidents"], key, self.number, unusual=look.unusual, lasts=look.lasts,
            silent=self.knobs.is_silent(key),
        )  # fmt: skip
        self.state["incidents"] = state
        if begins and tell and not self.knobs.is_silent(key):
            self.alerts.append(Alert(metric, *look[2:]))
        return begins

    def _extra(self, key: str) -> float:
        metric = self.profile.volume if key in ("drop", "spike") else ""  # as it was said before
        said = incidents.raised_by(self.state["incidents"], key, metric)
        return self.extra + said + self.knobs.extra.get(key, 0.0)

    def _is_quiet(self, key: str) -> bool:
        return not incidents.is_open(self.state["incidents"], key, self.number)

    def _learns(self, key: str) -> bool:
        return not self._disturbs(key) and not self.knobs.is_known(key)

    def _disturbs(self, key: str) -> bool:
        return incidents.disturbs(self.state["incidents"], key, self.number)
