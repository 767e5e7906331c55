"""This module works out which days a date literal such as LAST_N_DAYS:30 means."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.soql_syntax import Span

STEPS = {"last": -1, "this": 0, "next": 1}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def bounds(span: Span, now: datetime) -> tuple[datetime, datetime]:
    """
    Return the first moment of the span, and the first one after it; days are those of the time zone of `now`.

    Weeks begin on Sunday, as in an org in English.
    https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
    """
    today = datetime.combine(now.date(), time(), now.tzinfo)
    day = timedelta(days=1)
    days = span.days or 90
    fixed = {
        "yesterday": (today - day, today),
        "today": (today, today + day),
        "tomorrow": (today + day, today + 2 * day),
        # These reach up to today; the coming ones begin after it.
        "last_n_days": (today - days * day, today + day),
        "last_90_days": (today - days * day, today + day),
        "next_n_days": (today + day, today + (days + 1) * day),
        "next_90_days": (today + day, today + (days + 1) * day),
    }
    if span.name in fixed:
        return fixed[span.name]
    which, _, unit = span.name.partition("_")
    if unit == "week":
        sunday = today - ((today.weekday() + 1) % 7) * day
        return sunday + STEPS[which] * 7 * day, sunday + (STEPS[which] + 1) * 7 * day
    return _months(today, MONTHS[unit], STEPS[which])


def _months(today: datetime, length: int, step: int) -> tuple[datetime, datetime]:
    number = today.year * 12 + today.month - 1
    first = (number // length + step) * length
    return _first_of(today, first), _first_of(today, first + length)


def _first_of(today: datetime, number: int) -> datetime:
    year, month = divmod(number, 12)
    return today.replace(year=year, month=month + 1, day=1)
