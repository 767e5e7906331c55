"""This module measures events a second from the first request to the last record, against Node-RED."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import checking, cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import endpoint, make_ready
from tests.benchmarks.events import Made, Maker, request
from tests.benchmarks.goals import N8N_QUEUE_MODE
from tests.benchmarks.load import Plan, send
from tests.benchmarks.product import Product, a_product
from tests.benchmarks.rivals import node_red
from tests.benchmarks.tables import Figures, Table

COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "received": ("received/s", ",.0f"),
    "cpu": ("CPU ms/event", ".3f"),
    "calls": ("calls/event", ".4f"),
    "lost": ("acknowledged, not delivered", ",.0f"),
}
WARM_UP = 50  # events


@dataclass(frozen=True)
class Door:
    """Where events are taken, and what stands behind it."""

    port: int
    path: str
    secret: str
    product: Product  # its simulated systems are asked what arrived
    roots: Callable[[], list[int]]  # the processes whose time counts
    wait: Callable[[int], None]  # until so many more records are written, or no more come

    def send(self, events: list[Made]) -> Figures:
        """Send `events` as fast as they are taken, wait for their records, and return the figures."""
        requests = [request(event, path=self.path, secret=self.secret) for event in events]
        called, used = checking.calls(self.product), cpu.spent(self.roots())
        report = send(Plan(self.port, requests, seconds=180))
        self.wait(len(events))
        used = cpu.spent(self.roots()) - used
        called = checking.calls(self.product) - called
        written = checking.written_at(self.product)
        last = max(
            (written[event.charge] for event in events if event.charge in written), default=time.time()
        )
        arrived = sum(event.charge in written for event in events)
        return {
            "rate": arrived / (last - report.begun),
            "received": len(report.acknowledged) / report.seconds,
            "cpu": 1_000 * used / len(events),
            "calls": called / len(events),
            "lost": sum(events[at].charge not in written for at in report.acknowledged),
        }


def measure(asked: Asked) -> Measured:
    """Measure the product and Node-RED in turn, round by round."""
    table = Table("end to end", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            table.add(f"Integrator, {kind}", _product(kind, asked))
        for way in node_red.WAYS:
            table.add(way.name, _node_red(way, asked))
    best = max(table.figure(way.name, "rate") for way in node_red.WAYS)
    figures = {}
    for kind in asked.kinds:
        rate = table.figure(f"Integrator, {kind}", "rate")
        figures[f"P2.n8n.{kind}"] = rate / N8N_QUEUE_MODE
        figures[f"P2.node_red.{kind}"] = rate / best
        figures[f"P10.cpu.{kind}"] = table.figure(f"Integrator, {kind}", "cpu")
    return Measured([table], figures)


def _product(kind: str, asked: Asked) -> Figures:
    with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
        make_ready(product, latency=asked.latency, flow=asked.flow)

        def wait(_events: int) -> None:
            checking.wait_until_drained(product, within=300)

        door = Door(product.port, *endpoint(product), product, product.roots, wait)
        figures = _send_after_warming_up(door, asked)
        checking.check_all_applied(product)
        return figures


def _node_red(way: node_red.Way, asked: Asked) -> Figures:
    with node_red.a_node_red(way, latency=asked.latency) as rival:
        door = Door(
            rival.port, node_red.PATH, node_red.SECRET, rival.product, rival.roots, rival.wait_for_calls
        )
        return _send_after_warming_up(door, asked)


def _send_after_warming_up(door: Door, asked: Asked) -> Figures:
    maker = Maker(prefix="w")
    door.send([maker.make(number, 2) for number in range(WARM_UP)])
    maker = Maker()
    return door.send([maker.make(number, 2) for number in range(asked.events)])
