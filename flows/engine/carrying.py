"""
This module keeps what a run had found when it gave up, so that a later try can go on at the failed step.

A trace is for people: masked, cut, its amounts as text. What is kept here is exact, or it is not kept. It is
as old as the try that found it, and the version guard is told so: what it cannot prove to be the newest is
read anew, and the run then begins at the top.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from flows.engine.batch import Finished, roots_of
from flows.engine.definition import ERROR
from flows.engine.item import Carried, Item, Source
from flows.engine.outcome import GiveUp
from flows.engine.trace import SOURCE
from flows.engine.ways import CARRIED

# Why a run cannot go on from where it gave up:
#   first     no step was taken before            edited    a person has changed its object
#   gone      its object was deleted              handled   an earlier step failed too, which the flow handled
#   left_out  history left something out          unkept    what was found is too large, or has no exact form
Refused = Literal["first", "edited", "gone", "handled", "left_out", "unkept"]

LARGEST = 200_000  # characters of JSON that are kept of one try
_DECIMAL, _MOMENT, _DAY = "!decimal", "!moment", "!day"


class NotCarried(Exception):
    """The run cannot go on from where that try gave up; `why` says what forbids it."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why)
        self.why = why


def packed(finished: Finished) -> bytes:
    """
    Return what `finished` found before the step at which it gave up, as JSON; empty if no step gave up.

    Where that forbids going on from there, it says why instead.
    """
    if not isinstance(finished.outcome, GiveUp) or finished.step in ("", SOURCE):
        return b""
    try:
        kept = json.dumps(_plain(_found(finished)), allow_nan=False)
        if len(kept) > LARGEST:
            raise NotCarried("unkept")
    except NotCarried as refused:
        kept = json.dumps({"refused": refused.why})
    except (RecursionError, ValueError):  # endless nesting, numbers of thousands of digits, or no numbers
        kept = json.dumps({"refused": "unkept"})
    return kept.encode("ascii")


def _found(finished: Finished) -> dict[str, Any]:
    item, before = finished.item, before_failure(finished.trace, finished.step)
    if why := _refusal(item, before):
        raise NotCarried(why)
    steps = {entry["step"] for entry in before}
    source = item.source
    return {
        "step": finished.step,
        "source": [source.id, source.not_before, source.not_after, source.fetched],
        "roots": roots_of(item) if source.fetched else None,
        "outputs": {step: value for step, value in item.outputs.items() if step in steps},
        "effects": list(item.effects),
    }


def _refusal(item: Item, before: Sequence[Mapping[str, Any]]) -> Refused | None:
    if item.edits:
        return "edited"
    if item.source.gone:
        return "gone"
    if item.context.get(ERROR):
        return "handled"
    if "skipped" in item.effects:
        return "left_out"
    return None if len(before) > 1 else "first"  # behind which state it used


def before_failure(trace: Sequence[Mapping[str, Any]], step: str) -> list[Mapping[str, Any]]:
    """Return the entries of the last turn of a try, from the state that it used up to the failed `step`."""
    begins = max((at for at, entry in enumerate(trace) if entry["step"] == SOURCE), default=0)
    turn = trace[begins:]
    failed = next((at for at, entry in enumerate(turn) if entry["step"] == step), 0)
    return list(turn[:failed])


def unpacked(kept: bytes, trace: Sequence[Mapping[str, Any]], *, attempt: int, at: datetime) -> Carried:
    """
    Return what a try had found; its `trace` is marked with the number of the `attempt`, and when it ended.

    :raises NotCarried: if the run cannot go on from there
    """
    found = _exact(json.loads(kept))
    if why := found.get("refused"):
        raise NotCarried(why)
    id_, not_before, not_after, fetched = found["source"]
    mark = {"attempt": attempt, "at": at.isoformat()}
    return Carried(
        step=found["step"],
        title=_title(trace, found["step"]),
        source=Source(id_, not_before, not_after, fetched=fetched, carried=True),
        roots=found["roots"],
        outputs=found["outputs"],
        effects=found["effects"],
        # What that try had taken over itself is as old as it was.
        trace=[{CARRIED: mark, **entry} for entry in before_failure(trace, found["step"])],
    )


def _title(trace: Sequence[Mapping[str, Any]], step: str) -> str:
    titles = [entry.get("title") for entry in trace if entry["step"] == step]
    return str((titles and titles[-1]) or step)


def _plain(value: Any) -> Any:
    """Return `value` as JSON from which `_exact` makes it again."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is dict:
        if any(type(key) is not str or key.startswith("!") for key in value):
            raise NotCarried("unkept")
        return {key: _plain(inner) for key, inner in value.items()}
    if kind is list:
        return [_plain(inner) for inner in value]
    if kind is Decimal:
        return {_DECIMAL: str(value)}
    if kind is datetime:
        return {_MOMENT: value.isoformat()}
    if kind is date:
        return {_DAY: value.isoformat()}
    raise NotCarried("unkept")


def _exact(value: Any) -> Any:
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key in _READ:
            return _READ[key](inner)
    return {key: _exact(inner) for key, inner in value.items()}


_READ: dict[str, Callable[[str], Any]] = {
    _DECIMAL: Decimal,
    _MOMENT: datetime.fromisoformat,
    _DAY: date.fromisoformat,
}
