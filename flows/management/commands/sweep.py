"""This module is the command that compares Stripe's objects with what was handled, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connectors.models import Connection
from flows import missed, streams, sweeps
from integrator.kernel.refusals import Unacceptable

ACTOR = "manage.py sweep"
LONGEST = 5_000  # days


class Command(BaseCommand):
    """Compare objects until all are compared; prints JSON."""

    help = "Compare Stripe's objects with what was last handled: what changed unseen comes in. Prints JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which connection, and how far back."""
        parser.add_argument("--connection", default="", help="Id of one connection (all that are in use).")
        parser.add_argument("--days", type=int, default=None, help="How far back (the connection's setting).")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Sweep, and say what was found.

        :raises CommandError: if there is no such connection, nothing to compare, or a list cannot be read
        """
        days = options["days"]
        if days is not None and not 1 <= days <= LONGEST:
            raise CommandError(f"--days takes 1 to {LONGEST}.")
        connections = streams.readable(timezone.now())
        if options["connection"]:
            connections = connections.filter(public_id=options["connection"])
        if not connections:
            raise CommandError("There is no such Stripe connection in use. Test it, or resume it, first.")
        told = [_sweep(connection, days) for connection in connections]
        self.stdout.write(json.dumps(told))
        failed = [one["connection"] for one in told if one["failures"]]
        if failed:
            raise CommandError(f"Could not compare all objects of {', '.join(failed)}.")


def _sweep(connection: Connection, days: int | None) -> dict[str, Any]:
    """Compare the objects of one connection, type by type."""
    now = timezone.now()
    since = None if days is None else now - timedelta(days=days)
    try:
        types = missed.compare(connection=connection, since=since, actor=ACTOR, now=now)
    except Unacceptable as refusal:
        raise CommandError(str(refusal)) from None
    found = sum(sweeps.finish(connection, object_type, now=now) for object_type in types)
    standing = missed.standing(connection, now=timezone.now())
    failures = {
        sweep.object_type: sweep.failure or "Another process compares them."
        for sweep in standing.sweeps
        if sweep.failure or sweep.under_way
    }
    compared = {sweep.object_type: sweep.compared for sweep in standing.sweeps}
    return {"connection": connection.name, "found": found, "compared": compared, "failures": failures}
