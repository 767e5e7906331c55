"""This module draws up, for people and programs, what was received and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.models import Connection, Cursor
from flows import walk
from integrator.accounts.models import Environment
from monitoring import hours
from monitoring.conservation import HOUR, Equation, Span, equation, first_hour
from monitoring.models import COUNTED, ConservationHour
from monitoring.tidings import missing_events

DAY = timedelta(days=1)
SHOWN = timedelta(days=2)
MOST_HOURS = 48
MOST_IDS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One hour as it is shown."""

    hour: datetime
    equation: Equation


@dataclass(frozen=True, slots=True)
class Account:
    """What one connection received, hour by hour, compared with what Stripe says it sent."""

    connection: Connection
    day: Equation
    rows: Sequence[Row]
    listed_until: datetime | None  # Stripe's own list of events was read up to here
    walk_only: bool
    shown: Span  # of all rows
    found: Sequence[str]  # events that no webhook brought
    all_found: int
    missing: Sequence[str]  # events that Stripe lists and that are not here
    all_missing: int


def accounts(environment: Environment, *, now: datetime) -> list[Account]:
    """Return the account of every connection of `environment` that receives events."""
    receiving = Connection.objects.filter(environment=environment, system=Connection.System.STRIPE)
    missing = missing_events(environment, now=now)
    return [_account(one, missing.get(one.pk, []), now) for one in receiving]


def of_hour(hour: ConservationHour, one: Connection) -> Equation:
    """Return the equation of one hour of `one`."""
    fates = {fate: getattr(hour, fate) for fate in COUNTED}
    span = Span(hour.hour, hour.hour + HOUR, one.public_id)
    return equation(hour.received, fates, span=span, found=hour.found)


def _account(one: Connection, missing: Sequence[str], now: datetime) -> Account:
    recent = list(ConservationHour.objects.filter(connection=one, hour__gte=now - SHOWN)[:MOST_HOURS])
    today = [hour for hour in recent if hour.hour >= now - DAY]
    read = Cursor.objects.filter(connection=one, stream=walk.STREAM).first()
    walk_only = bool(one.settings.get("walk_only"))
    found = [] if walk_only else _found(recent)
    return Account(
        connection=one,
        day=_sum(today, Span(first_hour(now - DAY), connection=one.public_id)),
        rows=[Row(hour.hour, of_hour(hour, one)) for hour in recent],
        listed_until=read.reached_at if read and read.checked_at else None,
        walk_only=walk_only,
        shown=Span(first_hour(now - SHOWN), connection=one.public_id),
        found=found,
        all_found=0 if walk_only else sum(hour.found for hour in recent),
        missing=missing[:MOST_IDS],
        all_missing=len(missing),
    )


def _sum(counted: Sequence[ConservationHour], span: Span) -> Equation:
    fates = {fate: sum(getattr(hour, fate) for hour in counted) for fate in COUNTED}
    received, found = (sum(getattr(hour, name) for hour in counted) for name in ("received", "found"))
    return equation(received, fates, span=span, found=found)


def _found(recent: Sequence[ConservationHour]) -> list[str]:
    ids: list[str] = []
    for hour in recent:
        if hour.found and len(ids) < MOST_IDS:
            ids += hours.found_in(hour, most=MOST_IDS - len(ids))
    return ids
