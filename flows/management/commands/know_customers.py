"""This module is the command that reads the customers of orgs to their end, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connectors.models import Connection
from flows import directories, streams
from flows.directories import Reading
from flows.matching.objects import FIELDS
from flows.models import Directory
from flows.recognising import keeping, opening

ACTOR = "manage.py know_customers"


class Command(BaseCommand):
    """Read accounts or contacts until all are known; prints JSON."""

    help = (
        "Read the accounts or contacts of an org until all are known, so that flows recognise customers "
        "among them. It goes on where it stopped. Prints JSON; says how far it has come meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which connection and object, and whether to begin from the beginning."""
        parser.add_argument("--connection", default="", help="Id of one connection (all that are in use).")
        parser.add_argument(
            "--object", default="", choices=["", *FIELDS], help="Account or Contact (what live flows need)."
        )
        parser.add_argument("--again", action="store_true", help="Read everything from the beginning.")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Read, and say how many records are known.

        :raises CommandError: if there is no such connection, nothing to read, or it cannot be read
        """
        connections = streams.readable(timezone.now(), system=Connection.System.SALESFORCE)
        if options["connection"]:
            connections = connections.filter(public_id=options["connection"])
        if not connections:
            raise CommandError("There is no such Salesforce connection in use. Test it, or resume it, first.")
        told = [
            self._read(connection, name, again=options["again"])
            for connection in connections
            for name in ([options["object"]] if options["object"] else _needed(connection))
        ]
        if not told:
            raise CommandError("No live flow recognises customers. Say which records with --object.")
        self.stdout.write(json.dumps(told))
        if failed := [one["object"] for one in told if one["failure"]]:
            raise CommandError(f"Could not read all of {', '.join(failed)}.")

    def _read(self, connection: Connection, name: str, *, again: bool) -> dict[str, Any]:
        now = timezone.now()
        opening.begin(connection.pk, name, now=now)
        keys = directories.wanted_of(connection).get(name, set())
        Directory.objects.filter(connection=connection, object=name).update(attempts=0, failure="")
        directory = Directory.objects.select_related("connection__environment__workspace").get(
            connection=connection, object=name
        )
        opening.widen(directory, keys, now=now)
        if directories.is_leaving(directory, now):
            raise CommandError(f"What was known of {name}s is being forgotten. Try again in some minutes.")
        if again:
            directories.read_again(directory, actor=ACTOR, now=now)
        while not (directory.failure or _is_held(directory) or _is_read(directory, now)):
            Reading(directory, timezone.now()).go(directories.PAGES)
            directory.refresh_from_db()
            self.stderr.write(f"{name} of {connection.name}: {directory.read} read")
        busy = "Another process reads them." if _is_held(directory) else ""
        return {
            "connection": connection.name,
            "object": name,
            "known": keeping.counted(directory),
            "failure": directory.failure or busy,
        }


def _is_held(directory: Directory) -> bool:
    """Tell whether another process reads it at this moment."""
    return directory.lease_until is not None and directory.lease_until > timezone.now()


def _is_read(directory: Directory, since: datetime) -> bool:
    """Tell whether everything was caught up with since then, with all external keys."""
    is_whole = set(directory.keys_wanted) <= set(directory.keys_read)
    return is_whole and directory.caught_up_at is not None and directory.caught_up_at >= since


def _needed(connection: Connection) -> list[str]:
    known = Directory.objects.filter(connection=connection).values_list("object", flat=True)
    return sorted({*directories.wanted_of(connection), *known})
