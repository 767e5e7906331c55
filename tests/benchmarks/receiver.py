"""This module measures the receiver against a tutorial's view and an application that does nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.benchmarks import cpu, floors
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import Database, a_database
from tests.benchmarks.events import Maker, request
from tests.benchmarks.load import Plan, Report, send
from tests.benchmarks.product import ROOT, Product, a_product, wait_until_listening
from tests.benchmarks.tables import Figures, Table
from tests.stage import free_port

SECRET = "whsec_of_the_measurement"
LINES = 64
MOST_EVENTS = 60_000

UVICORN = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning")


COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "p50": ("p50 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "cpu": ("CPU ms/event", ".3f"),
    "refused": ("refused", ",.0f"),
    "acknowledged": ("acknowledged", ",.0f"),
}
NOOP = "application that does nothing"


def measure(asked: Asked) -> Measured:
    """Measure all contenders in turn, round by round."""
    table = Table("receiver", COLUMNS)
    for number in range(asked.rounds):
        for name, contender in _contenders(asked.kinds, served=asked.served).items():
            table.add(name, contender(f"r{number}", asked.seconds))
    figures = _goals(table, asked)
    for kind in asked.kinds:
        print(f"  {kind}: {figures[f'P3.noop.{kind}']:.1f} times the processor time of doing nothing")
    return Measured([table], figures)


def _goals(table: Table, asked: Asked) -> dict[str, float]:
    figures = {}
    for kind in asked.kinds:
        ours, tutorial, floor = f"Integrator, {kind}", f"tutorial's view, {kind}", f"single rows, {kind}"
        figures[f"P3.rate.{kind}"] = table.figure(ours, "rate") / table.figure(tutorial, "rate")
        figures[f"P3.cpu.{kind}"] = table.figure(tutorial, "cpu") / table.figure(ours, "cpu")
        figures[f"P3.noop.{kind}"] = table.figure(ours, "cpu") / table.figure(NOOP, "cpu")
        figures[f"P3.p99.{kind}"] = table.figure(ours, "p99")
        figures[f"P4.floor.{kind}"] = table.figure(ours, "rate") / table.figure(floor, "rate")
    return figures


def _contenders(kinds: Sequence[str], *, served: bool) -> dict[str, Callable[[str, float], Figures]]:
    contenders: dict[str, Callable[[str, float], Figures]] = {NOOP: _noop}
    for kind in kinds:
        contenders |= {
            f"tutorial's view, {kind}": partial(_tutorial, kind),
            f"single rows, {kind}": partial(_floor, kind),
            f"Integrator, {kind}": partial(_integrator, kind, served=served),
        }
    return contenders


def _floor(kind: str, prefix: str, seconds: float) -> Figures:
    with a_database(kind) as database:
        return {"rate": floors.rate(database, seconds=seconds)}


def _noop(prefix: str, seconds: float) -> Figures:
    with a_database("sqlite") as database:
        product = Product(database)
        port = free_port()
        process = product.start(
            "noop", *UVICORN, "tests.benchmarks.rivals.noop:application", "--port", str(port)
        )
        try:
            wait_until_listening(port)
            few = _requests(prefix, "/hooks/stripe/x/", SECRET, 2_000)
            return _figure(Plan(port, few, LINES, seconds=seconds, around=True), [process.pid])
        finally:
            product.stop()


def _tutorial(kind: str, prefix: str, seconds: float) -> Figures:
    with a_database(kind) as database:
        product = Product(database, STRIPE_WEBHOOK_SECRET=SECRET)
        module = "tests.benchmarks.rivals.tutorial"
        subprocess.run([sys.executable, "-m", module, "migrate"], env=product.env, cwd=ROOT, check=True)
        port = free_port()
        process = product.start("tutorial", *UVICORN, f"{module}:application", "--port", str(port))
        try:
            wait_until_listening(port)
            sent = _requests(prefix, "/hooks/stripe/x/", SECRET, int(seconds * 2_000))
            return _figure(Plan(port, sent, LINES, seconds=seconds), [process.pid, *database.roots()])
        finally:
            product.stop()


def _integrator(kind: str, prefix: str, seconds: float, *, served: bool) -> Figures:
    with a_database(kind) as database, a_product(database) as product:
        made = json.loads(_python(product, "tests.benchmarks.receiver_only"))
        if served:
            product.serve()
        else:
            module = "tests.benchmarks.receiver_only:application"
            product.start("serve", *UVICORN, module, "--port", str(product.port), INTEGRATOR_ROLE="web")
            wait_until_listening(product.port)
        sent = _requests(prefix, made["path"], made["secret"], MOST_EVENTS)
        _warm_up(product.port, sent[:20])
        figure = _figure(Plan(product.port, sent[20:], LINES, seconds=seconds), product.roots())
        _check_nothing_is_lost(database, product, int(figure["acknowledged"]))
        return figure


def _warm_up(port: int, sent: Sequence[bytes]) -> None:
    """Wait until the receiver takes events: imports, migrations and secrets are not what is measured."""
    send(Plan(port, sent, lines=1, seconds=30, insist=True))


def _requests(prefix: str, path: str, secret: str, number: int) -> list[bytes]:
    maker = Maker(prefix=prefix)
    return [request(maker.make(charge, 2), path=path, secret=secret) for charge in range(number)]


def _figure(plan: Plan, roots: list[int]) -> Figures:
    before = cpu.spent(roots)
    report = send(plan)
    # What was acknowledged may still have a doorbell to ring.
    time.sleep(0.1)
    used = cpu.spent(roots) - before
    answered = max(1, len(report.latencies))
    return {
        "rate": answered / report.seconds,
        "p50": report.latency(0.5),
        "p99": report.latency(0.99),
        "cpu": 1_000 * used / answered,
        "refused": _refused(report),
        "acknowledged": len(report.latencies),
    }


def _refused(report: Report) -> int:
    return report.broken + sum(count for status, count in report.statuses.items() if status != 200)


def _python(product: Product, module: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module], env=product.env, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


def _check_nothing_is_lost(database: Database, product: Product, acknowledged: int) -> None:
    """Kill the process, and count: whatever was acknowledged must be there."""
    product.processes["serve"].kill()
    stored = database.count("flows_event")
    if stored < acknowledged:
        raise RuntimeError(f"{acknowledged} events were acknowledged and {stored} are stored.")
