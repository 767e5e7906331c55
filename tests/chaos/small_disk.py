"""This module makes a small disk of its own, which can be filled to the last byte and emptied again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4_096


class NoDisk(Exception):
    """This machine lets nobody mount anything."""


class SmallDisk:
    """A disk in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def free(self) -> int:
        """Return how many bytes are free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, *, but: int = 0) -> None:
        """Take all of it, but for so many bytes."""
        with self._filler.open("ab") as filler, contextlib.suppress(OSError):
            while (left := self.free() - but) > 0:
                filler.write(b"\0" * min(left, 1 << 20))
                filler.flush()

    def empty(self) -> None:
        """Give back what was taken."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(*, megabytes: int) -> Iterator[SmallDisk]:
    """
    Yield a disk of this size, into whose folder every user may look.

    :raises NoDisk: if this user may not mount one
    """
    folder = Path(tempfile.mkdtemp(prefix="integrator-disk-"))
    size = f"size={megabytes}m,mode=0755"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        folder.rmdir()
        raise NoDisk(made.stderr.decode(errors="replace").strip())
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
