"""This module holds a flow document, and changes its draft as a person would."""

from __future__ import annotations

from typing import Any

from flows import designer
from flows.designing import edits, tree
from flows.models import Draft
from tests.builders import NOON

STOP = {"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}
DOCUMENT = {
    "format": 1,
    "name": "Payments",
    "trigger": {"kind": "stripe.event", "slot": "stripe", "types": ["charge.succeeded"]},
    "steps": [
        {
            "id": "map_payment",
            "kind": "map",
            "title": "Describe",
            "settings": {
                "target": "Payment__c",
                "lines": [
                    {"field": "External_ID__c", "from": ["charge.id"]},
                    {"field": "Name", "from": ["charge.id"]},
                ],
            },
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "title": "Save",
            "settings": {
                "object": "Payment__c",
                "external_id": "External_ID__c",
                "record": "map_payment",
            },
        },
        {
            "id": "large",
            "kind": "condition",
            "title": "Large?",
            "settings": {"all": [{"path": "charge.amount", "is": "greater", "value": 100}]},
            "exits": {"yes": [STOP]},
        },
    ],
}


def change(
    draft: Draft, *changes: dict[str, Any], actor: str = "ada", revision: int = 0, **given: Any
) -> Draft:
    """Return the draft after `changes`."""
    read = edits.read(list(changes))
    revision = revision or Draft.objects.get(pk=draft.pk).revision
    return designer.apply(draft, read, revision=revision, actor=actor, now=NOON, **given)


def order(draft: Draft) -> list[str]:
    """Return the ids of all steps from top to bottom."""
    return tree.ids(draft.document["steps"])


def titled(step: str, title: str) -> dict[str, Any]:
    """Return the edit that calls `step` so."""
    return {"edit": "set_title", "step": step, "title": title}
