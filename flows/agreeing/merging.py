"""This module merges two sides field by field, three ways: each as it is, and what they agreed on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal, NamedTuple

from flows.agreeing.agreement import Agreement, Side
from flows.agreeing.sameness import is_empty, kept, same

# What stands for the value of a side that won, until it is carried over: no value is the same as this.
OWED = {"owed": True}

Policy = Literal["ask", "newest", "salesforce", "stripe"]


class Line(NamedTuple):
    """One field that is carried over: where it is written, what it is made of, and what people call it."""

    key: str
    reads: tuple[str, ...]
    about: str


class Verdict(Enum):
    """What is to be done about one field."""

    SAME = "same"  # nothing differs from what was agreed
    MET = "met"  # both sides have come to the same
    WRITE = "write"  # only the source has changed
    LEAVE = "leave"  # only the target has changed; its own event carries that over
    CONFLICT = "conflict"  # both have, and differ


def is_unchanged(
    agreement: Agreement,
    line: Line,
    wanted: Any,
    read: Callable[[str], Any],
    *,
    touched: Collection[str] = (),
) -> bool:
    """
    Tell whether the source says of `line` what it said when both sides agreed.

    What the mapping gave then is the best witness. Where the other direction wrote since, what it found and
    left in the source is: a text that was trimmed on the way is no change of anybody's. But for what somebody
    else has `touched`, by its path: then it may have been changed between that write and its being read back.
    """
    if any(path in touched and _came_back_otherwise(agreement, path) for path in line.reads):
        return False
    if line.key in agreement.sent:
        return same(agreement.sent[line.key], wanted)
    known = agreement.values
    if line.reads and all(path in known for path in line.reads):
        return all(same(known[path], read(path)) for path in line.reads)
    return line.key in known and same(known[line.key], wanted)


def _came_back_otherwise(agreement: Agreement, path: str) -> bool:
    """Tell whether what was written to `path` last was not what was found there afterwards."""
    return path in agreement.sent and not same(agreement.sent[path], agreement.values.get(path))


def judge(
    agreement: Agreement,
    line: Line,
    *,
    wanted: Any,
    current: Any,
    read: Callable[[str], Any],
    touched: Collection[str] = (),
) -> Verdict:
    """
    Return what is to be done about `line`, whose source gives `wanted` and whose target is `current` now.

    Where nothing was agreed yet, a value never gives way to none.
    """
    source_same = is_unchanged(agreement, line, wanted, read, touched=touched)
    if line.key not in agreement.values:
        return _first_time(wanted, current)
    target_same = same(agreement.values[line.key], current)
    if source_same:
        return Verdict.SAME if target_same else Verdict.LEAVE
    if same(wanted, current):
        return Verdict.MET
    return Verdict.WRITE if target_same else Verdict.CONFLICT


def _first_time(wanted: Any, current: Any) -> Verdict:
    if same(wanted, current):
        return Verdict.MET
    if is_empty(wanted):
        return Verdict.LEAVE
    return Verdict.WRITE if is_empty(current) else Verdict.CONFLICT


def newest(
    *, stripe: datetime | None, salesforce: datetime | None, skew: timedelta
) -> Side | Literal["unknown", "close"]:
    """
    Return which side changed last; `close` where their clocks cannot tell.

    Stripe's moments have whole seconds, and no two systems' clocks agree.
    """
    if stripe is None or salesforce is None:
        return "unknown"
    if abs(stripe - salesforce) <= skew:
        return "close"
    return "stripe" if stripe > salesforce else "salesforce"


def agree(agreement: Agreement, line: Line, *, wanted: Any, stored: Any, read: Callable[[str], Any]) -> None:
    """
    Note that both sides agree on `line`: the source gave `wanted`, and the target has `stored` for it.

    What the target stored counts, trimmed or rounded as it may be.
    """
    _acknowledge(agreement, line, wanted, read)
    agreement.values[line.key] = kept(stored)
    agreement.settled(line.about)


def give_way(agreement: Agreement, line: Line, *, wanted: Any, read: Callable[[str], Any]) -> None:
    """
    Note that the source gives way: what it says is known, and only the target counts as changed.

    The flow of the other direction then finds one change alone, that of its own source, and writes it: even
    if its source has meanwhile gone back to what both once agreed on.
    """
    _acknowledge(agreement, line, wanted, read)
    agreement.values[line.key] = dict(OWED)
    agreement.settled(line.about)


def _acknowledge(agreement: Agreement, line: Line, wanted: Any, read: Callable[[str], Any]) -> None:
    for path in line.reads:
        agreement.values[path] = kept(read(path))
        agreement.sent.pop(path, None)  # what the other direction once gave for it is told no more
    agreement.sent[line.key] = kept(wanted)
    agreement.touched = True


def decision_for(
    agreement: Agreement, line: Line, values: Mapping[Side, Any]
) -> tuple[Side | Literal["value"], Any] | None:
    """Return what a person decided of `line`, if both sides still have the values that it was about."""
    decided = agreement.decided.get(line.about)
    if decided is None or any(not same(decided["about"].get(side), values[side]) for side in values):
        return None
    return decided["take"], decided.get("value")
