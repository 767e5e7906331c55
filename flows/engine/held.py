"""This module tells a flow that cannot work from a single run that is at fault itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.engine.batch import Finished
from flows.engine.outcome import Done, End, Failure, GiveUp, Pause
from flows.engine.trace import SOURCE
from flows.engine.ways import CARRIED


def is_held(finished: Finished) -> bool:
    """Tell whether the run failed for what the flow lacks: a permission, a field of the org."""
    return isinstance(finished.outcome, Pause) and finished.outcome.holds == "flow"


def got_through(finished: Finished) -> bool:
    """Tell whether the run shows that the flow works: it ended in order and saved, made or told something."""
    if not isinstance(finished.outcome, Done | End):
        return False
    item = finished.item
    made = any(end.state == "done" and end.result is not None for end in item.effect_ends)
    return bool(finished.writes) or made or bool(item.notes)


def has_found(finished: Finished, step: str) -> bool:
    """
    Tell whether the run ended in order and found at `step`, one that reads, what it looked for.

    So does the reading of what the run is about, before the first step. That nothing was found shows
    nothing: perhaps there was nothing to look for, and nobody was asked. Neither does what an earlier try
    has found.
    """
    if not isinstance(finished.outcome, Done | End):
        return False
    made = [entry for entry in finished.trace if entry["step"] == step and CARRIED not in entry]
    if step == SOURCE:
        return any(entry["kind"] == "fetched" for entry in made)
    return any(entry.get("exit") not in (None, "none") for entry in made)


def settled(batch: Sequence[Finished]) -> list[Finished]:
    """
    Return how the runs of one flow ended, where some that seemed to lack something are at fault themselves.

    If another run got through the step at which one failed, in the same turn, the flow lacks nothing. Runs
    whose state was in doubt take the steps in a later turn, and the org may have changed meanwhile.
    """
    passed = {(_turn(one), step) for one in batch for step in _passed(one)}
    return [_given_up(one) if is_held(one) and (_turn(one), one.step) in passed else one for one in batch]


def _turn(finished: Finished) -> int:
    """Return which time the run took the steps: each begins with the state that it uses."""
    return sum(entry["step"] == SOURCE for entry in finished.trace)


def _passed(finished: Finished) -> set[str]:
    """Return the steps that the run got through in its last turn."""
    steps: set[str] = set()
    for entry in finished.trace:
        if entry["step"] == SOURCE:
            steps.clear()
        elif entry.get("exit") and CARRIED not in entry:
            steps.add(entry["step"])
    return steps


def _given_up(finished: Finished) -> Finished:
    outcome = finished.outcome
    assert isinstance(outcome, Pause)
    failure = outcome.failure or Failure("schema", outcome.reason)
    return replace(finished, outcome=GiveUp(outcome.reason, failure), fate="dead")
