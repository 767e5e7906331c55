"""This module stands in for both systems behind the gateway, in memory, for tests of whole passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from connectors import gateway
from flows import runner
from flows.lanes import WorkerLease
from flows.models import Deployment, FlowVersion, Lane, Pair, Run
from flows.publishing import publish
from integrator.kernel.errors import IntegrationError, Missing
from tests.builders import NOON, a_flow


class TwoSystems:
    """A Stripe that is told what to say, and an org that keeps what it is sent."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Mapping[str, Any]]]] = []
        self.records: dict[str, dict[str, Any]] = {}  # by object and id
        self.objects: dict[str, dict[str, Any]] = {}  # by Stripe's id
        self.answers: dict[str, Callable[[Mapping[str, Any]], Any]] = {}  # by action, instead of the usual

    def __call__(
        self,
        *,
        connection_id: int,
        action: str,
        requests: Sequence[Mapping[str, Any]],
        deadline: float,
        cause: int = 0,
    ) -> list[Any]:
        self.calls.append((action, list(requests)))
        answer = self.answers.get(action) or getattr(self, f"_{action}")
        return [answer(request) for request in requests]

    def made(self, action: str) -> list[Mapping[str, Any]]:
        """Return every request of `action`, in order."""
        return [request for name, requests in self.calls if name == action for request in requests]

    def _upsert(self, request: Mapping[str, Any]) -> dict[str, Any]:
        key = f"{request['object']}:{request['external_id']}"
        created = key not in self.records
        self.records[key] = {**self.records.get(key, {}), **request["values"]}
        return {"id": f"a0{len(self.records):013d}AAA", "created": created}

    def _update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        key = f"{request['object']}:{request['id']}"
        self.records[key] = {**self.records.get(key, {}), **request["values"]}
        return {"id": request["id"], "created": False}

    def _start_flow(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"outputs": {}}

    def _retrieve(self, request: Mapping[str, Any]) -> Any:
        found = self.objects.get(request["id"])
        if found is None:
            return Missing("No such object")
        now = datetime.now(UTC).isoformat()
        return {"object": found, "requested_at": now, "answered_at": now}


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> TwoSystems:
    """Return both systems, in the gateway's place."""
    both = TwoSystems()
    monkeypatch.setattr(gateway, "call_many", both)
    return both


UPSERT: list[dict[str, Any]] = [
    {
        "id": "describe",
        "kind": "map",
        "settings": {
            "target": "Payment__c",
            "lines": [
                {"field": "External_ID__c", "from": ["charge.payment_intent"], "empty": "fail"},
                {"field": "Status__c", "from": ["charge.status"]},
                {"field": "Card_Brand__c", "from": ["charge.brand"]},
            ],
        },
    },
    {
        "id": "save",
        "kind": "salesforce.upsert",
        "settings": {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"},
    },
]

DUN: dict[str, Any] = {
    "id": "dun",
    "kind": "salesforce.start_flow",
    "settings": {"flow": "Stripe_Dunning", "record": ["charge.payment_intent"], "through": "direct"},
}


ACCOUNT = "001000000000001AAA"
STATUS: dict[str, Any] = {
    "id": "status",
    "kind": "map",
    "settings": {
        "target": "Account",
        "lines": [{"field": "Stripe_Payment_Status__c", "from": ["charge.status"]}],
    },
}
TELL: dict[str, Any] = {
    "id": "tell",
    "kind": "salesforce.update",
    "settings": {
        "object": "Account",
        "record": "status",
        "id": ["charge.metadata.salesforce_account_id"],
    },
}
RANKED_TELL: dict[str, Any] = {
    **TELL,
    "settings": {**TELL["settings"], "newest_by": ["event.created"]},
}


def a_deployed_flow(pair: Pair, steps: Sequence[Mapping[str, Any]], slug: str = "payments") -> Deployment:
    """Return a flow of `steps` that starts with every event about a charge, live on `pair`."""
    flow = a_flow(pair.integration, slug=slug)
    document = {
        "format": 1,
        "name": slug,
        "trigger": {"kind": "stripe.event", "types": ["charge.succeeded", "charge.failed", "charge.updated"]},
        "steps": list(steps),
    }
    publish(flow=flow, document=document, note="", actor="ada", now=NOON)
    version = FlowVersion.objects.filter(flow=flow).latest("number")
    return Deployment.objects.create(
        flow=flow, version=version, pair=pair, deployed_at=NOON, deployed_by="ada"
    )


def work_until_quiet(worker: WorkerLease) -> int:
    """Let `worker` do passes until nothing is ready, and return how many it took."""
    passes = 0
    while runner.work(worker, lambda: True):
        passes += 1
        assert passes < 200, f"still busy: {Run.objects.values_list('state', 'reason')}"
    return passes


def refusing(failure: IntegrationError, *external_ids: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return an answer that refuses these records, or all."""

    def upsert(request: Mapping[str, Any]) -> Any:
        if not external_ids or request["external_id"] in external_ids:
            return failure
        return {"id": "a01000000000001AAA", "created": True}

    return upsert


def pass_time(by: timedelta) -> None:
    """Let everything that is due at some time be due so much earlier, as if that time had passed."""
    Run.objects.update(next_attempt_at=F("next_attempt_at") - by)
    Lane.objects.update(ready_at=F("ready_at") - by)
    Deployment.objects.update(held_until=F("held_until") - by)
