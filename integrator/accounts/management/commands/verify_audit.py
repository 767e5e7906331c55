"""This module is the command that checks the audit trail for later changes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrator.accounts import audit
from integrator.accounts.models import Workspace


class Command(BaseCommand):
    """Recompute the audit chain of every workspace and tell where one does not hold."""

    help = "Check the audit trail: altered, deleted and reordered entries are found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take heads that were noted earlier, which show whether the newest entries were cut off."""
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="WORKSPACE:POSITION:HASH",
            help="A head that this command or the log printed earlier. May be given several times.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Check every workspace and print its head.

        :raises CommandError: if a chain is broken, or a --head cannot be read
        """
        noted = self._noted(options["head"])
        broken = []
        for workspace in Workspace.objects.order_by("slug"):
            found = audit.verify(workspace=workspace, heads=noted.pop(workspace.slug, {}))
            if found is None:
                position, digest = audit.head(workspace=workspace)
                self.stdout.write(f"{workspace.slug}:{position}:{digest}")
            else:
                broken.append(f"{found.workspace}, entry {found.position}: {found.reason}")
        broken += [f"{slug}: this workspace is missing." for slug in noted]
        if broken:
            raise CommandError("The audit trail is broken.\n" + "\n".join(broken))

    def _noted(self, heads: list[str]) -> dict[str, dict[int, str]]:
        noted: dict[str, dict[int, str]] = {}
        for text in heads:
            slug, _, rest = text.partition(":")
            position, _, digest = rest.partition(":")
            if not (slug and position.isdigit() and digest):
                raise CommandError(f"{text!r} is not WORKSPACE:POSITION:HASH.")
            noted.setdefault(slug, {})[int(position)] = digest
        return noted
