"""This module sees values that go back and forth, though every single write of them succeeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from flows.agreeing.agreement import MOST_PAST, Written

MOST_VALUES = 2  # between which a field swings


def swings(
    past: Sequence[Written], about: str, mark: str, *, most: int, within: timedelta, now: datetime
) -> bool:
    """
    Tell whether one more write of the value `mark` to the field would be one too many.

    It is judged by values that come back. Edits that follow each other fast each bring a new value and are
    let through, however many they are. Two values that take turns, or one that is written again and again
    because something else undoes it, are a loop once there were `most` such writes `within` that time.
    """
    marks = [one.mark for one in past if one.about == about and one.at > now - within]
    turn: list[str] = []
    for known in reversed([*marks, mark]):
        if known not in turn and len(set(turn)) == MOST_VALUES:
            break
        turn.append(known)
    came_back = len(turn) - len(set(turn))
    return len(turn) > most and came_back >= most - 1


def remembered(past: Iterable[Written], new: Iterable[Written]) -> list[Written]:
    """Return what is remembered of the writes: the last ones."""
    return [*past, *new][-MOST_PAST:]
