"""
This module measures the listener: how fast it stores what an org's event bus tells, and in how much memory.

The events wait on the bus, as after an outage. They come by gRPC with TLS from the simulated org to a process
of `manage.py listen`. An event counts once it is committed with its position. Some are delivered once more.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks import cpu
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.databases import a_database
from tests.benchmarks.product import Product, a_product, ask, wait_until
from tests.benchmarks.records import AT_ONCE, Caller
from tests.benchmarks.tables import Table

TOPIC = "/data/ChangeEvents"
AGAIN = 20  # one event in so many is delivered once more
MEGABYTE = 1e6
COLUMNS = {
    "rate": ("events/s stored", ",.0f"),
    "cpu": ("CPU ms/event of the listener", ".3f"),
    "whole": ("database included", ".3f"),
    "memory": ("listener's memory at its highest MB", ",.0f"),
    "repeated": ("delivered once more", ",.0f"),
    "doubled": ("stored twice", ",.0f"),
    "missing": ("missing", ",.0f"),
}

Told = tuple[str, str]  # the type of an event, and the id of its record


def measure(asked: Asked) -> Measured:
    """Let so many events wait on the bus and have them heard, in each round by a new installation."""
    table = Table("listener", COLUMNS)
    for _ in range(asked.rounds):
        for kind in asked.kinds:
            with a_database(kind) as database, a_product(database, redis=asked.redis) as product:
                product.start_sandbox(latency=0)
                product.bootstrap("--topic", TOPIC)
                table.add(kind, heard(product, asked.events))
    figures = {}
    for kind in asked.kinds:
        figures[f"L1.rate.{kind}"] = table.figure(kind, "rate")
        figures[f"L1.memory.{kind}"] = table.figure(kind, "memory")
        figures[f"L1.wrong.{kind}"] = table.figure(kind, "missing") + table.figure(kind, "doubled")
    return Measured([table], figures)


def heard(product: Product, number: int) -> dict[str, float]:
    """
    Publish about `number` events while nobody listens, have them heard, and return the figures.

    The rate is that of what is committed after the first batch, so that starting is not in it.
    """
    caller, database = Caller(product.sandbox["salesforce"]), product.database
    with listening(product):
        (first,) = caller.create("Account", [{"Name": "First"}])
        wait_until(lambda: database.count("flows_event") == 1, "The first event was not stored.")
    told = Counter(_publish(caller, number))
    repeated = _bus(product, "/repeat", topic=TOPIC, count=number // AGAIN)["repeated"]
    with listening(product) as listener:
        wait_until(lambda: database.count("flows_event") > 1, "No event was stored.")
        start, before = time.monotonic(), database.count("flows_event")
        used, whole = cpu.spent([listener]), cpu.spent(product.roots())
        all_of_them = told.total() + repeated
        wait_until(
            lambda: _is_through(product, all_of_them), "Not every event was heard.", within=600, every=0.2
        )
        took, after = time.monotonic() - start, database.count("flows_event")
        used, whole = cpu.spent([listener]) - used, cpu.spent(product.roots()) - whole
        memory = highest_memory(listener)
    stored = Counter(database.rows("SELECT type, object_id FROM flows_event"))
    stored -= Counter([("Account.created", first)])
    return {
        "rate": (after - before) / took,
        "cpu": 1_000 * used / (after - before),
        "whole": 1_000 * whole / (after - before),
        "memory": memory / MEGABYTE,
        "repeated": repeated,
        "doubled": (stored - told).total(),
        "missing": (told - stored).total(),
    }


@contextlib.contextmanager
def listening(product: Product) -> Iterator[int]:
    """Listen for as long as the context lasts; the stream is open, and the id is that of the process."""
    process = product.start("listen", "listen", INTEGRATOR_ROLE="listen")
    try:
        wait_until(lambda: bool(_bus(product)["streams"]), "The topic is not heard.")
        yield process.pid
    finally:
        process.stop()
    wait_until(lambda: not _bus(product)["streams"], "The stream did not end.")


def highest_memory(pid: int) -> int:
    """Return the most bytes that a process ever had in memory (Linux only)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _publish(caller: Caller, number: int) -> Iterator[Told]:
    """Make and change records of several objects, and yield what the bus is to tell of each."""
    for start in range(0, number, 4 * AT_ONCE):
        places = range(start // 4, min(number, start + 4 * AT_ONCE) // 4)
        accounts = caller.create("Account", [_account(place) for place in places])
        yield from (("Account.created", one) for one in accounts)
        changes = zip(accounts, places, strict=True)
        caller.update(
            "Account", [{"id": one, "Name": f"Acme & Sons {place}", "Phone": "1"} for one, place in changes]
        )
        yield from (("Account.updated", one) for one in accounts)
        people = [{"FirstName": "Ada", "LastName": f"No. {place}"} for place in places]
        yield from (("Contact.created", one) for one in caller.create("Contact", people))
        sale = {"StageName": "Prospecting", "CloseDate": "2026-12-31"}
        sales = [{"Name": f"Sale {place}", "Amount": place, **sale} for place in places]
        yield from (("Opportunity.created", one) for one in caller.create("Opportunity", sales))


def _account(place: int) -> dict[str, str]:
    address = {"BillingStreet": f"{place} Main Street", "BillingCity": "Berlin", "BillingPostalCode": "10115"}
    return {"Name": f"Acme {place}", "Industry": "Energy", "Website": "https://acme.test", **address}


def _is_through(product: Product, number: int) -> bool:
    """Tell whether so many events were delivered, and the position behind the last of them is kept."""
    ends = [one["replay"] for one in _bus(product)["streams"] if one["delivered"] >= number]
    kept = product.database.rows("SELECT replay_id FROM connectors_topic")
    return any(bytes(position) == end.to_bytes(8, "big") for (position,) in kept for end in ends)


def _bus(product: Product, lever: str = "", **data: Any) -> dict[str, Any]:
    address = f"{product.sandbox['salesforce']}/_sandbox/pubsub{lever}"
    found: dict[str, Any] = ask(address, method="POST", data=data) if lever else ask(address)
    return found
