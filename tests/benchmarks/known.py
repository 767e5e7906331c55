"""
This module measures finding known customers again in a directory of the product's own database (D).

It runs as a process of its own, because Django is set up for one database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from cryptography.fernet import Fernet

from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.tables import Table

COLUMNS = {
    "p50": ("p50 ms", ".1f"),
    "p95": ("p95 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "cpu": ("p95 ms of our processor time", ".1f"),
    "found": ("duplicates among the shown", ".3f"),
    "index": ("ms to keep one", ".2f"),
    "size": ("kB each", ".1f"),
}
_AT_ONCE = 500


def report(asked: Asked, *, known: int, questions: int, seed: int) -> Measured:
    """Measure with each kind of database, in a process of its own, and gather the figures."""
    table = Table(f"duplicates among {known:,} customers in the database, one look-up", COLUMNS)
    for kind in asked.kinds:
        with a_database(kind) as database:
            environment = {
                **os.environ,
                "DATABASE_URL": database.url,
                "DJANGO_SETTINGS_MODULE": "integrator.settings",
                "DEBUG": "1",
                "INTEGRATOR_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            }
            for command in (
                ["manage.py", "migrate", "--verbosity=0"],
                ["-m", "tests.benchmarks.known", str(known), str(questions), str(seed)],
            ):
                done = subprocess.run(
                    [sys.executable, *command], env=environment, check=True, stdout=subprocess.PIPE
                )
            figures = json.loads(done.stdout.splitlines()[-1])
            pages = "page_count * 4.096 FROM pragma_page_count()"
            held = database.rows(
                "SELECT pg_database_size(current_database()) / 1000.0"
                if database.server
                else f"SELECT {pages}"
            )
            table.add(kind, figures | {"size": float(held[0][0]) / known})
    return Measured([table])


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
    began = time.perf_counter()
    for start in range(0, known, _AT_ONCE):
        some = customers[start : start + _AT_ONCE]
        keeping.keep(directory, [keeping.Found(one["id"], normalise(one), now) for one in some])
    index = (time.perf_counter() - began) / known * 1e3
    return {**_asked(directory, list(world.asked(customers, questions))), "index": index}


def _asked(directory: Any, questions: list[Any]) -> dict[str, float]:
    from flows.matching import find, normalise  # noqa: PLC0415  # as above
    from flows.recognising.store import DirectoryStore  # noqa: PLC0415  # as above
    from tests.benchmarks.duplicates import POLICY  # noqa: PLC0415  # as above

    waits, costs, right, duplicates = [], [], 0, 0
    for customer, truth, _ in questions:
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
    return {**shares, "cpu": costs[len(costs) * 95 // 100], "found": right / max(1, duplicates)}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_measured(*map(int, sys.argv[1:4]))))
