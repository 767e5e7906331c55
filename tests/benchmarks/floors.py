"""
This module measures how many single rows a database commits: the floor that a receiver without groups has.

One writer on SQLite, eight clients on PostgreSQL (its own pgbench). Each row has a body that does not
compress, a unique key, and a commit of its own that is on disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import time

import psycopg

from tests.benchmarks.databases import Database, as_postgres, binary
from tests.benchmarks.events import SIZE

CLIENTS = 8

_INSERT = """\\set number random(1, 9000000000000000)
INSERT INTO rows (name, body) VALUES ('evt_' || :number, (SELECT body FROM bodies));
"""


def rate(database: Database, *, seconds: float) -> float:
    """Return how many rows a second are committed one by one."""
    return _on_sqlite(database, seconds) if database.kind == "sqlite" else _on_postgresql(database, seconds)


def _on_sqlite(database: Database, seconds: float) -> float:
    body = os.urandom(SIZE)
    path = database.folder / "floor.sqlite3"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as line:
        line.execute("PRAGMA journal_mode = WAL")
        line.execute("PRAGMA synchronous = FULL")
        line.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT UNIQUE, body BLOB)")
        begun = time.monotonic()
        written = 0
        while time.monotonic() < begun + seconds:
            line.execute("INSERT INTO rows (name, body) VALUES (?, ?)", (f"evt_{written}", body))
            written += 1
        return written / (time.monotonic() - begun)


def _on_postgresql(database: Database, seconds: float) -> float:
    with psycopg.connect(database.url, autocommit=True) as line:
        line.execute("CREATE TABLE rows (id bigserial PRIMARY KEY, name varchar(255) UNIQUE, body bytea)")
        line.execute("CREATE TABLE bodies AS SELECT %s::bytea AS body", [os.urandom(SIZE)])
    script = database.folder / "floor.sql"
    script.write_text(_INSERT)
    script.chmod(0o644)
    port = database.url.rpartition(":")[2].partition("/")[0]
    command = [
        *as_postgres(),
        *(binary("pgbench"), "--no-vacuum", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"),
        *("-T", str(max(1, round(seconds))), "-f", str(script), "-h", "127.0.0.1", "-p", port),
        *("-U", "postgres", database.url.rpartition("/")[2]),
    ]
    done = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)
    told = re.search(r"tps = ([\d.]+)", done.stdout)
    assert told is not None, done.stdout
    return float(told[1])
