"""
This module looks now and then whether the objects that live flows use are still what they were.

An org is asked no more often than a setting says, with the date of its last answer, so that what has not
changed costs one call and no data, and one more for each record type. Where that would take more than a small
share of the org's calls, it is asked less often. The calls that are left near the end of a day belong to the
flows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from connectors import reading, schemas
from connectors.models import Connection
from connectors.schemas import Schema, Unavailable, Unknown
from flows import drift
from flows.impact import sides
from flows.models import Deployment

LEFT = 10.0  # percent of the org's calls that are left to flows: whoever only looks stops before
SHARE = 5.0  # percent of the org's calls of a day that looking may take
MOST_AT_ONCE = 20  # objects of one org in one turn
PATIENCE = timedelta(minutes=10)  # what could not be told is asked for again no sooner
AT_ONCE = timedelta(0)
_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)  # when that is due which was never asked for


@dataclass
class Used:
    """What is used through one connection: objects, and relations whose other end is used as well."""

    names: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)  # in small letters


class Looker:
    """Who looks. It remembers what nobody could tell it, so that it does not ask for that all the time."""

    def __init__(self) -> None:
        self._due_at: dict[tuple[int, str], datetime] = {}
        self._calls: dict[int, dict[str, int]] = {}  # that each object takes, by connection

    def look_due(self, *, now: datetime) -> int:
        """Ask about the objects that are due, and return how many that were."""
        every = timedelta(minutes=settings.LOOK_AT_FIELDS_MINUTES)
        if not every:
            return 0
        return sum(self._look(connection, used, every, now) for connection, used in used_now().items())

    def _look(self, connection: Connection, used: Used, every: timedelta, now: datetime) -> int:
        due = self._due(connection, used.names, now)
        if connection.system == Connection.System.STRIPE:
            schemas.remember(connection=connection, objects=due, now=now)
            self._due_at |= {(connection.pk, name): now + every for name in due}
            return len(due)
        if not due or not reading.can_spare(connection, points=LEFT):
            return 0
        every = self._within_share(connection, used.names, every)
        found = self._ask(connection, due[:MOST_AT_ONCE], every, now)
        ends = self._due(connection, set(_ends(found.values(), used.relations)) - used.names, now)
        return len(found) + len(self._ask(connection, ends[:MOST_AT_ONCE], every, now))

    def _within_share(self, connection: Connection, names: set[str], every: timedelta) -> timedelta:
        """Return how often an org is asked about `names`, so that this takes no more than `SHARE`."""
        if not connection.api_limit:
            return every
        known = self._calls.get(connection.pk, {})
        calls = sum(known.values()) + len(names - known.keys())
        return max(every, _DAY * (calls * 100 / (connection.api_limit * SHARE)))

    def _ask(
        self, connection: Connection, names: list[str], every: timedelta, now: datetime
    ) -> dict[str, Schema | Unavailable]:
        found = schemas.of_many(connection=connection, objects=names, now=now, fresh_for=every)
        calls = self._calls.setdefault(connection.pk, {})
        for name, told in found.items():
            is_told = isinstance(told, Unknown) or (isinstance(told, Schema) and not told.failure)
            self._due_at[connection.pk, name] = now + (every if is_told else min(every, PATIENCE))
            calls[name] = _calls_for(told)
        return found

    def _due(self, connection: Connection, names: Iterable[str], now: datetime) -> list[str]:
        """Return those of `names` that are due, what has waited longest first: each has its turn."""
        due_at = {name: self._due_at.get((connection.pk, name), _FIRST) for name in names}
        return [name for at, name in sorted((at, name) for name, at in due_at.items()) if at <= now]


def _calls_for(told: Schema | Unavailable) -> int:
    """Return how many calls it takes to look at an object: one, and one for each of its record types."""
    types = told.content.get("recordTypes", ()) if isinstance(told, Schema) else ()
    return 1 + sum(bool(one.get("available") and not one.get("master")) for one in types)


def _ends(found: Iterable[Schema | Unavailable], relations: set[str]) -> Iterator[str]:
    """Yield the objects that the relations lead to."""
    for schema in found:
        for told in schema.fields if isinstance(schema, Schema) else ():
            if str(told.get("relationshipName", "")).lower() in relations:
                yield from told.get("referenceTo", ())


def ask_again(deployment: Deployment, *, now: datetime) -> None:
    """Ask at once about the objects that a live version uses, where its org is reached."""
    used, org = Used(), deployment.pair.salesforce
    _take(used, deployment.version.document)
    found = schemas.of_many(connection=org, objects=sorted(used.names), now=now, fresh_for=AT_ONCE)
    ends = sorted(set(_ends(found.values(), used.relations)) - used.names)
    schemas.of_many(connection=org, objects=ends, now=now, fresh_for=AT_ONCE)
    names = sides.stripe_objects(deployment.version.document)
    schemas.remember(connection=deployment.pair.stripe, objects=names, now=now)


def used_now() -> dict[Connection, Used]:
    """Return what the flows that are on use, by the connection that they use it through."""
    found: dict[Connection, Used] = {}
    live = Deployment.objects.filter(ended_at__isnull=True, enabled=True)
    for deployment in live.select_related("version", "pair__stripe", "pair__salesforce"):
        document, pair = deployment.version.document, deployment.pair
        _take(found.setdefault(pair.salesforce, Used()), document)
        found.setdefault(pair.stripe, Used()).names |= sides.stripe_objects(document)
    return found


def _take(used: Used, document: Mapping[str, Any]) -> None:
    used.names |= set(drift.uses(document, Connection.System.SALESFORCE))
    used.relations |= set(_relations(document))


def _relations(value: Any) -> Iterator[str]:
    """Yield the relations that lines of a document go over, such as `customer__r` of `Customer__r.Key__c`."""
    if isinstance(value, Mapping):
        name = value.get("field")
        if isinstance(name, str) and "." in name:
            yield name.partition(".")[0].lower()
        for part in value.values():
            yield from _relations(part)
    elif isinstance(value, list):
        for part in value:
            yield from _relations(part)
