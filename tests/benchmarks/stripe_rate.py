"""
This module measures how near changes come to the rate at which Stripe takes them, and what is refused.

The simulated Stripe refuses what an account asks beyond so many requests in any second, as the real one does.
Several processes write through the gateway at once, each with its share of the account's budget.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from connectors.throttle import STRIPE_TEST_LIMIT, rate_within
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.product import ROOT, Product, a_product, ask
from tests.benchmarks.tables import Table

WORKERS = (1, 2, 4)  # processes
KEY = "sk_test_sandbox"  # that the simulated Stripe knows from its start
COLUMNS = {
    "rate": ("requests/s", ",.1f"),
    "share": ("of the limit %", ".1f"),
    "refused": ("refused (429)", ",.0f"),
    "wrong": ("not changed", ",.0f"),
}


def measure(asked: Asked) -> Measured:
    """Change so many customers by each number of processes, on a new installation each."""
    table = Table("processes", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            for workers in WORKERS:
                settings = {"INTEGRATOR_WORKERS": str(workers)}
                with a_database(kind) as database, a_product(database, **settings) as product:
                    product.start_sandbox(latency=0)
                    product.bootstrap()
                    table.add(f"{workers}, {kind}", changed(product, asked.events, workers))
    return Measured([table])


def changed(product: Product, number: int, workers: int) -> dict[str, float]:
    """Change so many customers and return how fast that went."""
    stripe = product.sandbox["stripe"]
    ids = _customers(stripe, number)
    rate = rate_within(STRIPE_TEST_LIMIT, processes=workers)
    product.manage("shell", "-c", f"{_DECLARE}.configure(requests_per_second={rate})")
    ask(f"{stripe}/_sandbox/settings", method="POST", data={"rate_limit": STRIPE_TEST_LIMIT})
    processes = [_writer(product) for _ in range(workers)]
    for process in processes:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
    before = _refused(stripe)
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        shares = [json.dumps(ids[place::workers]) for place in range(workers)]
        told = list(
            pool.map(lambda pair: pair[0].communicate(pair[1])[0], zip(processes, shares, strict=True))
        )
    took = time.monotonic() - began
    done = sum(json.loads(one)["changed"] for one in told)
    rate = number / took
    return {
        "rate": rate,
        "share": 100 * rate / STRIPE_TEST_LIMIT,
        "refused": _refused(stripe) - before,
        "wrong": number - done,
    }


# The simulated Stripe is on this machine, which is asked without a limit otherwise.
_DECLARE = "from connectors.models import Connection; Connection.objects.get(system='stripe')"


def _writer(product: Product) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.stripe_writer"],
        cwd=ROOT,
        env=product.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _customers(stripe: str, number: int) -> list[str]:
    """Make customers, and return their ids."""
    session = requests.Session()
    headers = {"Authorization": f"Bearer {KEY}"}
    return [
        session.post(f"{stripe}/v1/customers", data={"name": str(n)}, headers=headers, timeout=60).json()[
            "id"
        ]
        for n in range(number)
    ]


def _refused(stripe: str) -> int:
    return int(ask(f"{stripe}/_sandbox/counts")["statuses"].get("429", 0))
