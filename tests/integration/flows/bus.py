"""This module puts what an org's event bus has told into the inbox, and says what the org consists of."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from connectors.models import Connection, SchemaSnapshot
from connectors.schemas import EVERY
from flows.models import Event
from integrator import vault
from tests.builders import NOON

ACCOUNT = "001000000000001AAA"
STAMP = "2026-11-24T12:00:00.000+0000"
FIELDS: list[dict[str, Any]] = [
    {"name": "Id", "label": "Account ID", "type": "id", "nillable": False},
    {"name": "Name", "label": "Account Name", "type": "string", "length": 255, "nameField": True},
    {"name": "Phone", "label": "Phone", "type": "phone"},
    {"name": "AnnualRevenue", "label": "Annual Revenue", "type": "currency"},
    {"name": "Score__c", "label": "Score", "type": "double", "calculated": True},
]
_NUMBER = count(1)


def told(connection: Connection, kind: str, values: dict[str, Any], *records: str, **more: Any) -> Event:
    """Return an event of the bus in the inbox; `more` stands in its body."""
    number = next(_NUMBER)
    first = {"Id": records[0]} if records else {}
    body = {
        "id": f"bus_{number}",
        "type": kind,
        "entity": kind.partition(".")[0],
        "record_ids": list(records),
        "reread": False,
        "changed": [name for name in values if kind.endswith(".updated")],
        "data": {"object": first | values},
        **more,
    }
    return Event.objects.create(
        connection=connection,
        external_id=f"bus_{number}",
        type=kind,
        object_id=records[0] if records else "",
        happened_at=NOON,
        received_at=NOON,
        body=vault.seal(json.dumps(body).encode(), owner=f"event:{connection.pk}"),
    )


def changed(connection: Connection, *records: str, **values: Any) -> Event:
    """Return an event that says that an Account has changed."""
    return told(connection, "Account.updated", values, *(records or (ACCOUNT,)))


def describe(connection: Connection, name: str = "Account", fields: Any = None) -> None:
    """Keep what an object of the org consists of."""
    _keep(connection, name, {"name": name, "fields": FIELDS if fields is None else fields})


def list_objects(connection: Connection, *names: str) -> None:
    """Keep the list of the org's objects."""
    _keep(connection, EVERY, {"objects": [{"name": name, "queryable": True} for name in names]})


def _keep(connection: Connection, name: str, content: dict[str, Any]) -> None:
    SchemaSnapshot.objects.create(
        connection=connection, object=name, number=1, version="v67.0", digest="x", content=content,
        taken_at=NOON, checked_at=NOON,
    )  # fmt: skip
