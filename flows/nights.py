"""
This module has the records of an org compared once a day, so that a change is found that no event told of.

It is to Salesforce what a sweep of objects is to Stripe, and happens at the same time of the day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Min

from connectors.models import Connection
from flows import resyncs, streams, sweeps
from flows.engine.trigger import RECORD_CHANGES
from flows.models import Deployment, Resync
from flows.resyncs import Wanted

DAYS = 3  # how far back records are compared; a setting of the connection
# A flow that is new has missed nothing of what changed before.
MARGIN = timedelta(minutes=15)


def days(connection: Connection) -> int:
    """Return how many days back records of `connection` are compared every day; 0: they are not."""
    return int(connection.settings.get("sweep_days", DAYS))


def begin_due(*, now: datetime) -> int:
    """Have the records compared whose time has come, and return of how many objects."""
    begun = 0
    for connection in streams.readable(now, system=Connection.System.SALESFORCE):
        for name, since in _followed(connection).items():
            due = next_at(connection, name, since)
            if due is not None and due <= now:
                reach = max(since - MARGIN, now - timedelta(days=days(connection)))
                with transaction.atomic():
                    resyncs.look(connection, Wanted(name, reach, Resync.Reason.NIGHT), now=now)
                begun += 1
    return begun


def next_at(connection: Connection, object_: str, since: datetime) -> datetime | None:
    """Return when records of an object that flows follow `since` then are compared next, if ever."""
    if days(connection) == 0:
        return None
    before = Resync.objects.filter(connection=connection, object=object_, reason=Resync.Reason.NIGHT)
    last = before.order_by("-id").first()
    if last is not None and last.is_unfinished:
        return None
    return sweeps.night_after(last.created_at if last else since, sweeps.hour(connection))


def upcoming(connection: Connection) -> datetime | None:
    """Return when the next comparison of `connection` begins, if any."""
    if days(connection) == 0:
        return None
    moments = (next_at(connection, name, since) for name, since in _followed(connection).items())
    return min((moment for moment in moments if moment is not None), default=None)


def _followed(connection: Connection) -> dict[str, datetime]:
    """Return the objects that live flows follow, each with the moment since when some flow does."""
    wanted = resyncs.objects_of_flows(connection)
    ever = Deployment.objects.filter(
        pair__salesforce=connection,
        version__document__trigger__kind=RECORD_CHANGES,
        version__document__trigger__object__in=wanted,
    )
    firsts = ever.order_by().values_list("version__document__trigger__object").annotate(Min("deployed_at"))
    return {str(name): first.astimezone(UTC) for name, first in firsts}
