"""This module is the command that writes the zip with everything that an org needs to have of ours."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connectors.salesforce.package import archive


class Command(BaseCommand):
    """Write the package for Salesforce, which an administrator of the org deploys."""

    help = "Write the zip of objects, fields, flows and rights that a Salesforce org needs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where to write it."""
        parser.add_argument("path", nargs="?", type=Path, default=Path(archive.FILE_NAME))

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the zip, and print its checksum and how to deploy it."""
        path: Path = options["path"]
        content = archive.archive()
        try:
            path.write_bytes(content)
        except OSError as failure:
            raise CommandError(f"{path}: {failure.strerror or failure}") from failure
        self.stdout.write(f"{path}  sha256 {hashlib.sha256(content).hexdigest()}")
        self.stdout.write(
            f"sf project deploy start --metadata-dir {path} --single-package --target-org YOUR-ORG"
        )
