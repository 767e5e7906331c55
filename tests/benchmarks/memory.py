"""
This module measures memory: web and workers, and everything with both simulated systems.

One worker works alone, two in a pool.
Forked processes share pages, so each page counts in the shares of those that use it (PSS), after some work.
"""

from __future__ import annotations

from tests.benchmarks import cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.calls import Load, put
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import make_ready
from tests.benchmarks.product import Product, a_product
from tests.benchmarks.tables import Figures, Table

COLUMNS = {
    "web": ("web MB", ",.0f"),
    "workers": ("workers MB", ",.0f"),
    "small": ("both MB", ",.0f"),
    "supervisor": ("supervisor MB", ",.0f"),
    "watch": ("watch MB", ",.0f"),
    "sandbox": ("simulated systems MB", ",.0f"),
    "whole": ("everything MB", ",.0f"),
    "database": ("database server MB", ",.0f"),
}
MEGABYTE = 1e6


def measure(asked: Asked) -> Measured:
    """Measure installations that have handled some events, with one drain worker and with the default."""
    table = Table("memory", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            table.add(f"{kind}, one worker", _measured(kind, asked, workers=1))
            table.add(f"{kind}, two workers", _measured(kind, asked, workers=2))
    figures = {f"P11.small.{kind}": table.figure(f"{kind}, one worker", "small") for kind in asked.kinds}
    figures |= {f"P11.whole.{kind}": table.figure(f"{kind}, two workers", "whole") for kind in asked.kinds}
    return Measured([table], figures)


def _measured(kind: str, asked: Asked, *, workers: int) -> Figures:
    settings = {"INTEGRATOR_WORKERS": str(workers)}
    with a_database(kind) as database, a_product(database, redis=asked.redis, **settings) as product:
        make_ready(product, latency=asked.latency)
        put(product, Load("memory", asked.events, None))
        return {name: size / MEGABYTE for name, size in _parts(product).items()}


def _parts(product: Product) -> dict[str, int]:
    started = product.processes
    supervisor = cpu.tree(started["work"].pid)[0]
    below = {child.cmdline()[-1]: child for child in supervisor.children()}
    workers = below.get("pool") or below["drain"]  # which is there for one alone
    parts = {
        "web": cpu.shares(cpu.tree(started["serve"].pid)),
        "workers": cpu.shares(cpu.tree(workers.pid)),
        "watch": cpu.shares(cpu.tree(below["watch"].pid)),
        "supervisor": cpu.shares([supervisor]),
        "sandbox": cpu.shares(cpu.tree(started["sandbox"].pid)),
        "database": cpu.shares(server for root in product.database.roots() for server in cpu.tree(root)),
    }
    whole = sum(size for name, size in parts.items() if name != "database")
    return parts | {"small": parts["web"] + parts["workers"], "whole": whole}
