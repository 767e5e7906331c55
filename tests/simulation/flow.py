"""This module holds the flow of the worlds: payments are kept, and each failure starts a Flow once."""

from __future__ import annotations

from functools import cache
from typing import Any

from flows.engine import definition, plan
from flows.engine.plan import Plan
from flows.steps import registry

TYPES = [
    f"{kind}.{status}"
    for kind in ("charge", "payment_intent")
    for status in ("pending", "failed", "succeeded")
]
# What a flow does beside keeping payments: nothing, start a Flow by a record of ours, start it directly,
# keep what all payments share, the Account, as the payment that was made last has it, keep each line of a
# payment, or keep a field that the org lacks for a while.
WAYS = ("", "record", "direct", "shared", "lines", "held")
# Only where it is asked for: keep payments behind the start of a Flow, in an org that refuses some of them
# until a person tries them again, whole or from the failed step.
RETRIED = "retried"
LACKED = "Extra__c"
_FAILED = [name for name in TYPES if name.endswith("failed")]


def _start(through: str) -> dict[str, Any]:
    return {
        "id": "dunning",
        "kind": "salesforce.start_flow",
        "settings": {
            "flow": "Dunning",
            "through": through,
            "inputs": {"occurrence": {"from": ["event.id"]}},
        },
    }


def _start_of_failures(through: str) -> dict[str, Any]:
    return {
        "id": "failed",
        "kind": "condition",
        "settings": {"any": [{"path": "event.type", "is": "equal", "value": name} for name in _FAILED]},
        "exits": {"yes": [_start(through)]},
    }


_SHARED: list[dict[str, Any]] = [
    {
        "id": "sum_up",
        "kind": "map",
        "settings": {
            "target": "Account",
            "lines": [
                {"field": "Amount__c", "from": ["charge.amount", "payment_intent.amount"]},
                {"field": "Status__c", "from": ["charge.status", "payment_intent.status"]},
            ],
        },
    },
    {
        "id": "share",
        "kind": "salesforce.update",
        "settings": {
            "object": "Account",
            "id": ["charge.metadata.account", "payment_intent.metadata.account"],
            "record": "sum_up",
            "newest_by": ["charge.created", "payment_intent.created"],
        },
    },
]


_LINES: dict[str, Any] = {
    "id": "lines",
    "kind": "for_each",
    "settings": {"list": ["charge.lines", "payment_intent.lines"], "name": "line"},
    "exits": {
        "each": [
            {
                "id": "describe",
                "kind": "map",
                "settings": {
                    "target": "Line__c",
                    "lines": [
                        {"field": "External_ID__c", "from": ["line.id"]},
                        {"field": "Amount__c", "from": ["line.amount"]},
                    ],
                },
            },
            {
                "id": "keep",
                "kind": "salesforce.upsert",
                "settings": {"object": "Line__c", "external_id": "External_ID__c", "record": "describe"},
            },
        ]
    },
}


def document(through: str = "") -> dict[str, Any]:
    """Return the flow that goes one of the `WAYS`, or is `RETRIED`."""
    steps: list[dict[str, Any]] = [
        {
            "id": "map",
            "kind": "map",
            "settings": {
                "target": "Payment__c",
                "lines": [
                    {"field": "External_ID__c", "from": ["payment_intent.id", "charge.payment_intent"]},
                    {"field": "Amount__c", "from": ["charge.amount", "payment_intent.amount"]},
                    {"field": "Status__c", "from": ["charge.status", "payment_intent.status"]},
                ],
            },
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"object": "Payment__c", "external_id": "External_ID__c", "record": "map"},
        },
    ]
    if through == "shared":
        steps += _SHARED
    elif through == "lines":
        steps.append(_LINES)
    elif through == "held":
        steps[0]["settings"]["lines"].append({"field": LACKED, "from": ["charge.id", "payment_intent.id"]})
    elif through == RETRIED:
        steps = [_start_of_failures("record"), *steps]
    elif through:
        steps.append(_start_of_failures(through))
    return {
        "format": 1,
        "name": "Payments",
        "trigger": {
            "kind": "stripe.event",
            "types": TYPES,
            "fetch": ["charge.pending", "payment_intent.succeeded"],
        },
        "steps": steps,
    }


@cache
def compiled(through: str = "") -> Plan:
    """Return the flow ready to run."""
    kinds = registry.load()
    return plan.build(definition.load(document(through), kinds=kinds), kinds=kinds)
