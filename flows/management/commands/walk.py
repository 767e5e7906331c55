"""This module is the command that reads Stripe's lists of events to their end, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from connectors.models import Connection, Cursor
from flows import missed, streams, walk
from integrator.kernel.refusals import Unacceptable

ACTOR = "manage.py walk"


class Command(BaseCommand):
    """Look for missed events until there are none; prints JSON."""

    help = "Read Stripe's lists of events to their end: what was not delivered comes in. Prints JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which connection, and from when on."""
        parser.add_argument("--connection", default="", help="Id of one connection (all that are in use).")
        parser.add_argument("--since", default="", help="An ISO 8601 time, at most 30 days ago.")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Walk, and say what was found.

        :raises CommandError: if there is no such connection or time, or a list cannot be read
        """
        now = timezone.now()
        connections = streams.readable(now)
        if options["connection"]:
            connections = connections.filter(public_id=options["connection"])
        if not connections:
            raise CommandError("There is no such Stripe connection in use. Test it, or resume it, first.")
        since = _moment(options["since"])
        told = [_walk(connection, since) for connection in connections]
        self.stdout.write(json.dumps(told))
        failed = [one["connection"] for one in told if one["failure"]]
        if failed:
            raise CommandError(f"Could not read the list of {', '.join(failed)}.")


def _walk(connection: Connection, since: datetime | None) -> dict[str, Any]:
    """Read the list of one connection to its end."""
    try:
        missed.catch_up(connection=connection, since=since, actor=ACTOR, now=timezone.now())
    except Unacceptable as refusal:
        raise CommandError(str(refusal)) from None
    stream = walk.STREAM if since is None else walk.ASKED
    cursor, _ = Cursor.objects.get_or_create(
        connection=connection, stream=stream, defaults={"reached_at": connection.created_at}
    )
    new = walk.walk(cursor, now=timezone.now())
    cursor.refresh_from_db()
    while cursor.state and not cursor.failure and cursor.lease_until is None:
        new += walk.walk(cursor, now=timezone.now())
        cursor.refresh_from_db()
    busy = cursor.lease_until is not None
    failure = "Another process reads the list." if busy else cursor.failure
    return {"connection": connection.name, "recovered": new, "failure": failure}


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("--since takes a time such as 2026-11-24T12:00:00+00:00.")
    return moment if moment.tzinfo else timezone.make_aware(moment)
