"""This module builds a mapping to an object whose records are of several types, and look up a customer."""

from __future__ import annotations

from django.utils import timezone

from connectors.models import SchemaSnapshot
from flows.models import Pair
from tests.browser.mapping import a_draft, a_field, a_snapshot

STAGES = ("Open", "Won", "Lost")
MASTER = {
    "id": "012000000000000AAA", "name": "Master", "label": "Master",
    "available": True, "default": False, "master": True,
}  # fmt: skip
PARTNER = {
    **MASTER, "id": "012000000000001AAA", "name": "Partner", "label": "Partner deal", "master": False,
    "picklists": {"Stage__c": ["Open", "Lost"]},
}  # fmt: skip
DIRECT = {
    **MASTER, "id": "012000000000002AAA", "name": "Direct", "label": "Direct deal", "master": False,
    "default": True, "picklists": {},
}  # fmt: skip


def build(pair: Pair) -> str:
    """Let the fields of two objects be known, and return the address of a mapping to one of them."""
    picks = [{"value": one, "label": one, "active": True} for one in STAGES]
    fields = [
        a_field("External_ID__c", "External ID", externalId=True, unique=True, nillable=False),
        a_field("Stage__c", "Stage", type="picklist", restrictedPicklist=True, picklistValues=picks),
        a_field(
            "Customer__c", "Customer", type="reference",
            referenceTo=["Client__c"], relationshipName="Customer__r",
        ),
        a_field(
            "RecordTypeId", "Record type", type="reference",
            referenceTo=["RecordType"], relationshipName="RecordType",
        ),
    ]  # fmt: skip
    a_snapshot(pair, "Deal__c", fields)
    deal = SchemaSnapshot.objects.get(connection=pair.salesforce, object="Deal__c")
    deal.content["recordTypes"] = [PARTNER, DIRECT, MASTER]
    SchemaSnapshot.objects.filter(pk=deal.pk).update(content=deal.content, taken_at=timezone.now())
    client = [
        a_field("Email__c", "E-mail", externalId=True),
        a_field("Stripe_ID__c", "Stripe id", externalId=True, unique=True),
        a_field("Notes__c", "Notes"),
    ]
    a_snapshot(pair, "Client__c", client)
    chips = [{"chip": "value_map", "map": {"succeeded": "Won"}}]
    stage = {"field": "Stage__c", "from": ["charge.status"], "chips": chips}
    flow = a_draft(pair, "deals", {"target": "Deal__c", "lines": [stage]})
    return f"flows/{flow.public_id}/design/map/mapping/"
