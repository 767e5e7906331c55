"""This module reads times as both systems write them: Unix seconds, dates, dates with a time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from flows.mapping import instants
from flows.mapping.widgets import shown

# Metadata of Stripe are texts, times among them as well. Python reads some such numbers as days long past.
_UNIX = re.compile(r"-?[0-9]{9,11}")


def _exists(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"There is no time zone {zone}") from None
    return zone


Zone = Annotated[
    str,
    AfterValidator(_exists),
    Field(
        json_schema_extra=shown("Time zone", offers="zones", more=True),
        max_length=64,
        description="The time zone that dates, and times without one of their own, are meant in.",
    ),
]


def moment_of(value: Any, zone: tzinfo, *, at: time = time()) -> datetime | None:
    """
    Return the moment that `value` names, in UTC; None if it names none.

    A date stands for `at` on that day in `zone`. A time that a clock skips in spring is an hour later.
    """
    value = _read(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC) if instants.is_storable(value) else None
    if not isinstance(value, str):
        return None
    try:
        day = date.fromisoformat(value)
        local = datetime.combine(day, at, zone)
    except ValueError:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        local = found if found.tzinfo is not None else found.replace(tzinfo=zone)
    try:
        return local.astimezone(UTC)
    except OverflowError:  # on the first or the last day that there is
        return None


def day_of(value: Any, zone: tzinfo) -> date | None:
    """Return the day that `value` names, or that the moment which it names lies in, seen from `zone`."""
    value = _read(value)
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    moment = moment_of(value, zone)
    return None if moment is None else moment.astimezone(zone).date()


def _read(value: Any) -> Any:
    """Return `value` without the space around a text, and a Unix time that is written as one as a number."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return int(text) if _UNIX.fullmatch(text) else text
