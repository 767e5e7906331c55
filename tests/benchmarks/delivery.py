"""This module measures what is lost: events at a rate, while all is killed and Salesforce is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import checking, cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.events import Made, Maker, request, with_duplicates
from tests.benchmarks.load import Plan, Report, Sending
from tests.benchmarks.product import Product, a_product, ask
from tests.benchmarks.tables import Table

FLOW = "payments"
JOB = "job"  # not a template: ten fields and one record, as every product is measured with
JOB_DOCUMENT = Path(__file__).with_name("job.json")


@dataclass(frozen=True)
class Trouble:
    """What is done to the product meanwhile."""

    kill: bool = True  # kill -9 of web and workers, and of the database server, half-way
    outage: float = 4.0  # seconds without Salesforce, after a quarter
    duplicates: float = 0.05
    disorder: float = 0.10


TROUBLE = Trouble()
CALM = Trouble(kill=False, outage=0.0, duplicates=0.0, disorder=0.0)


COLUMNS = {
    "acknowledged": ("acknowledged", ",.0f"),
    "unlisted": ("not listed", ",.0f"),
    "lost": ("not delivered", ",.0f"),
    "wrong": ("wrong at the end", ",.0f"),
    "doubled": ("doubled", ",.0f"),
    "calls": ("calls/event", ".4f"),
    "p99": ("acknowledged p99 ms", ",.1f"),
    "drained": ("drained s later", ".1f"),
    "cpu": ("CPU ms/event", ".3f"),
}


def measure(asked: Asked, trouble: Trouble = TROUBLE) -> Measured:
    """Deliver events in trouble, in each round on a new installation, and compare what came of them."""
    table = Table("delivery", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            table.add(kind, _round(kind, asked, trouble))
    faults = ("unlisted", "lost", "wrong", "doubled")
    figures = {f"P1.lost.{kind}": sum(table.figure(kind, fault) for fault in faults) for kind in asked.kinds}
    return Measured([table], figures if trouble.kill else {})


def _round(kind: str, asked: Asked, trouble: Trouble) -> dict[str, float]:
    with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
        make_ready(product, latency=asked.latency)
        sent = histories(asked.events, trouble)
        before, called = cpu.spent(product.roots()), checking.calls(product)
        sending = Sending(_plan(product, sent, asked.rate))
        timers = cause(
            trouble, product, lambda: _power_cut(product), seconds=len(sent) / (asked.rate or 1_000)
        )
        report = sending.report()
        for timer in timers:
            timer.join()
        taken = checking.wait_until_drained(product, within=180)
        used = cpu.spent(product.roots()) - before
        figures = judged(checking.check(product, acknowledged(sent, report)), report)
        figures |= {"calls": (checking.calls(product) - called) / len(sent), "drained": taken}
    if not trouble.kill:  # a process that was killed has taken its times along
        figures["cpu"] = 1_000 * used / len(sent)
    return figures


def judged(verdict: checking.Verdict, report: Report) -> dict[str, float]:
    """Return what was found wrong as figures."""
    return {
        "acknowledged": verdict.acknowledged,
        "unlisted": len(verdict.not_listed),
        "lost": len(verdict.not_delivered),
        "wrong": len(verdict.wrong),
        "doubled": len(verdict.doubled),
        "p99": report.latency(0.99),
    }


def make_ready(product: Product, *, latency: float, flow: str = FLOW) -> None:
    """Start everything with a flow, a template's or `JOB`, and wait until events are taken."""
    product.start_sandbox(latency=latency)
    if flow == JOB:
        product.bootstrap()
        product.manage("shell", "-c", f"path = {str(JOB_DOCUMENT)!r}\n{_DEPLOY}")
    else:
        product.bootstrap("--flow", flow)
    product.serve()
    product.work()
    product.wait_until_ready()


_DEPLOY = """
from pathlib import Path
from django.utils import timezone
from flows import publishing
from flows.models import Flow, Pair
by = {"actor": "benchmark", "now": timezone.now()}
pair = Pair.objects.get()
flow = Flow.objects.create(integration=pair.integration, slug="job", name="Job")
version = publishing.publish(flow=flow, document=Path(path).read_text("utf-8"), **by)
publishing.deploy(version=version, pair=pair, **by)
"""


def endpoint(product: Product) -> tuple[str, str]:
    """Return path and secret of the webhook that bootstrap made."""
    webhook = product.made["webhooks"][0]
    return "/hooks/" + webhook["url"].partition("/hooks/")[2], webhook["secret"]


def histories(number: int, trouble: Trouble) -> list[Made]:
    """Return `number` events about a third as many charges, in the order of their sending."""
    ordered = Maker().histories((number + 2) // 3, 3, seed=1, disorder=trouble.disorder)[:number]
    return with_duplicates(ordered, trouble.duplicates, seed=2)


def _plan(product: Product, sent: list[Made], rate: float | None) -> Plan:
    path, secret = endpoint(product)
    requests = [request(event, path=path, secret=secret) for event in sent]
    return Plan(product.port, requests, rate=rate, insist=True, seconds=240)


def cause(
    trouble: Trouble, product: Product, cut: Callable[[], None], *, seconds: float
) -> list[threading.Timer]:
    """Cause the trouble at its times while `seconds` go by; `cut` kills and starts again."""
    timers: list[threading.Timer] = []
    if trouble.outage:
        timers.append(_after(seconds / 4, lambda: _outage(product, trouble.outage)))
    if trouble.kill:
        timers.append(_after(seconds / 2, cut))
    return timers


def _after(seconds: float, act: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def _outage(product: Product, seconds: float) -> None:
    faults = f"{product.sandbox['salesforce']}/_sandbox/faults"
    ask(faults, method="POST", data={"kind": "reset"})
    time.sleep(seconds)
    ask(faults, method="DELETE")


def _power_cut(product: Product) -> None:
    for name in ("work", "serve"):
        product.processes[name].kill()
    product.database.crash()
    time.sleep(1)
    product.serve()
    product.work()


def acknowledged(sent: list[Made], report: Report) -> list[Made]:
    """Return those of `sent` that were answered 200."""
    return [sent[position] for position in report.acknowledged]
