"""This module measures calls per event, acknowledgements and delays at three loads."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.benchmarks import checking, cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import endpoint, make_ready
from tests.benchmarks.events import Made, Maker, request
from tests.benchmarks.load import Plan, send
from tests.benchmarks.product import Product, a_product
from tests.benchmarks.tables import Table

STEADY = 300.0  # events a second


@dataclass(frozen=True)
class Load:
    """One load: how many events, and how fast they come."""

    name: str
    events: int
    rate: float | None


LOADS = (Load("saturated", 6_000, None), Load("steady", 3_000, STEADY), Load("idle", 20, 0.5))


COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "calls": ("calls/event", ".4f"),
    "p50": ("acknowledged p50 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "seen50": ("in Salesforce p50 s", ".2f"),
    "seen99": ("p99 s", ".2f"),
    "cpu": ("CPU ms/event", ".3f"),
    "jobs": ("jobs per 1,000", ".1f"),
}


def measure(asked: Asked, *, loads: tuple[Load, ...] = LOADS) -> Measured:
    """Put each load on one installation in turn, in each round on a new one."""
    table = Table("load", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
                make_ready(product, latency=asked.latency, flow=asked.flow)
                put(product, Load("warm-up", 50, 50.0))
                for load in loads:
                    table.add(f"{load.name}, {kind}", put(product, load))
    return Measured([table], _goals(table, asked))


def _goals(table: Table, asked: Asked) -> dict[str, float]:
    figures = {}
    for kind in asked.kinds:
        saturated, steady, idle = (f"{name}, {kind}" for name in ("saturated", "steady", "idle"))
        figures[f"P5.p99.{kind}"] = table.figure(steady, "p99")
        figures[f"P5.visible.{kind}"] = table.figure(idle, "seen50")
        for load, name in ((saturated, "saturated"), (steady, "steady"), (idle, "idle")):
            figures[f"P6.{name}.{kind}"] = table.figure(load, "calls")
        if not asked.redis:
            figures[f"P8.jobs.{kind}"] = table.figure(saturated, "jobs")
    return figures


def put(product: Product, load: Load) -> dict[str, float]:
    """
    Put `load` on a running product and return the figures.

    :raises RuntimeError: if an event is not applied
    """
    events = [Maker(prefix=load.name[:2]).make(number, 2) for number in range(load.events)]
    path, secret = endpoint(product)
    plan = Plan(product.port, [request(event, path=path, secret=secret) for event in events], rate=load.rate)
    called, used, jobs = checking.calls(product), cpu.spent(product.roots()), _jobs(product)
    report = send(plan)
    checking.wait_until_drained(product, within=180)
    seconds = time.time() - report.begun
    used = cpu.spent(product.roots()) - used
    called, jobs = checking.calls(product) - called, _jobs(product) - jobs
    checking.check_all_applied(product)
    delays = _delays(product, events, {events[at].charge: when for at, when in report.acknowledged.items()})
    return {
        "rate": load.events / seconds,
        "calls": called / load.events,
        "p50": report.latency(0.5),
        "p99": report.latency(0.99),
        "seen50": _part(delays, 0.5),
        "seen99": _part(delays, 0.99),
        "cpu": 1_000 * used / load.events,
        "jobs": 1_000 * jobs / load.events,
    }


def _delays(product: Product, events: list[Made], acknowledged: dict[str, float]) -> list[float]:
    """Return the seconds from acknowledgement until the record was written."""
    written = checking.written_at(product)
    return sorted(
        written[event.charge] - acknowledged[event.charge] for event in events if event.charge in written
    )


def _part(delays: list[float], part: float) -> float:
    return delays[min(len(delays) - 1, int(part * len(delays)))] if delays else float("nan")


def _jobs(product: Product) -> int:
    """Return how many jobs django-q2 has had; with Redis as its broker they leave no trace."""
    return product.database.last_id("django_q_ormq")
