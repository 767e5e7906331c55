"""This module compares what was acknowledged with what the product lists and what Salesforce holds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.benchmarks import seeding
from tests.benchmarks.events import Made
from tests.benchmarks.product import Product, ask

PAGE = 200


@dataclass
class Verdict:
    """What was found wrong, and the fates that add up."""

    acknowledged: int = 0
    not_listed: list[str] = field(default_factory=list)
    not_delivered: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)

    def clean(self) -> bool:
        """Tell whether nothing is wrong."""
        return not (self.not_listed or self.not_delivered or self.wrong or self.doubled)


def wait_until_drained(product: Product, *, within: float) -> float:
    """
    Wait until no event is queued, and return how long that took.

    :raises RuntimeError: if it takes longer than `within` seconds
    """
    begun = time.monotonic()
    while time.monotonic() - begun < within:
        if not product.database.count("flows_event", "fate = 'queued'"):
            return time.monotonic() - begun
        time.sleep(0.05)
    left = product.database.count("flows_event", "fate = 'queued'")
    raise RuntimeError(f"{left} events are still queued after {within} s.")


def check_all_applied(product: Product) -> None:
    """
    Make sure that what was measured was work done, and not failing quickly.

    What the simulated Stripe tells of customers that a measurement made is no work of it.

    :raises RuntimeError: if an event ended in another way than applied
    """
    ours = f"external_id NOT LIKE '{seeding.PREFIX}%' AND type NOT LIKE 'customer.%'"
    other = product.database.count("flows_event", f"{ours} AND fate NOT IN ('applied', 'superseded')")
    if other:
        raise RuntimeError(f"{other} events were not applied: {product.log('work')[-2000:]}")


def check(product: Product, acknowledged: Iterable[Made]) -> Verdict:
    """Look every acknowledged event up by REST, and every record in the simulated Salesforce."""
    events = list(acknowledged)
    verdict = check_records(product, events)
    listed = _listed(product, verdict)
    verdict.not_listed = sorted({event.id for event in events} - listed)
    return verdict


def check_records(product: Product, events: Sequence[Made]) -> Verdict:
    """Look every record of the acknowledged `events` up in the simulated Salesforce."""
    verdict = Verdict(acknowledged=len({event.id for event in events}))
    newest: dict[str, Made] = {}
    for event in events:
        if event.charge not in newest or event.version > newest[event.charge].version:
            newest[event.charge] = event
    held = ask(
        f"{product.sandbox['salesforce']}/_sandbox/records?object=Payment__c&by=External_ID__c&limit=1000000"
    )
    verdict.doubled = sorted(held["duplicates"])
    records = {record["External_ID__c"]: record for record in held["records"]}
    for charge, event in newest.items():
        record = records.get(charge)
        if record is None:
            verdict.not_delivered.append(charge)
        elif not _shows(record, event):
            verdict.wrong.append(charge)
    return verdict


def _listed(product: Product, verdict: Verdict) -> set[str]:
    listed: set[str] = set()
    page: dict[str, Any] = product.api(f"events/?limit={PAGE}")
    while True:
        for event in page["results"]:
            listed.add(event["external_id"])
            verdict.fates[event["fate"]] += 1
        if not page.get("next"):
            return listed
        page = ask(page["next"], token=product.made["token"])


def _shows(record: dict[str, Any], event: Made) -> bool:
    amount = Decimal(str(record["Amount__c"]))
    return amount == Decimal(event.amount) / 100 and record["Status__c"] == event.status


def calls(product: Product) -> int:
    """Return how many data calls Salesforce has received: logins and control calls are not counted."""
    routes: dict[str, int] = ask(f"{product.sandbox['salesforce']}/_sandbox/counts")["routes"]
    return sum(count for route, count in routes.items() if "/services/data/" in route)


def written_at(product: Product, charges: str = "") -> dict[str, float]:
    """Return when each Payment record was written first, by its external id; `charges` is how they begin."""
    url = f"{product.sandbox['salesforce']}/_sandbox/writes?object=Payment__c&limit=1000000"
    first: dict[str, float] = {}
    for write in ask(url)["writes"]:
        name = write["external_id"] or ""
        if name.startswith(charges):
            first[name] = min(write["at"], first.get(name, write["at"]))
    return first
