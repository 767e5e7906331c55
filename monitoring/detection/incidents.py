"""
This module makes one alert of each incident: cooldown, known events, and what people said. It is pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitoring.detection.bins import Instant, State

COOLDOWN = 24  # bins without a sign, before the same metric is told again
QUIET = 6  # bins without a sign, after which it seems to be over
LONGEST = 432  # bins after which what lasts is the new usual
STEP = 0.5  # standard deviations that "not an anomaly" adds
MOST_RAISED = 3.0
BILLING_LASTS = 24  # bins that a monthly run may take
REMEMBERED = 60  # days on which a spike began


def fresh() -> State:
    """Return the state in which nothing has happened."""
    return {"open": {}, "raised": {}, "mutes": [], "spikes": []}


def is_open(state: State, key: str, number: int) -> bool:
    """Tell whether an incident of `key` goes on in the bin of that number."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= COOLDOWN


def shows(state: State, key: str, number: int) -> bool:
    """Tell whether an incident of `key` has shown a sign in the last bins before that number."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= QUIET


def note(state: State, key: str, number: int, *, unusual: bool, lasts: bool) -> tuple[State, bool]:
    """Return the state after a bin, and whether a new incident of `key` begins in it."""
    if not (unusual or lasts):
        return state, False
    going_on = is_open(state, key, number)
    if not going_on and not unusual:
        return state, False
    began = state["open"][key][0] if going_on else number
    return {**state, "open": {**state["open"], key: [began, number]}}, not going_on


def disturbs(state: State, key: str, number: int) -> bool:
    """Tell whether an incident shows in the bin of that number, and not yet so long as to be usual."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= 3 and number - known[0] <= LONGEST


def raised_by(state: State, metric: str) -> float:
    """Return by how much a metric has to be more unusual than by default."""
    return float(state["raised"].get(metric, 0.0))


def raised(state: State, metric: str) -> State:
    """Return the state after a person said of an alert that it is no anomaly."""
    more = min(raised_by(state, metric) + STEP, MOST_RAISED)
    return {**state, "raised": {**state["raised"], metric: more}}


def muted(state: State, metric: str, begins: datetime, ends: datetime) -> State:
    """
    Return the state in which `metric` ("" for all) is not told from `begins` until `ends`.

    Raises ValueError if it ends before it begins.
    """
    if ends <= begins:
        raise ValueError("A known event ends after it begins.")
    kept = [*state["mutes"], [metric, begins.isoformat(), ends.isoformat()]]
    return {**state, "mutes": kept}


def is_muted(state: State, metric: str, now: Instant) -> bool:
    """Tell whether a known event goes on."""
    return any(
        (not of or of == metric) and datetime.fromisoformat(begins) <= now.at < datetime.fromisoformat(ends)
        for of, begins, ends in state["mutes"]
    )


def forget_mutes(state: State, now: Instant) -> State:
    """Return the state without the known events that are over."""
    kept = [one for one in state["mutes"] if datetime.fromisoformat(one[2]) > now.at]
    return state if len(kept) == len(state["mutes"]) else {**state, "mutes": kept}


def is_monthly(state: State, now: Instant) -> bool:
    """
    Tell whether a rise of charges is a monthly run: it is the first of the month and began with an hour,
    or the same came on that day of an earlier month at that hour.
    """
    if now.at.day == 1 and now.at.minute <= 30:
        return True
    for text in state["spikes"]:
        then = datetime.fromisoformat(text)
        apart = abs((now.at.hour - then.hour) * 60 + now.at.minute - then.minute)
        if then.day == now.at.day and now.at - then > timedelta(days=20) and apart <= 60:
            return True
    return False


def remember_spike(state: State, now: Instant) -> State:
    """Return the state that knows when a rise of charges began."""
    return {**state, "spikes": [*state["spikes"][-(REMEMBERED - 1) :], now.at.isoformat()]}
