"""This module is the command that examines an installation and says what to do about each finding."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from monitoring.doctor.findings import Finding, State, worst
from monitoring.doctor.look import Look
from monitoring.doctor.table import examine


class Command(BaseCommand):
    """Examine the installation; exit with 0 if all is well, 1 after a warning, 2 if something is broken."""

    help = (
        "Check settings, keys, database, clocks, disk, workers, the listener, connections and webhooks; say "
        "what to do. Exits with 0, with 1 after a warning, or with 2 if something is broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the form of the answer and whether to call the connected systems."""
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
        called = parser.add_mutually_exclusive_group()
        called.add_argument(
            "--ask", action="store_true", help="call the systems of all connections, and our public address"
        )
        called.add_argument("--offline", action="store_true", help="call nobody; so it is without --ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every finding and exit."""
        findings = examine(Look(now=timezone.now(), ask=options["ask"]))
        if options["json"]:
            self.stdout.write(json.dumps([_plain(finding) for finding in findings], indent=2))
        else:
            for finding in findings:
                self.stdout.write(self._line(finding))
        if state := worst(findings):
            raise SystemExit(int(state))

    def _line(self, finding: Finding) -> str:
        styles = {State.OK: self.style.SUCCESS, State.WARNING: self.style.WARNING}
        mark = styles.get(finding.state, self.style.ERROR)(f"{finding.state.word:<7}")
        todo = f" -> {finding.remedy}" if finding.remedy else ""
        return f"{mark} {finding.title}: {finding.detail}{todo}"


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "about": finding.about,
        "state": finding.state.word,
        "well": finding.well,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }
