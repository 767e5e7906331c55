"""This module lets an org's fields be known, so many and so hostile that a page has its trouble with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from connectors import schemas
from connectors.models import SchemaSnapshot
from connectors.salesforce.schema import kept, kept_list
from flows.models import Pair
from tests.browser.rows import HOSTILE

OBJECT = "Vehicle__c"
MANY = 320


def build(pair: Pair) -> dict[str, str]:
    """Let the list of objects and one of them be known, with a change; return what the tests ask for."""
    now = timezone.now()
    objects = [{"name": OBJECT, "label": HOSTILE, "custom": True}]
    objects += [{"name": f"Standard{number}", "label": f"Standard {number}"} for number in range(150)]
    _keep(pair, schemas.EVERY, 1, kept_list({"sobjects": objects}), now - timedelta(days=2))
    before = [*_fields(), {"name": "Old__c", "type": "string", "length": 80}]
    _keep(
        pair, OBJECT, 1, kept({"name": OBJECT, "label": HOSTILE, "fields": before}), now - timedelta(days=2)
    )
    _keep(pair, OBJECT, 2, kept({"name": OBJECT, "label": HOSTILE, "fields": _fields()}), now)
    return {
        "fields": f"connections/{pair.salesforce.public_id}/fields/",
        "stripe": f"connections/{pair.stripe.public_id}/fields/",
    }


def _keep(pair: Pair, name: str, number: int, content: dict[str, Any], at: Any) -> None:
    SchemaSnapshot.objects.get_or_create(
        connection=pair.salesforce,
        object=name,
        number=number,
        defaults={
            "version": "v67.0",
            "digest": str(number),
            "content": content,
            "taken_at": at,
            "checked_at": at,
        },
    )


def _fields() -> list[dict[str, Any]]:
    usual = {"createable": True, "updateable": True, "nillable": True}
    values = [{"value": f"Value {number}", "active": True} for number in range(200)]
    odd = [
        {
            "name": "Name",
            "label": HOSTILE,
            "inlineHelpText": HOSTILE,
            "type": "string",
            "length": 80,
            "nillable": False,
        },
        {"name": f"Unbreakable{'_x' * 33}__c", "label": "W" * 255, "type": "string", "length": 131_072},
        {"name": "Kind__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": values},
        {"name": "Owner__c", "type": "reference", "referenceTo": ["Account", "Contact", "Lead", "User"]},
        {"name": "Key__c", "type": "string", "externalId": True, "unique": True, "length": 255},
        {
            "name": "Total__c",
            "type": "currency",
            "precision": 18,
            "scale": 2,
            "createable": False,
            "updateable": False,
        },
    ]
    more = [
        {"name": f"Field_{number}__c", "label": f"Field {number}", "type": "string", "length": number}
        for number in range(1, MANY - len(odd) + 1)
    ]
    return [{**usual, **field} for field in (*odd, *more)]
