"""
This module fills an installation with the rows of a long time, by copying those of one event in the database.

Each copy has its own ids and its own time, so that ids rise with time as in life. All columns are copied;
only what has to differ is named here.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg

from tests.benchmarks.databases import Database

PREFIX = "evt_seed"  # what the copies' external ids begin with
CHUNK = 100_000  # rows in a transaction
DEAD, SUPERSEDED = 1_000, 50  # one row in so many
LETTER = {
    "public_id": "'seed' || n",
    "event_id": "{base} + n",
    "run_id": "{base} + n",
    "error_class": "'data'",
    "code": "'seeded'",
    "field": "'Amount__c'",
    "step": "'save_payment'",
    "message": "'It was refused'",
    "suggestion": "'Look at it'",
    "fingerprint": "'seed' || n % 7",
    "created_at": "{at}",
    "resolution": "''",
    "resolved_by": "''",
}

# By table, in the order of their references: what differs in the copy `n` of a row. {at} is its time, {base}
# lies above all ids that were there.
DIFFERENT: dict[str, dict[str, str]] = {
    "flows_lane": {"key": "'stripe:ch_seed' || n", "ready_at": "NULL", "worker_id": "NULL", "crashes": "0"},
    "flows_event": {
        "external_id": f"'{PREFIX}' || n",
        "object_id": "'ch_seed' || n",
        "type": "CASE n % 2 WHEN 0 THEN 'charge.succeeded' ELSE 'charge.failed' END",
        "happened_at": "{at}",
        "received_at": "{at}",
        "dispatched_at": "{at}",
        "fate": "{fate}",
    },
    "flows_run": {
        "public_id": "'seed' || n",
        "lane_id": "{base} + n",
        "event_id": "{base} + n",
        "state": f"CASE WHEN n % {DEAD} = 0 THEN 'dead' ELSE 'done' END",
        "fate": "{fate}",
        "created_at": "{at}",
        "finished_at": "{at}",
    },
    "flows_attempt": {"run_id": "{base} + n", "started_at": "{at}", "finished_at": "{at}"},
    "flows_link": {
        "stripe_id": "'ch_seed' || n",
        "external_id": "'ch_seed' || n",
        "record_id": "'aSeed' || n",
        "first_synced_at": "{at}",
        "synced_at": "{at}",
    },
    "flows_appliedversion": {
        "target": "'Payment__c:ch_seed' || n",
        "source": "'ch_seed' || n",
        "event_id": "{base} + n",
        "applied_at": "{at}",
    },
}
FATE = f"CASE WHEN n % {DEAD} = 0 THEN 'dead' WHEN n % {SUPERSEDED} = 1 THEN 'superseded' ELSE 'applied' END"
OLDER = {"flows_event": "received_at", "flows_run": "created_at", "flows_attempt": "finished_at"}


def fill(database: Database, rows: int, *, days: float) -> None:
    """
    Add `rows` handled events with all that belongs to them, spread over the last `days`.

    One event must have been applied already, and nobody else may write meanwhile.
    """
    with _connection(database) as line:
        base = 10 + max(_one(line, f"SELECT max(id) FROM {table}") or 0 for table in DIFFERENT)  # noqa: S608  # our own words
        words = {"base": str(base), "fate": FATE, "at": _moment(database.kind, rows, days)}
        _age(line, database.kind, days)
        for first in range(1, rows + 1, CHUNK):
            _add(line, database.kind, words, first, min(first + CHUNK - 1, rows))
        if database.kind == "postgresql":
            for table in DIFFERENT:
                sequence = f"pg_get_serial_sequence('{table}', 'id')"
                line.execute(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")  # noqa: S608  # our own words
            line.execute("ANALYZE")  # as the server does by itself, somewhat later


@contextlib.contextmanager
def _connection(database: Database) -> Iterator[Any]:
    """Open a connection that commits each statement for itself, unless told otherwise."""
    if database.kind == "sqlite":
        path = database.folder / "measured.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as line:
            yield line
    else:
        with psycopg.connect(database.url, autocommit=True) as line:
            yield line


def _add(line: Any, kind: str, words: dict[str, str], first: int, last: int) -> None:
    """Add the copies `first` to `last` of one row of each table, and the letters of the dead."""
    line.execute("BEGIN")
    numbers = (
        f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"  # noqa: S608  # numbers
    )
    for table, different in DIFFERENT.items():
        given = {name: text.format(**words) for name, text in different.items()}
        given["id"] = f"{words['base']} + n"
        values = {name: given.get(name, f'old."{name}"') for name in _columns(line, kind, table)}
        one = f"(SELECT * FROM {table} ORDER BY id LIMIT 1) AS old"  # noqa: S608  # our own words
        line.execute(f"{numbers} {_insert(table, values)} FROM numbers, {one}")
    letter = {name: text.format(**words) for name, text in LETTER.items()}
    line.execute(f"{numbers} {_insert('flows_deadletter', letter)} FROM numbers WHERE n % {DEAD} = 0")
    line.execute("COMMIT")


def _insert(table: str, values: dict[str, str]) -> str:
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())}"


def _one(line: Any, query: str) -> Any:
    return line.execute(query).fetchone()[0]


def _moment(kind: str, rows: int, days: float) -> str:
    """Return the time of copy `n`: `days` ago for the first, an hour ago for the last."""
    ago = f"(3600 + {days * 86_400} * (1 - n / {rows}.0))"
    if kind == "postgresql":
        return f"now() - {ago} * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || {ago} || ' seconds')"


def _age(line: Any, kind: str, days: float) -> None:
    """Make what was there older than what comes, so that ids go on rising with time."""
    moment = _moment(kind, 1, days).replace("n / 1.0", "0")
    for table, column in OLDER.items():
        line.execute(f"UPDATE {table} SET {column} = {moment}")  # noqa: S608  # our own words


def _columns(line: Any, kind: str, table: str) -> list[str]:
    if kind == "sqlite":
        return [row[1] for row in line.execute(f"PRAGMA table_info({table})")]
    query = (
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
    )
    return [row[0] for row in line.execute(query, [table])]
