"""This module measures what Node-RED loses in the trouble in which the product must lose nothing."""

from __future__ import annotations

import time

from tests.benchmarks import checking
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.delivery import COLUMNS, TROUBLE, acknowledged, cause, histories, judged
from tests.benchmarks.events import request
from tests.benchmarks.load import Plan, Sending
from tests.benchmarks.rivals import node_red
from tests.benchmarks.tables import Figures, Table


def measure(asked: Asked) -> Measured:
    """Deliver the same events in the same trouble to each way of setting Node-RED up."""
    table = Table("delivery by", COLUMNS)
    for _ in range(asked.rounds):
        for way in node_red.WAYS:
            table.add(way.name, _round(way, asked))
    return Measured([table])


def _round(way: node_red.Way, asked: Asked) -> Figures:
    with node_red.a_node_red(way, latency=asked.latency) as rival:
        sent = histories(asked.events, TROUBLE)
        requests = [request(event, path=node_red.PATH, secret=node_red.SECRET) for event in sent]
        sending = Sending(Plan(rival.port, requests, rate=asked.rate, insist=True, seconds=240))
        timers = cause(
            TROUBLE, rival.product, lambda: _power_cut(rival), seconds=len(sent) / (asked.rate or 1_000)
        )
        report = sending.report()
        for timer in timers:
            timer.join()
        ended = time.monotonic()
        rival.wait_for_calls(len(sent))
        verdict = checking.check_records(rival.product, acknowledged(sent, report))
        called = checking.calls(rival.product)
        return judged(verdict, report) | {"calls": called / len(sent), "drained": time.monotonic() - ended}


def _power_cut(rival: node_red.NodeRed) -> None:
    rival.kill()
    time.sleep(1)
    rival.start()
