"""
This module measures changes of many accounts on their way from the org's bus to their customers at Stripe.

Listener, workers and both simulated systems are processes of their own. The simulated Stripe refuses what
comes beyond its limit in any second. Each account costs a read of its customer and a change. Afterwards some
are changed one by one while nothing else happens, and timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import requests

from connectors.throttle import STRIPE_LIVE_LIMIT, rate_within
from tests.benchmarks import cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.listener import listening
from tests.benchmarks.product import Product, a_product, ask, wait_until
from tests.benchmarks.records import Caller
from tests.benchmarks.tables import Table

FLOW, TOPIC = "accounts", "/data/AccountChangeEvent"
KEY = "sk_test_sandbox"  # that the simulated Stripe knows from its start
LIMIT = STRIPE_LIVE_LIMIT  # requests a second
FRESH_SECONDS = 1.0  # after which a process looks at a connection again, as the gateway has it
WORKERS = (2,)  # processes: as many as an installation has by itself
ALONE = 20  # accounts that are changed one by one
AGREED = "Acme"  # what customers are called at first
CHANGE = "POST /v1/customers/"
COLUMNS = {
    "rate": ("requests/s", ",.1f"),
    "share": ("of the limit %", ".1f"),
    "accounts": ("accounts/s", ",.1f"),
    "asked": ("requests per account", ".2f"),
    "refused": ("refused (429)", ",.0f"),
    "wrong": ("customers wrong", ",.0f"),
    "cpu": ("CPU ms/account", ".2f"),
    "alone50": ("one alone p50 s", ".2f"),
    "alone99": ("p99 s", ".2f"),
}


def measure(asked: Asked) -> Measured:
    """Change so many accounts at once, and some alone, in each round on new installations."""
    table = Table("workers", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            for workers in WORKERS:
                settings = {"INTEGRATOR_WORKERS": str(workers)}
                with (
                    a_database(kind) as database,
                    a_product(database, redis=asked.redis, **settings) as product,
                ):
                    table.add(f"{workers}, {kind}", _round(product, asked.events, workers))
    figures = {}
    for kind in asked.kinds:
        usual = f"{WORKERS[0]}, {kind}"
        figures[f"L3.share.{kind}"] = table.figure(usual, "share")
        figures[f"L3.refused.{kind}"] = table.figure(usual, "refused")
        figures[f"L3.wrong.{kind}"] = table.figure(usual, "wrong")
        figures[f"L4.alone.{kind}"] = table.figure(usual, "alone50")
    return Measured([table], figures)


def _round(product: Product, number: int, workers: int) -> dict[str, float]:
    product.start_sandbox(latency=0)
    product.bootstrap("--flow", FLOW, "--topic", TOPIC)
    people = _People(product)
    people.make(number)
    product.work()
    with listening(product):
        people.change(range(number), AGREED)  # both sides are alike then, which the flow keeps in mind
        people.wait(number)
        rate = rate_within(LIMIT, processes=workers)
        product.manage("shell", "-c", f"{_DECLARE}.configure(requests_per_second={rate})")
        time.sleep(2 * FRESH_SECONDS)  # for so long workers go by what they know of the connection
        figures = _all_at_once(product, people)
        alone = sorted(_alone(people, place) for place in range(min(ALONE, number)))
    return {
        **figures,
        "alone50": statistics.median(alone),
        "alone99": alone[min(len(alone) - 1, int(0.99 * len(alone)))],
    }


# The simulated Stripe is on this machine, which is asked without a limit otherwise.
_DECLARE = "from connectors.models import Connection; Connection.objects.get(system='stripe')"


def _all_at_once(product: Product, people: _People) -> dict[str, float]:
    """Change every account and return how fast the customers followed."""
    number, stripe = len(people.accounts), people.stripe
    ask(f"{stripe}/_sandbox/settings", method="POST", data={"rate_limit": LIMIT})
    before, used = _counts(stripe), cpu.spent(product.roots())
    people.change(range(number), "Renamed")
    wait_until(lambda: _counts(stripe)["total"] > before["total"], "Nothing was asked.", every=0.02)
    began, first = time.monotonic(), _counts(stripe)
    changed = _changes(before) + number
    within = 60 + 10 * number / LIMIT
    wait_until(lambda: _changes(_counts(stripe)) >= changed, "Not all followed.", within=within, every=0.2)
    took, last = time.monotonic() - began, _counts(stripe)
    used = cpu.spent(product.roots()) - used
    ask(f"{stripe}/_sandbox/settings", method="POST", data={"rate_limit": 0})
    people.wait(2 * number)
    rate = (last["total"] - first["total"]) / took
    return {
        "rate": rate,
        "share": 100 * rate / LIMIT,
        "accounts": number / took,
        "asked": (last["total"] - before["total"]) / number,
        "refused": last["statuses"].get("429", 0) - before["statuses"].get("429", 0),
        "wrong": people.wrong("Renamed"),
        "cpu": 1_000 * used / number,
    }


def _alone(people: _People, place: int) -> float:
    """Change one account and return after how many seconds its customer was changed."""
    began = time.time()
    people.change(range(place, place + 1), "Alone")
    path = f"^/v1/customers/{people.customers[place]}$"
    address = f"{people.stripe}/_sandbox/journal"
    query = {"path": path, "method": "POST", "limit": "1"}

    def written() -> list[dict[str, Any]]:
        calls = requests.get(address, params=query, timeout=60).json()["calls"]
        return [call for call in calls if call["started"] >= began]

    wait_until(lambda: bool(written()), "The customer was not changed.", every=0.1)
    return float(written()[0]["started"]) - began


class _People:
    """The accounts of the org, with the customers that they have at Stripe."""

    def __init__(self, product: Product) -> None:
        self.stripe = product.sandbox["stripe"]
        self._product = product
        self._caller = Caller(product.sandbox["salesforce"])
        self.accounts: Sequence[str] = ()
        self.customers: Sequence[str] = ()

    def make(self, number: int) -> None:
        """Make so many accounts with a customer each, before anybody listens."""
        # Nobody takes webhooks here.
        ask(f"{self.stripe}/_sandbox/delivery", method="POST", data={"loss": 1})
        self.accounts = self._caller.create("Account", [{"Name": f"New {place}"} for place in range(number)])
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {KEY}"
        self.customers = [
            session.post(
                f"{self.stripe}/v1/customers", data={"name": f"{AGREED} {place}"}, timeout=60
            ).json()["id"]
            for place in range(number)
        ]
        pairs = zip(self.accounts, self.customers, strict=True)
        self._caller.create(
            "Stripe_Customer__c",
            [{"Name": name, "External_ID__c": name, "Account__c": account} for account, name in pairs],
        )

    def change(self, places: range, name: str) -> None:
        """Give accounts another name."""
        self._caller.update(
            "Account", [{"id": self.accounts[place], "Name": f"{name} {place}"} for place in places]
        )

    def wait(self, number: int) -> None:
        """Wait until the inbox has at least so many events, and all of them are handled."""
        database, ours = self._product.database, "type LIKE 'Account.%'"

        def handled() -> bool:
            told = database.count("flows_event", ours)
            return told >= number and not database.count("flows_event", f"{ours} AND fate = 'queued'")

        wait_until(handled, "Not everything was handled.", within=600, every=0.2)

    def wrong(self, name: str) -> int:
        """Return how many customers do not have the name that their accounts were given last."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {KEY}"
        return sum(
            session.get(f"{self.stripe}/v1/customers/{customer}", timeout=60).json()["name"]
            != f"{name} {place}"
            for place, customer in enumerate(self.customers)
        )


def _changes(counts: dict[str, Any]) -> int:
    return sum(number for route, number in counts["routes"].items() if route.startswith(CHANGE))


def _counts(stripe: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(f"{stripe}/_sandbox/counts")
    return found
