"""
This module decodes events of the bus, from Avro to the delivery for the inbox, and prints what that costs.

The events are those that the simulated org writes of real saves. It is processor time of one process, and the
lowest of several rounds, so that other work on the machine has little part in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from connectors.salesforce.pubsub import events
from connectors.salesforce.pubsub.client import Heard
from connectors.salesforce.pubsub.schemas import Schema, schema_of
from connectors.sandbox.salesforce.bus.encoding import encode
from connectors.sandbox.salesforce.bus.event_log import bytes_of
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.saving import Saving
from flows import heard

TOPIC = "/data/ChangeEvents"
NUMBER = 300  # events of each kind
REPEATED = 9  # times in a round, of which the quickest counts


def main() -> None:
    """Decode events of several objects, each kind by itself, and print what one costs."""
    org = Org()
    costs = {}
    for name, told in _told_by(org).items():
        schema_id = told[0].schema_id
        costs[name] = cost(schema_of(schema_id, org.schemas.known[schema_id].json), told)
    print(json.dumps(costs))


def cost(schema: Schema, told: list[Heard]) -> dict[str, float]:
    """Return the microseconds that one of these events costs, in parts and as a whole."""

    def whole() -> None:
        for one in told:
            heard.delivery(TOPIC, one, events.read(schema.read(one.payload), schema.layout))

    values = [schema.read(one.payload) for one in told]
    read = [events.read(one, schema.layout) for one in values]
    pairs = list(zip(told, read, strict=True))
    parts: dict[str, Callable[[], Any]] = {
        "avro": lambda: [schema.read(one.payload) for one in told],
        "read": lambda: [events.read(one, schema.layout) for one in values],
        "delivery": lambda: [heard.delivery(TOPIC, *pair) for pair in pairs],
        "whole": whole,
    }
    costs = {name: 1e6 * min(_seconds(part) for _ in range(REPEATED)) for name, part in parts.items()}
    return {"fields": len(schema.layout.fields), **{name: one / len(told) for name, one in costs.items()}}


def _seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _told_by(org: Org) -> dict[str, list[Heard]]:
    """Save records of several objects in the org, and return what its bus tells of them, by their kind."""
    start = org.log.tip
    for place in range(NUMBER):
        _save(org, place)
    told: dict[str, list[Heard]] = {}
    for notice in org.log.read(TOPIC, start, 4 * NUMBER):
        schema_id, payload = encode(notice.fact, org.schemas, frozenset())
        change = f"{notice.fact.object.name}, {notice.fact.kind.lower()}"
        event = Heard(notice.uuid, schema_id, payload, bytes_of(notice.replay))
        told.setdefault(change, []).append(event)
    return told


def _save(org: Org, place: int) -> None:
    """Make an account, change it, and make a contact and an opportunity: each a transaction of its own."""
    address = {"BillingStreet": f"{place} Main Street", "BillingCity": "Berlin", "BillingPostalCode": "10115"}
    with _saving(org) as saving:
        account = saving.create(org.table("Account"), {"Name": f"Acme {place}", **address})
    with _saving(org) as saving:
        record = saving.record(org.table("Account"), account.id)
        changed = {"Name": f"Acme & Sons {place}", "Phone": "1", "BillingCity": f"Paris {place}"}
        saving.update(org.table("Account"), record, changed)
    with _saving(org) as saving:
        person = {"FirstName": "Ada", "LastName": f"No. {place}", "Email": f"ada{place}@acme.test"}
        saving.create(org.table("Contact"), person)
    with _saving(org) as saving:
        sale = {"StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": Decimal(place)}
        saving.create(org.table("Opportunity"), {"Name": f"Sale {place}", **sale})


@contextmanager
def _saving(org: Org) -> Iterator[Saving]:
    flight = org.history.take_off()
    saving = Saving(org, flight, org.door.automation.id)
    yield saving
    saving.settle()
    flight.answered = flight.arrived
