"""A payment waits for its refund: the merchant grants one later, and only then both systems are told."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from flows import publishing
from flows.models import Deployment, Flow, Run
from tests.journeys.bridge import Bridge

AMOUNT = "steps.refunded.object.amount_refunded"
DOCUMENT: dict[str, Any] = {
    "format": 1,
    "name": "Refunds",
    "trigger": {"kind": "stripe.event", "types": ["payment_intent.succeeded"]},
    "steps": [
        {
            "id": "refunded",
            "kind": "wait_for_event",
            "settings": {
                "types": ["charge.refunded"],
                "key": "payment_intent",
                "equals": "payment_intent.id",
                "days": 30,
            },
            "exits": {
                "came": [
                    {
                        "id": "note",
                        "kind": "stripe.update",
                        "settings": {
                            "object": "payment_intent",
                            "id": "payment_intent.id",
                            "parameters": {"metadata.refunded": AMOUNT},
                        },
                    },
                    {
                        "id": "describe",
                        "kind": "map",
                        "settings": {
                            "target": "Payment__c",
                            "lines": [
                                {"field": "External_ID__c", "from": "payment_intent.id"},
                                {"field": "Failure_Message__c", "from": "steps.refunded.id"},
                            ],
                        },
                    },
                    {
                        "id": "save",
                        "kind": "salesforce.upsert",
                        "settings": {
                            "object": "Payment__c",
                            "external_id": "External_ID__c",
                            "record": "describe",
                        },
                    },
                ]
            },
        }
    ],
}


def test_a_payment_goes_on_when_its_own_refund_comes_and_others_wait_on(bridge: Bridge) -> None:
    Deployment.objects.update(enabled=False)
    now = timezone.now()
    flow = Flow.objects.create(integration=bridge.pair.integration, slug="refunds", name="Refunds")
    version = publishing.publish(flow=flow, document=DOCUMENT, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    refunded, kept = bridge.pay(), bridge.pay()
    for intent in (refunded, kept):
        bridge.deliver(*bridge.events(intent, "payment_intent.succeeded"))
    bridge.drain()
    waiting = dict(Run.objects.values_list("event__object_id", "state"))
    bridge.ask("POST", "/v1/refunds", payment_intent=refunded["id"], amount=700)
    (event,) = bridge.events(refunded, "charge.refunded")

    bridge.deliver(event, event)
    bridge.drain()

    assert waiting == {refunded["id"]: "ready", kept["id"]: "ready"}
    assert dict(Run.objects.values_list("event__object_id", "state")) == {
        refunded["id"]: "done",
        kept["id"]: "ready",
    }
    noted = bridge.ask("GET", f"/v1/payment_intents/{refunded['id']}")
    assert noted["metadata"] == {"refunded": "700"}
    (record,) = bridge.payments().values()
    assert (record["External_ID__c"], record["Failure_Message__c"]) == (refunded["id"], event["id"])
    assert bridge.fates() == {"applied": 1, "queued": 1, "ignored": 1}
