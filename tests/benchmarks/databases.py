"""This module provides the databases of a measurement: a SQLite file, or a PostgreSQL server of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

BINARIES = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")


@dataclass
class Database:
    """Where the data is, and the process whose tree is the server, if there is one."""

    kind: str
    url: str
    folder: Path
    server: int | None = None

    def roots(self) -> list[int]:
        """Return the root processes of the server."""
        return [self.server] if self.server else []

    def count(self, table: str, where: str = "1 = 1") -> int:
        """Return the number of rows in `table` for which `where` holds."""
        return self._number(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608  # our own words

    def last_id(self, table: str) -> int:
        """Return the last id that `table` has given out, whether its row still exists or not."""
        if self.kind == "sqlite":
            return self._number(f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'")  # noqa: S608  # as above
        return self._number(f"SELECT last_value FROM {table}_id_seq")  # noqa: S608  # as above

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what `query` finds."""
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.folder / "measured.sqlite3", timeout=20)) as line:
                return line.execute(query).fetchall()
        with psycopg.connect(self.url.replace("postgres://", "postgresql://")) as server:
            return server.execute(query).fetchall()

    def _number(self, query: str) -> int:
        return int((self.rows(query) or [(0,)])[0][0])

    def crash(self) -> None:
        """Stop the server as a power cut would, and start it again; a file has no server."""
        if self.server:
            os.killpg(self.server, signal.SIGKILL)
            time.sleep(0.5)
            (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
            self.server = _serve(self.folder, int(self.url.rpartition(":")[2].partition("/")[0]))


@contextlib.contextmanager
def a_database(kind: str) -> Iterator[Database]:
    """Provide an empty database of `kind` (sqlite or postgresql), and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="integrator-benchmark-"))
    database = Database(kind, f"sqlite:///{folder / 'measured.sqlite3'}", folder)
    try:
        if kind == "postgresql":
            _start(database)
        yield database
    finally:
        if database.server:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(database.server, signal.SIGKILL)
            time.sleep(0.3)
        shutil.rmtree(folder, ignore_errors=True)


def _start(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = database.folder / "data"
    if getpass.getuser() == "root":  # PostgreSQL refuses to run as root
        database.folder.chmod(0o711)
        data.mkdir()
        shutil.chown(data, "postgres")
    # The server's own defaults, but for the place: durable, and everybody on loopback is trusted.
    _run([binary("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C"])
    database.server = _serve(database.folder, port)
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", autocommit=True) as line:
        line.execute("CREATE DATABASE measured")
    database.url = f"postgres://postgres@127.0.0.1:{port}/measured"


def _serve(folder: Path, port: int) -> int:
    command = [binary("postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", "", "-h", "127.0.0.1"]
    process = subprocess.Popen(
        [*as_postgres(), *command],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
            return process.pid
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL does not start.")


def _run(command: list[str]) -> None:
    subprocess.run([*as_postgres(), *command], cwd="/", check=True, stdout=subprocess.DEVNULL)


def as_postgres() -> list[str]:
    """Return what a command begins with so that it does not run as root."""
    if getpass.getuser() != "root":
        return []
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]


def binary(name: str) -> str:
    """
    Return the path of a program of PostgreSQL.

    :raises RuntimeError: if it is not installed
    """
    found = shutil.which(name, path=os.pathsep.join((*BINARIES, os.environ.get("PATH", ""))))
    if found is None:
        raise RuntimeError(f"{name} is not installed; measure with --database sqlite only.")
    return found
