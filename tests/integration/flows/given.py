"""This module puts events, live flows and runs into the database, as plain functions with defaults."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from connectors.models import Connection
from flows.dispatch import dispatch
from flows.lanes import WorkerLease
from flows.models import Deployment, Event, FlowVersion, Pair, Run, Worker
from integrator import vault
from tests.builders import NOON, a_flow

_NUMBER = count(1)


def a_charge(**fields: Any) -> dict[str, Any]:
    """Return a charge as an event carries it."""
    number = next(_NUMBER)
    return {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": 1999,
        "currency": "eur",
        "payment_intent": f"pi_{number}",
        "status": "succeeded",
    } | fields


def an_event(
    connection: Connection, found: dict[str, Any] | None = None, body: bytes | None = None, **fields: Any
) -> Event:
    """Return an event in the inbox that nobody has looked at."""
    number = next(_NUMBER)
    found = found if found is not None else a_charge()
    kind = fields.get("type", "charge.succeeded")
    created = fields.pop("created", int(NOON.timestamp()))
    payload = {
        "id": f"evt_{number}",
        "object": "event",
        "type": kind,
        "created": created,
        "data": {"object": found},
    }
    values = {
        "external_id": f"evt_{number}",
        "type": kind,
        "livemode": False,
        "object_id": found.get("id", ""),
        "happened_at": datetime.fromtimestamp(created, NOON.tzinfo),
        "received_at": NOON,
        "body": vault.seal(body or json.dumps(payload).encode(), owner=f"event:{connection.id}"),
    }
    return Event.objects.create(connection=connection, **(values | fields))


def a_live_flow(pair: Pair, *types: str, slug: str = "payments", enabled: bool = True) -> Deployment:
    """Return a deployment of a flow that starts with `types` and ends at once."""
    flow = a_flow(pair.integration, slug=slug)
    document = {
        "format": 1,
        "name": slug,
        "trigger": {"kind": "stripe.event", "types": list(types) or ["charge.succeeded"]},
        "steps": [{"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}],
    }
    version = FlowVersion.objects.create(
        flow=flow, number=1, document=document, content_hash=slug, published_at=NOON, published_by="ada"
    )
    return Deployment.objects.create(
        flow=flow, version=version, pair=pair, enabled=enabled, deployed_at=NOON, deployed_by="ada"
    )


def runs(pair: Pair, how_many: int, **charge: Any) -> list[Run]:
    """Return `how_many` due runs, each in a lane of its own unless `charge` says otherwise."""
    before = set(Run.objects.values_list("id", flat=True))
    for _ in range(how_many):
        an_event(pair.stripe, a_charge(**charge))
    dispatch(now=NOON)
    return list(Run.objects.exclude(id__in=before).order_by("id"))


def a_worker(name: str = "") -> WorkerLease:
    """Return a worker of this process; several with different names can live side by side."""
    return WorkerLease(name=name)


def die(worker: WorkerLease) -> None:
    """Let the lease of `worker` run out, as if it had not been heard of for a minute."""
    row = Worker.objects.get(id=worker.id)
    Worker.objects.filter(id=worker.id).update(expires_at=row.expires_at - timedelta(minutes=1))
