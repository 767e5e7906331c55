"""This module writes Unix times as Salesforce reads dates and times."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

# Salesforce stores dates from 1700 to 4000:
# https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
EARLIEST = int(datetime(1700, 1, 2, tzinfo=UTC).timestamp())
LATEST = int(datetime(4000, 12, 30, tzinfo=UTC).timestamp())


def is_storable(seconds: int) -> bool:
    """Tell whether Salesforce can store the time."""
    return EARLIEST <= seconds <= LATEST


def iso(seconds: int) -> str:
    """Return a storable Unix time as date and time in UTC, such as `2026-11-29T16:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}Z"


def day(seconds: int, zone: tzinfo) -> str:
    """Return the day that a storable Unix time lies in, seen from `zone`, such as `2026-11-29`."""
    return datetime.fromtimestamp(seconds, zone).date().isoformat()
