"""
This module measures what the payments template costs where a payment has more to tell.

The same event with a customer whom the org knows, whose record is looked up for an account; and with an
account, an opportunity and an order besides, which learn how the payment stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import requests

from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import make_ready
from tests.benchmarks.drain import drained
from tests.benchmarks.events import Made, Maker
from tests.benchmarks.product import Product, a_product, ask
from tests.benchmarks.records import Caller
from tests.benchmarks.tables import Table

COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "workers": ("CPU ms/event of the workers", ".3f"),
    "cpu": ("database included", ".3f"),
    "calls": ("calls/event", ".4f"),
}
STRIPE_KEY = "sk_test_sandbox"  # that the simulated Stripe knows from its start
CUSTOMERS = 500  # about ten payments each

PLAIN = "a payment alone"
KNOWN = "with a customer"
NEW = "with customers new to the org, ten payments each"
RELATED = "with a customer's account, an opportunity and an order"


def measure(asked: Asked) -> Measured:
    """Drain each kind of event on one installation in turn, in each round on a new one."""
    table = Table("payment", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
                make_ready(product, latency=0)
                people = _people(product)
                ask(
                    f"{product.sandbox['salesforce']}/_sandbox/latency",
                    method="POST",
                    data={"seconds": asked.latency},
                )
                for name, events in _variants(people, asked.events):
                    table.add(f"{name}, {kind}", drained(product, events))
    return Measured([table])


def _variants(people: _People, number: int) -> Iterator[tuple[str, list[Made]]]:
    yield PLAIN, _events("p", number, [{}])
    yield KNOWN, _events("k", number, [{"customer": name} for name in people.known])
    yield RELATED, _events("r", number, people.related)
    fresh = [{"customer": name} for name in people.new]
    yield NEW, _events("n", number, fresh)


def _events(prefix: str, number: int, ids: Sequence[Mapping[str, str]]) -> list[Made]:
    maker = Maker(prefix=prefix, names=tuple(ids[0]))
    return [
        maker.make(charge, 2, given)
        for charge, given in zip(range(number), itertools.cycle(ids), strict=False)
    ]


@dataclass(frozen=True)
class _People:
    known: Sequence[str]  # customers whose record is in the org
    new: Sequence[str]  # customers that only Stripe has
    related: Sequence[Mapping[str, str]]  # known ones, with the ids of what belongs to them


def _people(product: Product) -> _People:
    """Make customers in Stripe, and records of some of them in the org."""
    names = [_customer(product, number) for number in range(3 * CUSTOMERS)]
    known, new, owners = (names[start : start + CUSTOMERS] for start in range(0, 3 * CUSTOMERS, CUSTOMERS))
    caller = Caller(product.sandbox["salesforce"])
    accounts = caller.create("Account", [{"Name": name} for name in owners])
    opportunity = {"StageName": "Prospecting", "CloseDate": "2026-12-31"}
    opportunities = caller.create("Opportunity", [{"Name": name, **opportunity} for name in owners])
    orders = caller.create(
        "Order", [{"AccountId": one, "EffectiveDate": "2026-11-01", "Status": "Draft"} for one in accounts]
    )
    caller.create("Stripe_Customer__c", [{"Name": name, "External_ID__c": name} for name in known])
    caller.create(
        "Stripe_Customer__c",
        [
            {"Name": name, "External_ID__c": name, "Account__c": account}
            for name, account in zip(owners, accounts, strict=True)
        ],
    )
    related = [
        {"customer": name, "salesforce_opportunity_id": opportunity, "salesforce_order_id": order}
        for name, opportunity, order in zip(owners, opportunities, orders, strict=True)
    ]
    return _People(known, new, related)


def _customer(product: Product, number: int) -> str:
    answer = requests.post(
        f"{product.sandbox['stripe']}/v1/customers",
        data={"name": f"Customer {number}", "email": f"customer{number}@acme.test"},
        auth=(STRIPE_KEY, ""),
        timeout=30,
    )
    return str(answer.json()["id"])
