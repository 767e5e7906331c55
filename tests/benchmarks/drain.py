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


COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "times": ("against one call for each event", ",.0f"),
    "workers": ("CPU ms/event of the workers", ".3f"),
    "cpu": ("database included", ".3f"),
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
    Stop the workers, have `events` received, start the workers, and return the figures of the drain.

    :raises RuntimeError: if an event is not applied
    """
    product.processes.pop("work").stop()
    path, secret = endpoint(product)
    sent = [request(event, path=path, secret=secret) for event in events]
    send(Plan(product.port, sent, insist=True, seconds=120))
    called, jobs = checking.calls(product), product.database.last_id("django_q_ormq")
    product.work()
    left, used, begun = _wait_until_it_begins(product)
    server = cpu.spent(product.database.roots())
    checking.wait_until_drained(product, within=300)
    seconds = time.monotonic() - begun
    used = cpu.spent(product.roots()) - used
    server = cpu.spent(product.database.roots()) - server
    called, jobs = checking.calls(product) - called, product.database.last_id("django_q_ormq") - jobs
    checking.check_all_applied(product)
    return {
        "rate": left / seconds,
        "cpu": 1_000 * used / left,
        "workers": 1_000 * (used - server) / left,
        "calls": called / len(events),
        "jobs": 1_000 * jobs / len(events),
    }


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
