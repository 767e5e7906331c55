"""
This module makes one alert of each incident: cooldown, monthly runs, and what people said. It is pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from monitoring.detection.bins import Instant, State

COOLDOWN = 24  # bins without a sign, before the same metric is told again
QUIET = 6  # bins without a sign, after which it seems to be over
LONGEST = 432  # bins after which what lasts is the new usual
STEP = 0.5  # standard deviations that "not an anomaly" adds
MOST_RAISED = 3.0
HALF_LIFE = 30.0  # days, after which half of what people have added is left
FORGOTTEN = 0.05  # standard deviations, below which nothing is left of it
BILLING_LASTS = 24  # bins that a monthly run may take
REMEMBERED = 60  # days on which a spike began


def fresh() -> State:
    """Return the state in which nothing has happened."""
    # "mutes" is looked at by processes of the version before, while two run side by side.
    return {"open": {}, "untold": [], "raised": {}, "spikes": [], "mutes": []}


def is_open(state: State, key: str, number: int) -> bool:
    """Tell whether an incident of `key` goes on in the bin of that number."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= COOLDOWN


def shows(state: State, key: str, number: int) -> bool:
    """Tell whether an incident of `key` has shown a sign in the last bins before that number."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= QUIET


def note(
    state: State, key: str, number: int, *, unusual: bool, lasts: bool, silent: bool = False
) -> tuple[State, bool]:
    """Return the state after a bin, and whether a new incident of `key` begins in it, `silent` or not."""
    if not (unusual or lasts):
        return state, False
    going_on = is_open(state, key, number)
    if not going_on and not unusual:
        return state, False
    began = state["open"][key][0] if going_on else number
    after = {**state, "open": {**state["open"], key: [began, number]}}
    if not going_on:
        untold = [one for one in state.get("untold", ()) if one != key]
        after["untold"] = [*untold, key] if silent else untold
    return after, not going_on


def woken(state: State, is_silent: Callable[[str], bool]) -> tuple[State, set[str]]:
    """
    Return the state without the incidents that began while nothing was told of them, and now something is.

    They are found anew if they go on: what began within a known event is not forgiven when that is over.
    """
    keys = {key for key in state.get("untold", ()) if not is_silent(key)}
    if not keys:
        return state, keys
    known = {key: one for key, one in state["open"].items() if key not in keys}
    return {**state, "open": known, "untold": [key for key in state["untold"] if key not in keys]}, keys


def disturbs(state: State, key: str, number: int) -> bool:
    """Tell whether an incident shows in the bin of that number, and not yet so long as to be usual."""
    known = state["open"].get(key)
    return known is not None and number - known[1] <= 3 and number - known[0] <= LONGEST


def raised_by(state: State, key: str, metric: str = "") -> float:
    """Return by how much what goes by `key` has to be more unusual, because of what people said."""
    known = state["raised"]
    return float(max(known.get(key, 0.0), known.get(metric, 0.0)))


def raised(state: State, key: str) -> State:
    """Return the state after a person said of an alert that it is no anomaly."""
    more = min(raised_by(state, key) + STEP, MOST_RAISED)
    return {**state, "raised": {**state["raised"], key: more}}


def lowered(state: State, key: str) -> State:
    """Return the state that has forgotten what people said of `key`."""
    return {**state, "raised": {name: more for name, more in state["raised"].items() if name != key}}


def split(state: State, metric: str, keys: tuple[str, ...]) -> State:
    """Return the state that keeps for each of `keys` what a version before this kept for their `metric`."""
    if metric not in state["raised"]:
        return state
    left = {name: more for name, more in state["raised"].items() if name != metric}
    return {**state, "raised": left | {key: raised_by(state, key, metric) for key in keys}}


def faded(state: State) -> State:
    """Return the state a day later: what people said counts for a little less."""
    if not state["raised"]:
        return state
    left = {key: round(more * 0.5 ** (1.0 / HALF_LIFE), 4) for key, more in state["raised"].items()}
    return {**state, "raised": {key: more for key, more in left.items() if more >= FORGOTTEN}}


def is_monthly(state: State, now: Instant) -> bool:
    """
    Tell whether a rise of charges is a monthly run: it is the first of the month and began with an hour,
    or the same came on that day of an earlier month at that hour.
    """
    if now.local.day == 1 and now.local.minute <= 30:
        return True
    for text in state["spikes"]:
        then = datetime.fromisoformat(text)
        if then.tzinfo is not None and now.local.tzinfo is not None:
            then = then.astimezone(now.local.tzinfo)
        apart = abs((now.local.hour - then.hour) * 60 + now.local.minute - then.minute)
        if then.day == now.local.day and now.at - then > timedelta(days=20) and apart <= 60:
            return True
    return False


def remember_spike(state: State, now: Instant) -> State:
    """Return the state that knows when a rise of charges began."""
    return {**state, "spikes": [*state["spikes"][-(REMEMBERED - 1) :], now.at.isoformat()]}
