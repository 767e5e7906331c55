"""This module writes lengths of time, moments, numbers and sentences as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from integrator.kernel.redact import redact_text

_STEPS: Sequence[tuple[float, float, str]] = (
    (1, 0.001, "ms"),
    (60, 1, "s"),
    (3600, 60, "min"),
    (172_800, 3600, "h"),
)


def duration(length: timedelta) -> str:
    """Write a length of time as people say it: 0.4 s, 12 s, 3 min, 2 h, 5 days."""
    seconds = length.total_seconds()
    for below, unit, name in _STEPS:
        if seconds < below:
            value = seconds / unit
            return f"{value:.1f} {name}" if name == "s" and value < 10 else f"{value:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def moment(at: datetime, *, now: datetime) -> str:
    """Write a moment as 14:30 UTC, with its day if that is not today's."""
    at = at.astimezone(UTC)
    if at.date() == now.astimezone(UTC).date():
        return f"{at:%H:%M} UTC"
    return f"{at.day} {at:%b %H:%M} UTC"


def rounded_up(at: datetime, *, minutes: int) -> datetime:
    """Return the first full `minutes` at or after `at`, so that what is told does not change all the time."""
    step = timedelta(minutes=minutes)
    start = at.replace(minute=0, second=0, microsecond=0)
    return start + -(-(at - start) // step) * step


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: 1 run, 1,240 runs."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """Return another system's words without secrets, as a whole sentence."""
    said = " ".join(redact_text(text).split())
    return said if not said or said[-1] in ".!?" else f"{said}."
