"""This module is the command that examines whether connections are ready for work."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from connectors.checks import State
from connectors.models import Connection
from connectors.readiness import Readiness, examine

MARKS = {State.OK: "ok  ", State.WARNING: "warn", State.PROBLEM: "FAIL"}


class Command(BaseCommand):
    """Look at everything that a connection needs at the other side; exit with 1 if anything is missing."""

    help = "Check what connections need at Stripe and Salesforce, and say what to do about each finding."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which connections to look at, and the form of the answer."""
        parser.add_argument("connection", nargs="*", help="ids or names; without any, all of them")
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every check and exit."""
        found = {
            connection: examine(
                connection=connection,
                public_url=settings.PUBLIC_URL,
                actor="readiness",
                now=timezone.now(),
            )
            for connection in _chosen(options["connection"])
        }
        if options["json"]:
            told = [{"connection": one.public_id, **_as_json(readiness)} for one, readiness in found.items()]
            self.stdout.write(json.dumps(told, indent=2))
        else:
            for connection, readiness in found.items():
                self._tell(connection, readiness)
        if not all(readiness.ready for readiness in found.values()):
            raise SystemExit(1)

    def _tell(self, connection: Connection, readiness: Readiness) -> None:
        self.stdout.write(f"{connection.environment}: {connection} ({connection.public_id})")
        for group in readiness.groups:
            for check in (*group.poor, *group.good):
                told = f": {check.explanation}" if check.explanation else ""
                self.stdout.write(f"{MARKS[check.state]} {group.title}: {check.title}{told}")
                if check.remedy:
                    self.stdout.write(f"     {check.remedy}")


def _chosen(wanted: list[str]) -> list[Connection]:
    everything = list(Connection.objects.select_related("environment__workspace"))
    unknown = [name for name in wanted if not any(name in (one.public_id, one.name) for one in everything)]
    if unknown:
        raise CommandError(f"There is no connection called {unknown[0]!r}.")
    return [one for one in everything if not wanted or one.public_id in wanted or one.name in wanted]


def _as_json(readiness: Readiness) -> dict[str, Any]:
    return {"ready": readiness.ready, "checks": [asdict(check) for check in readiness.checks]}
