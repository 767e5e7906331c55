"""This module is the command that deletes what is older than its time, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from flows import retention


class Command(BaseCommand):
    """Delete contents and rows whose time is over; prints JSON."""

    help = (
        "Delete what is older than INTEGRATOR_KEEP_EVENTS_DAYS, INTEGRATOR_KEEP_TRACES_DAYS and "
        "INTEGRATOR_KEEP_CHANGES_DAYS, in small transactions. Prints JSON."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add a way to count only."""
        parser.add_argument("--dry-run", action="store_true", help="Count what would go, and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge, or count; `watch` does the same now and then by itself."""
        now = timezone.now()
        told = retention.counts(now=now) if options["dry_run"] else {"deleted": retention.purge_all(now=now)}
        self.stdout.write(json.dumps(told))
