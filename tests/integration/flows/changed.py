"""This module lets an org change under a live flow, as plain functions with defaults."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

from connectors.models import Connection, SchemaSnapshot
from connectors.salesforce.schema import kept
from flows.impact import keeping
from flows.impact.told import Finding
from flows.models import Deployment, Draft, Impact
from tests.builders import NOON

LATER = NOON + timedelta(days=1)
NOW = "charge.calculated_statement_descriptor"
KEY = {"name": "Key__c", "label": "Key", "externalId": True, "unique": True, "idLookup": True}
NOTE = {"name": "Note__c", "label": "Note"}
STATUS = {
    "name": "Status__c", "label": "Status", "type": "picklist", "restrictedPicklist": True,
    "picklistValues": [{"value": "Completed", "active": True}, {"value": "Failed", "active": True}],
}  # fmt: skip
AMOUNT = {
    "name": "Amount__c",
    "label": "Amount",
    "type": "currency",
    "length": 0,
    "precision": 18,
    "scale": 2,
}
OWNER = {"name": "Email__c", "label": "E-mail"}
STATUSES = {"succeeded": "Completed", "failed": "Failed", "pending": "Failed"}
STEPS: list[dict[str, Any]] = [
    {
        "id": "look", "kind": "salesforce.find",
        "settings": {
            "object": "Firm__c", "shows": [],
            "by": [{"kind": "equal", "field": "Email__c", "from": "charge.receipt_email"}],
        },
    },
    {
        "id": "map", "kind": "map", "title": "Describe",
        "settings": {
            "target": "Payment__c",
            "lines": [
                {"field": "Key__c", "from": ["charge.id"], "empty": "fail"},
                {"field": "Note__c", "from": ["charge.description"]},
                {
                    "field": "Status__c", "from": ["charge.status"],
                    "chips": [{"chip": "value_map", "map": STATUSES}],
                },
                {
                    "field": "Amount__c", "from": ["charge.amount"],
                    "chips": [{"chip": "money", "currency": ["charge.currency"]}],
                },
            ],
        },
    },
    {
        "id": "save", "kind": "salesforce.upsert",
        "settings": {"object": "Payment__c", "external_id": "Key__c", "record": "map"},
    },
]  # fmt: skip


def described(connection: Connection, number: int, *fields: dict[str, Any], name: str = "Payment__c") -> None:
    usual = {"createable": True, "updateable": True, "nillable": True, "type": "string", "length": 80}
    told = {"name": name, "label": name, "fields": [{**usual, **one} for one in fields]}
    at = NOON - timedelta(hours=1) + timedelta(hours=2) * (number - 1)
    SchemaSnapshot.objects.create(
        connection=connection, object=name, number=number, version="v67.0", digest=f"{number}",
        content=kept(told), taken_at=at, checked_at=at,
    )  # fmt: skip


def mapping(live: Deployment) -> Deployment:
    """Let a live flow look for a firm and save a payment, in an org as it was when it was published."""
    live.version.document = {**live.version.document, "steps": deepcopy(STEPS)}
    live.version.save()
    described(live.pair.salesforce, 1, KEY, NOTE, STATUS, AMOUNT)
    described(live.pair.salesforce, 1, OWNER, name="Firm__c")
    return live


def impact_of(deployment: Deployment) -> Impact:
    keeping.renew_due(now=LATER)
    return Impact.objects.get(deployment=deployment)


def found(deployment: Deployment) -> dict[str, Finding]:
    return {one.field: one for one in keeping.findings_of(impact_of(deployment))}


def line_of(draft: Draft, field: str) -> dict[str, Any]:
    return next(one for one in draft.document["steps"][1]["settings"]["lines"] if one["field"] == field)


def without(*names: str) -> list[dict[str, Any]]:
    return [one for one in (KEY, NOTE, STATUS, AMOUNT) if one["name"] not in names]


def picks(*values: str) -> dict[str, Any]:
    return {**STATUS, "picklistValues": [{"value": value, "active": True} for value in values]}
