"""This module measures how fast a full inbox is drained through the pool, against one call for each event."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.benchmarks import checking, cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import endpoint, make_ready
from tests.benchmarks.events import Made, Maker, request
from tests.benchmarks.load import Plan, send
from tests.benchmarks.product import Product, a_product
from tests.benchmarks.rivals import single
from tests.benchmarks.tables import Table

SINGLE_CALLS = 60
WARMING = 200  # events
CALM = 0.2  # of a core, which everything that was started takes once it is up
LOOK = 1.0  # seconds over which that is measured


COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "times": ("against one call for each event", ",.0f"),
    "workers": ("CPU ms/event of the workers", ".3f"),
    "cpu": ("of everything, database included", ".3f"),
    "calls": ("calls/event", ".4f"),
    "jobs": ("jobs per 1,000", ".1f"),
}


def measure(asked: Asked) -> Measured:
    """Fill the inbox while no worker runs, then let them drain it, in each round on a new installation."""
    table = Table("drain", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
                make_ready(product, latency=asked.latency, flow=asked.flow)
                slow = single.rate(product.sandbox["salesforce"], events=SINGLE_CALLS)
                figures = drained(product, [Maker().make(number, 2) for number in range(asked.events)])
                table.add(kind, {**figures, "times": figures["rate"] / slow})
    return Measured([table], _goals(table, asked))


def _goals(table: Table, asked: Asked) -> dict[str, float]:
    figures = {}
    for kind in asked.kinds:
        figures[f"P7.times.{kind}"] = table.figure(kind, "times")
        figures[f"P7.cpu.{kind}"] = table.figure(kind, "workers")
    return figures


def drained(product: Product, events: Sequence[Made]) -> dict[str, float]:
    """
    Have `events` received while the workers stand still, and return the figures of the drain.

    They have handled some before, since what a start costs is not an event's.

    :raises RuntimeError: if an event is not applied
    """
    path, secret = endpoint(product)
    warming = [Maker(prefix="w").make(number, 2) for number in range(WARMING)]
    send(Plan(product.port, [request(event, path=path, secret=secret) for event in warming], insist=True))
    checking.wait_until_drained(product, within=60)
    _wait_until_calm(product)
    sent = [request(event, path=path, secret=secret) for event in events]
    with product.processes["work"].standing_still():
        send(Plan(product.port, sent, insist=True, seconds=120))
        called, jobs = checking.calls(product), product.database.last_id("django_q_ormq")
    pool = _pool(product)
    left, used, begun = _wait_until_it_begins(product)
    workers = cpu.spent([pool])
    checking.wait_until_drained(product, within=300)
    seconds = time.monotonic() - begun
    used = cpu.spent(product.roots()) - used
    workers = cpu.spent([pool]) - workers
    called, jobs = checking.calls(product) - called, product.database.last_id("django_q_ormq") - jobs
    checking.check_all_applied(product)
    return {
        "rate": left / seconds,
        "cpu": 1_000 * used / left,
        "workers": 1_000 * workers / left,
        "calls": called / len(events),
        "jobs": 1_000 * jobs / len(events),
    }


def _pool(product: Product) -> int:
    """Return the process that the workers descend from: beside them others follow what has happened."""
    tree = cpu.tree(product.processes["work"].pid)
    return next(process.pid for process in tree if "pool" in process.cmdline())


def _wait_until_calm(product: Product) -> None:
    """
    Wait until everything that was started is up and has nothing to do.

    :raises RuntimeError: if that takes longer than a minute
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = cpu.spent(product.roots())
        time.sleep(LOOK)
        if cpu.spent(product.roots()) - before < CALM * LOOK:
            return
    raise RuntimeError("The processes never come to rest.")


def _wait_until_it_begins(product: Product) -> tuple[int, float, float]:
    """Return how many events no worker has looked at yet, the time spent until then, and when that was."""
    untouched = "dispatched_at IS NULL"
    total = product.database.count("flows_event", untouched)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = product.database.count("flows_event", untouched)
        if left < total:
            return left, cpu.spent(product.roots()), time.monotonic()
        time.sleep(0.01)
    raise RuntimeError("Nobody drains.")
