"""This module builds what the tests of the mapper look at: fields of an org, drafts, and a wide one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from connectors.models import SchemaSnapshot
from flows import designer
from flows.models import Draft, Flow, Pair
from tests.browser.rows import HOSTILE

TEXT = {"type": "string", "length": 255, "createable": True, "updateable": True, "nillable": True}
STATUSES = ("Pending", "Completed", "Failed", "Refunded", "Canceled")


def a_field(name: str, label: str = "", **told: Any) -> dict[str, Any]:
    """Return a field as describe tells it."""
    return {
        "name": name,
        "label": label or name.removesuffix("__c").replace("_", " "),
        **TEXT,
        "custom": True,
        **told,
    }


def of_payments() -> list[dict[str, Any]]:
    """Return the fields of the Payment object: locked ones and a hostile label among them."""
    return [
        a_field("Name", "Payment number", nameField=True, length=80, nillable=False, custom=False),
        a_field("External_ID__c", "External ID", externalId=True, unique=True, nillable=False),
        a_field("Amount__c", type="currency", precision=18, scale=2, nillable=False),
        a_field("Currency__c", length=3, nillable=False),
        a_field(
            "Status__c",
            type="picklist",
            nillable=False,
            restrictedPicklist=True,
            picklistValues=[{"value": one, "label": one, "active": True} for one in STATUSES],
        ),
        a_field("Charge_ID__c", "Charge ID"),
        a_field("Paid_At__c", type="datetime"),
        a_field("Due_On__c", type="date"),
        a_field("Captured__c", type="boolean", nillable=False, defaultedOnCreate=True),
        a_field("Fee__c", type="currency", precision=18, scale=2),
        a_field("Net__c", type="currency", precision=18, scale=2),
        a_field("Refunded_Amount__c", type="currency", precision=18, scale=2),
        a_field("Failure_Code__c", length=80),
        a_field("Failure_Message__c"),
        a_field("Card_Brand__c", length=40),
        a_field("Card_Last4__c", length=4),
        a_field("Short_Text__c", "Short text", length=5),
        a_field("Billing_Email__c", type="email", length=80),
        a_field("Billing_Street__c", type="textarea"),
        a_field("Attempts__c", type="int", digits=8),
        a_field("Hostile__c", HOSTILE[:200], inlineHelpText=HOSTILE[:200]),
        a_field(
            "Stripe_Customer__c",
            "Stripe customer",
            type="reference",
            referenceTo=["Stripe_Customer__c"],
            relationshipName="Stripe_Customer__r",
        ),
        a_field("Age__c", "Age", type="double", calculated=True, createable=False, updateable=False),
    ]


def a_snapshot(pair: Pair, name: str, fields: list[dict[str, Any]]) -> None:
    """Let the fields of an object be known, and fresh."""
    now = timezone.now()
    SchemaSnapshot.objects.create(
        connection=pair.salesforce, object=name, number=1, version="v67.0", digest=f"{len(fields):064x}",
        content={"name": name, "label": name, "fields": fields}, taken_at=now,
        checked_at=now + timedelta(days=365),  # nobody asks the org anew: there is none
    )  # fmt: skip


def build(pair: Pair) -> dict[str, str]:
    """Let the org's fields be known, and return the addresses of two mappings."""
    a_snapshot(pair, "Payment__c", of_payments())
    a_snapshot(pair, "Wide__c", [a_field(f"Field_{number:03}__c") for number in range(300)])
    payments = Flow.objects.get(integration=pair.integration, slug="payments")
    return {
        "mapper": f"flows/{payments.public_id}/design/map_payment/mapping/",
        "wide_mapper": f"flows/{_wide(pair).public_id}/design/fill/mapping/",
    }


def _wide(pair: Pair) -> Flow:
    sources = ("charge.id", "charge.currency", "charge.status", "charge.description", "charge.receipt_email")
    lines = [
        {
            "field": f"Field_{number:03}__c",
            "from": [sources[number % 5]],
            "chips": [{"chip": "text", "trim": True}],
        }
        for number in range(300)
    ]
    return a_draft(pair, "wide", {"target": "Wide__c", "lines": lines}, step="fill")


def a_draft(pair: Pair, slug: str, settings: dict[str, Any], step: str = "map") -> Flow:
    """Return a flow whose draft has one map step."""
    flow = Flow.objects.create(integration=pair.integration, name=slug.capitalize(), slug=slug)
    trigger = {"kind": "stripe.event", "slot": "stripe", "types": ["charge.succeeded", "charge.failed"]}
    document = {
        "format": 1,
        "name": flow.name,
        "trigger": trigger,
        "steps": [{"id": step, "kind": "map", "title": "Fill the record", "settings": settings}],
    }
    Draft.objects.create(
        flow=flow, document=document, step_ids=[step], changed_by="ada@acme.test", changed_at=timezone.now()
    )
    return flow


def a_fresh_mapper(pair: Pair, slug: str, lines: list[dict[str, Any]]) -> str:
    """Return the address of a mapping of payments of its own, with `lines`."""
    flow = a_draft(pair, slug, {"target": "Payment__c", "lines": lines})
    return f"flows/{flow.public_id}/design/map/mapping/"


def publish(slug: str) -> int:
    """Freeze the draft of a flow as its next version, and return the number of that."""
    draft = Draft.objects.get(flow__slug=slug)
    version = designer.publish_draft(
        draft, revision=draft.revision, note="As it is", actor="ada@acme.test", now=timezone.now()
    )
    return version.number


def lines_of(slug: str) -> list[dict[str, Any]]:
    """Return the lines that the draft of a flow has now."""
    settings: dict[str, Any] = Draft.objects.get(flow__slug=slug).document["steps"][0]["settings"]
    return list(settings.get("lines", []))
