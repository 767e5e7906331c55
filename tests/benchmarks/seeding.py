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

# What stands beside the events on pages of its own: of which copies `n`, and the columns. {pair}, {flow},
# {stripe} and {salesforce} are those of the event that is copied; {hour} is the hour of {at}.
BESIDE: dict[str, tuple[str, dict[str, str]]] = {
    "monitoring_payment": (
        "1 = 1",
        {
            "connection_id": "{stripe}",
            "key": "'pi_seed' || n",
            "charge": "'ch_seed' || n",
            "amount": "1999 + n % 500",
            "currency": "'EUR'",
            "told_at": "{at}",
            "last_event": "{base} + n",
            "state": f"CASE WHEN n % {DEAD} = 0 THEN 'dead' ELSE 'confirmed' END",
        },
    ),
    "flows_review": (
        "n % 50 = 0",
        {
            "public_id": "'seed' || n",
            "pair_id": "{pair}",
            "run_id": "{base} + n",
            "step": "'ask'",
            "kind": "'question'",
            "question": "'Which is right of ' || n || '?'",
            "evidence": "{empty}",
            "options": "'[]'",
            "created_at": "{at}",
            "closed_at": f"CASE WHEN n % {DEAD} = 0 THEN NULL ELSE {{at}} END",
            "resolution": f"CASE WHEN n % {DEAD} = 0 THEN '' ELSE 'answered' END",
            "answer": "''",
            "closed_by": "''",
            "comment": "''",
        },
    ),
    "flows_effect": (
        "n % 10 = 0",
        {
            "public_id": "'seed' || n",
            "pair_id": "{pair}",
            "key": "'seed' || n",
            "kind": "'notifying'",
            "purpose": "'Tells somebody'",
            "flow_id": "{flow}",
            "step": "'tell'",
            "run_id": "{base} + n",
            "record": "'ch_seed' || n",
            "occurrence": "''",
            "slot": "'salesforce'",
            "action": "'post'",
            "generation": "1",
            "request": "{empty}",
            "result": "{empty}",
            "state": f"CASE WHEN n % {DEAD} = 0 THEN 'in_doubt' ELSE 'done' END",
            "reason": "''",
            "created_at": "{at}",
            "sent_at": "{at}",
            "ended_at": f"CASE WHEN n % {DEAD} = 0 THEN NULL ELSE {{at}} END",
        },
    ),
    "flows_merge": (
        "n % 500 = 0",
        {
            "public_id": "'seed' || n",
            "connection_id": "{salesforce}",
            "object": "'Account'",
            "label": "'Account'",
            "master": "'001000000000001AAA'",
            "losers": """'["001000000000002AAA"]'""",
            "preset": "'keep'",
            "chosen": "'{{}}'",
            "survivors": "'[]'",
            "before": "{empty}",
            "sent": "{empty}",
            "children": "'[]'",
            "links": "'[]'",
            "actor": "'ada@acme.test'",
            "created_at": "{at}",
            "state": "'done'",
            "asked_by": "'ada@acme.test'",
            "merged_at": "{at}",
            "verified": "'[]'",
            "ended_at": "{at}",
            "lease_owner": "''",
            "seen_by": "''",
            "attempts": "0",
            "failure": "''",
            "failure_code": "''",
        },
    ),
    "monitoring_anomaly": (
        "n % 500 = 0",
        {
            "public_id": "'seed' || n",
            "series_id": "{series}",
            "metric": "'charges'",
            "kind": "'volume_drop'",
            "z": "4.5",
            "observed": "3.0",
            "expected": "40.0",
            "lo": "25.0",
            "hi": "60.0",
            "reason": "'Fewer charges than usual'",
            "causes": "'[]'",
            "began_at": "{at}",
            "ended_at": "{at}",
            "dismissed_by": "''",
            "acknowledged_by": "''",
        },
    ),
    "monitoring_seriesbin": (
        "n % 50 = 0",
        {
            "series_id": "{series}",
            "starts_at": "{at}",
            "charges": "40 + n % 9",
            "failed": "n % 3",
            "expected": "42.0",
            "lo": "30.0",
            "hi": "55.0",
            "measured": "'{{}}'",
        },
    ),
    "connectors_callhour": (
        "n % 10 = 0",
        {
            "connection_id": "{salesforce}",
            "cause": "{flow}",
            "hour": "{hour}",
            "kind": "'write'",
            "calls": "20",
            "carried": "400",
        },
    ),
}
# What anomalies belong to, which the watch makes of the first five minutes that are over.
SERIES = """
INSERT INTO monitoring_series (connection_id, state, seen_until, sensitivity)
SELECT {stripe}, '{{}}', {now}, '{{}}' WHERE NOT EXISTS
(SELECT 1 FROM monitoring_series WHERE connection_id = {stripe})
"""
# The sums that payments are counted by.
SUMS = """
INSERT INTO monitoring_paymentsum (connection_id, quarter, currency, amount, payments)
SELECT connection_id, {quarter}, currency, sum(amount), count(*) FROM monitoring_payment
WHERE key LIKE 'pi_seed%' GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
# By kind of database, from a column or an expression of a moment.
QUARTER = {
    "postgresql": "date_bin('15 minutes', told_at, timestamptz '2000-01-01 00:00+00')",
    "sqlite": "substr(told_at, 1, 14) || printf('%02d', CAST(substr(told_at, 15, 2) AS integer) / 15 * 15)"
    " || ':00'",
}
HOUR = {"postgresql": "date_trunc('hour', {at}, 'UTC')", "sqlite": "substr({at}, 1, 13) || ':00:00'"}
EMPTY = {"postgresql": "''", "sqlite": "x''"}

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
RUNS = ("pair_id", "flow_id")
NOW = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')"}
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
        words |= _places(line, database.kind, words["at"])
        _age(line, database.kind, days)
        for first in range(1, rows + 1, CHUNK):
            _add(line, database.kind, words, first, min(first + CHUNK - 1, rows))
        line.execute(SUMS.format(quarter=QUARTER[database.kind]))
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
    for table, (which, columns) in BESIDE.items():
        values = {name: text.format(**words) for name, text in columns.items()}
        line.execute(f"{numbers} {_insert(table, values)} FROM numbers WHERE {which} ON CONFLICT DO NOTHING")
    line.execute("COMMIT")


def _places(line: Any, kind: str, at: str) -> dict[str, str]:
    """Return the numbers of what the event that is copied belongs to, and the words of a kind of database."""
    pair, flow = (_one(line, f"SELECT {name} FROM flows_run ORDER BY id LIMIT 1") for name in RUNS)  # noqa: S608  # our own words
    stripe = _one(line, "SELECT connection_id FROM flows_event ORDER BY id LIMIT 1")
    org = _one(line, f"SELECT salesforce_id FROM flows_pair WHERE id = {pair}")  # noqa: S608  # a number
    line.execute(SERIES.format(stripe=stripe, now=NOW[kind]))
    series = _one(line, f"SELECT id FROM monitoring_series WHERE connection_id = {stripe}")  # noqa: S608  # as above
    numbers = {"pair": pair, "flow": flow, "stripe": stripe, "salesforce": org, "series": series}
    written = {"hour": HOUR[kind].format(at=at), "empty": EMPTY[kind]}
    return {name: str(number) for name, number in numbers.items()} | written


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
