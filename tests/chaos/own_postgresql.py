"""This module runs a PostgreSQL of the test's own, which may be killed without asking anybody."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.stage import free_port

SEARCHED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def binaries() -> Path | None:
    """Return the folder of the newest installed server, or None."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return next((path for path in SEARCHED if (path / "initdb").exists()), None)


class OwnPostgresql:
    """A database cluster in a folder of its own, durable as a production server is."""

    def __init__(self, place: Path | None = None) -> None:
        """`place` is the folder in which it makes its own, by default that of temporary files."""
        self.bin = binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="integrator-pg-", dir=place))
        self.port = free_port()
        self.user = "postgres"
        self.starts = 0
        if os.geteuid() == 0:  # the server refuses to run as root
            self.owner = pwd.getpwnam("postgres")
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        self._run("initdb", "-U", self.user, "-A", "trust", "-D", str(self.folder / "data"))

    @property
    def address(self) -> str:
        """Return the address without a database name."""
        return f"postgres://{self.user}@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start the server; after a kill it recovers by itself."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-l",
            str(self.folder / "log"),
            "-w",
            "-o",
            options,
            "start",
        )
        self.starts += 1

    def runs(self) -> bool:
        """Tell whether the server is there."""
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            return Path(f"/proc/{pid}").exists()
        return False

    def kill(self) -> None:
        """Kill the server and all its backends at once, without a checkpoint."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.02)

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> psycopg.Connection:
        """Return a connection to the server's own database."""
        return psycopg.connect(f"{self.address}postgres", autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        identity = {}
        if os.geteuid() == 0:
            identity = {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}
        subprocess.run(
            [str(self.bin / program), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,
        )


@contextlib.contextmanager
def own_postgresql(place: Path | None = None) -> Iterator[OwnPostgresql]:
    """Yield a started server and remove it afterwards."""
    server = OwnPostgresql(place)
    try:
        server.start()
        yield server
    finally:
        server.remove()
