"""This module previews what becomes of two records that are one customer, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """Which of two records a value comes from."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Preset(StrEnum):
    """Which record wins where nothing else is said."""

    KEEP = "keep"  # the first one, which is the system of record
    NEWEST = "newest"  # the one that was changed last
    COMPLETE = "complete"  # the one that tells more


class Reason(StrEnum):
    """Why a value survives."""

    SAME = "same"
    ONLY = "only"  # the other one tells nothing
    CHOSEN = "chosen"  # by a person, for this field
    NEWEST = "newest"
    COMPLETE = "complete"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How the survivors are chosen."""

    preset: Preset = Preset.KEEP
    chosen: Mapping[str, Side] = field(default_factory=dict)
    first_changed: datetime | None = None
    second_changed: datetime | None = None


class Survivor(NamedTuple):
    """A field of the merged record, and what is given up for it."""

    field: str
    value: object
    lost: object  # nothing where nothing is lost
    side: Side
    reason: Reason


def merge_preview(
    a: Mapping[str, object], b: Mapping[str, object], rules: MergeRules
) -> tuple[Survivor, ...]:
    """
    Return the survivor of each field of `a` and `b`, in the order in which the fields are told.

    A value survives an empty one whatever the rules say, unless a person has chosen the empty one. Both
    records as they were are the snapshot from which a merge is undone; nothing here writes or deletes.
    """
    preferred = _preferred(a, b, rules)
    return tuple(
        _survivor(name, (a.get(name), b.get(name)), rules.chosen.get(name), preferred) for name in {**a, **b}
    )


def _preferred(a: Mapping[str, object], b: Mapping[str, object], rules: MergeRules) -> tuple[Side, Reason]:
    if rules.preset == Preset.NEWEST and rules.first_changed and rules.second_changed:
        later = rules.second_changed > rules.first_changed
        return (Side.SECOND if later else Side.FIRST), Reason.NEWEST
    if rules.preset == Preset.COMPLETE:
        more = sum(map(_told, b.values())) > sum(map(_told, a.values()))
        return (Side.SECOND if more else Side.FIRST), Reason.COMPLETE
    return Side.FIRST, Reason.KEPT


def _survivor(
    name: str, values: tuple[object, object], chosen: Side | None, preferred: tuple[Side, Reason]
) -> Survivor:
    one, other = values
    if one == other or not (_told(one) or _told(other)):
        return Survivor(name, one, None, Side.BOTH, Reason.SAME)
    side, reason = preferred
    if chosen in (Side.FIRST, Side.SECOND):
        side, reason = chosen, Reason.CHOSEN
    elif not (_told(one) and _told(other)):
        side, reason = (Side.FIRST if _told(one) else Side.SECOND), Reason.ONLY
    value, lost = (one, other) if side == Side.FIRST else (other, one)
    return Survivor(name, value, lost if _told(lost) else None, side, reason)


def _told(value: object) -> bool:
    """Tell whether a value says something; 0 and False do."""
    return value is not None and (not isinstance(value, str) or bool(value.strip()))
