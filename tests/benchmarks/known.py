"""
This module measures finding known customers again in a directory of the product's own database (D).

It runs as a process of its own, because Django is set up for one database.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from cryptography.fernet import Fernet

from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import Database, a_database
from tests.benchmarks.tables import Table

COLUMNS = {
    "p50": ("p50 ms", ".1f"),
    "p95": ("p95 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "cpu": ("p95 ms of our processor time", ".1f"),
    "found": ("duplicates among the shown", ".3f"),
    "index": ("ms to keep one", ".2f"),
    "size": ("kB each", ".1f"),
    "asked": ("look-ups", ",.0f"),
}
AMONG = 100_000  # customers, of whom the goals speak
LONGEST = 1_800  # seconds that a measurement may take; where it takes longer, something is wrong
ASKING = 120  # seconds after which no further look-up begins: on a slow machine there are fewer of them
_KEPT = 1_000  # records that are kept as the product keeps them, beside the others
_ROWS = 20_000  # in one statement


def report(asked: Asked, *, questions: int, seed: int) -> Measured:
    """Measure with each kind of database, in a process of its own, and gather the figures."""
    table = Table(f"duplicates among {asked.known:,} customers in the database, one look-up", COLUMNS)
    for number in range(asked.rounds):
        for kind in asked.kinds:
            with a_database(kind) as database:
                figures = _in_a_process(database, asked.known, questions, seed + number)
                table.add(kind, figures | {"size": _size(database) / asked.known})
    named = [(name, kind) for name in ("p95", "p99") for kind in asked.kinds]
    goals = {f"D.store.{name}.{kind}": table.figure(kind, name) for name, kind in named}
    return Measured([table], goals if asked.known >= AMONG else {})


def _in_a_process(database: Database, known: int, questions: int, seed: int) -> dict[str, float]:
    environment = {
        **os.environ,
        "DATABASE_URL": database.url,
        "DJANGO_SETTINGS_MODULE": "integrator.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "INTEGRATOR_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    environment.pop("DEBUG", None)  # with it Django keeps every statement, and asks SQLite to quote it
    for command in (
        ["manage.py", "migrate", "--verbosity=0"],
        ["-m", "tests.benchmarks.known", str(known), str(questions), str(seed)],
    ):
        done = subprocess.run(
            [sys.executable, *command], env=environment, check=True, stdout=subprocess.PIPE, timeout=LONGEST
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _size(database: Database) -> float:
    """Return how many kB the database takes."""
    pages = "SELECT page_count * 4.096 FROM pragma_page_count()"
    whole = "SELECT pg_database_size(current_database()) / 1000.0"
    return float(database.rows(whole if database.server else pages)[0][0])


def _measured(known: int, questions: int, seed: int) -> dict[str, float]:
    """Keep customers in a directory, ask for some, and return the figures."""
    from django.utils import timezone  # noqa: PLC0415  # Django has to be set up before

    from flows.matching import normalise  # noqa: PLC0415  # as above
    from flows.models import Directory  # noqa: PLC0415  # as above
    from flows.recognising import keeping, opening  # noqa: PLC0415  # as above
    from tests.benchmarks.lookalikes import World  # noqa: PLC0415  # as above
    from tests.builders import a_connection  # noqa: PLC0415  # as above

    world, now = World(seed), timezone.now()
    customers = list(world.customers(known))
    opening.begin(a_connection("salesforce").pk, "Account", now=now)
    directory = Directory.objects.select_related("connection").get()
    found = [keeping.Found(one["id"], normalise(one), now) for one in customers]
    few = found[:_KEPT]
    _fill(directory, found[_KEPT:], now)
    began = time.perf_counter()
    keeping.keep(directory, few)
    index = (time.perf_counter() - began) / len(few) * 1e3
    return {**_asked(directory, list(world.asked(customers, questions))), "index": index}


def _fill(directory: Any, found: Sequence[Any], now: datetime) -> None:
    """
    Write what `keeping.keep` would write, in the order of the indexes and without waiting for the disk.

    One after the other takes milliseconds each, of which the look-ups do not depend.
    """
    from flows.matching import block_keys, terms  # noqa: PLC0415  # as above
    from flows.models import KnownKey, KnownRecord, KnownTerm  # noqa: PLC0415  # as above
    from flows.recognising.sealing import Seal  # noqa: PLC0415  # as above

    seal, mine = Seal(directory), directory.pk
    with _quickly():
        rows = ((mine, one.id, seal.close(one.norm), one.stamp, 1, False) for one in found)
        _write(KnownRecord, ("directory_id", "record_id", "sealed", "stamp", "generation", "expected"), rows)
        ids = dict(KnownRecord.objects.values_list("record_id", "id"))
        keys = sorted((key, ids[one.id]) for one in found for key in seal.hidden(block_keys(one.norm)))
        _write(KnownKey, ("directory_id", "key", "record_id"), ((mine, key, id) for key, id in keys))
        counts = Counter(term for one in found for term in seal.hidden(terms(one.norm)))
        _write(
            KnownTerm, ("directory_id", "term", "number"), ((mine, *one) for one in sorted(counts.items()))
        )


def _write(model: Any, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    from django.db import transaction  # noqa: PLC0415  # as above

    from flows import bulk  # noqa: PLC0415  # as above

    left = iter(rows)
    with transaction.atomic():
        while some := list(islice(left, _ROWS)):
            bulk.insert(model, columns, some)


@contextmanager
def _quickly() -> Iterator[None]:
    """Let the database write in bulk, and leave it as it is once it has been at rest."""
    from django.db import connection  # noqa: PLC0415  # as above

    def run(*statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    if connection.vendor == "sqlite":
        run("PRAGMA synchronous=OFF", "PRAGMA cache_size=-200000", "PRAGMA foreign_keys=OFF")
        yield
        run("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        run("SET session_replication_role = replica")  # no look at each row's parent
        yield
        run("SET session_replication_role = DEFAULT", "VACUUM ANALYZE")  # as autovacuum does within minutes
    connection.close()  # the next one has the usual settings


def _asked(directory: Any, questions: list[Any]) -> dict[str, float]:
    from flows.matching import find, normalise  # noqa: PLC0415  # as above
    from flows.recognising.store import DirectoryStore  # noqa: PLC0415  # as above
    from tests.benchmarks.duplicates import POLICY  # noqa: PLC0415  # as above

    waits, costs, right, duplicates, ends = [], [], 0, 0, time.monotonic() + ASKING
    for customer, truth, _ in questions:
        if time.monotonic() > ends:
            break
        began, worked = time.perf_counter(), time.process_time()
        store = DirectoryStore(directory)
        found = find(normalise(customer), store, policy=POLICY)
        waits.append((time.perf_counter() - began) * 1e3)
        costs.append((time.process_time() - worked) * 1e3)
        duplicates += bool(truth)
        right += bool(truth) and truth in {store.named[one.id] for one in found.candidates}
    waits.sort()
    costs.sort()
    shares = {f"p{share}": waits[len(waits) * share // 100] for share in (50, 95, 99)}
    return {
        **shares,
        "cpu": costs[len(costs) * 95 // 100],
        "found": right / max(1, duplicates),
        "asked": len(waits),
    }


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_measured(*map(int, sys.argv[1:4]))))
