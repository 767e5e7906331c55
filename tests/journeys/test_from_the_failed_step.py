"""This module tells how a payment goes on at the step that failed, by the calls that both systems see."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from flows import publishing, reruns
from flows.models import Event, Flow, Run
from tests.journeys.bridge import Bridge, Service

FLOW: dict[str, Any] = {
    "format": 1,
    "name": "Payments of known accounts",
    "trigger": {"kind": "stripe.event", "types": ["charge.succeeded", "charge.refunded"]},
    "steps": [
        {
            "id": "enrich",
            "kind": "stripe.retrieve",
            "settings": {"type": "customer", "id": ["charge.customer"]},
        },
        {
            "id": "look",
            "kind": "salesforce.find",
            "settings": {
                "object": "Account",
                "by": [{"kind": "equal", "field": "Name", "from": ["steps.enrich.name"]}],
            },
        },
        {
            "id": "describe",
            "kind": "map",
            "settings": {
                "target": "Payment__c",
                "lines": [
                    {"field": "External_ID__c", "from": ["charge.payment_intent"]},
                    {"field": "Refunded_Amount__c", "from": ["charge.amount_refunded"]},
                    {"field": "Account__c", "from": ["steps.look.id"]},
                ],
            },
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"},
        },
    ],
}
RULE = [{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "The month is closed", "fields": []}]
REFUSAL = {"status": 400, "body": json.dumps(RULE)}


@pytest.fixture
def live(bridge: Bridge) -> Bridge:
    """Return the bridge with this flow alone, an account, and a customer of the same name."""
    now = timezone.now()
    bridge.pair.deployments.update(enabled=False)
    flow = Flow.objects.create(integration=bridge.pair.integration, slug="known", name="Known")
    version = publishing.publish(flow=flow, document=FLOW, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    bridge.salesforce.turn("changes", object="Account", act="create", values={"Name": "Acme"})
    return bridge


def journal(service: Service) -> Counter[str]:
    """Return how many calls a service has seen, by method and path."""
    calls = service.look("journal")["calls"]
    return Counter(f"{call['method']} {call['path']}" for call in calls)


def it_gives_up(live: Bridge) -> tuple[dict[str, Any], Run]:
    """Let a payment be refused by the org; return it, with its run in the dead letters."""
    customer = live.ask("POST", "/v1/customers", name="Acme")
    intent = live.pay(customer=customer["id"])
    fault = live.salesforce.break_calls("before", "/sobjects/Payment__c", times=1, params=REFUSAL)
    live.deliver(*live.events(intent, "charge.succeeded"))
    live.drain()
    run = Run.objects.get()
    assert (live.salesforce.fired(fault), run.state) == (1, "dead")
    return intent, run


def test_what_was_read_and_looked_up_is_asked_for_no_second_time(live: Bridge) -> None:
    intent, run = it_gives_up(live)
    account = live.salesforce.look("records", object="Account")["records"][0]
    before = journal(live.stripe), journal(live.salesforce)

    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    live.drain()

    seen = journal(live.stripe) - before[0], journal(live.salesforce) - before[1]
    assert (sum(seen[0].values()), sum(seen[1].values())) == (0, 1), seen
    record = live.payments()[intent["id"]]
    assert record["Account__c"] == account["Id"]


def test_a_refund_that_was_saved_meanwhile_stays(live: Bridge) -> None:
    intent, run = it_gives_up(live)
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    # A worker was that far with it when it stopped; what comes now is done before it.
    later = run.event.happened_at.replace(year=run.event.happened_at.year + 1)
    Run.objects.filter(pk=run.pk).update(next_attempt_at=later)
    live.ask("POST", "/v1/refunds", payment_intent=intent["id"])
    live.deliver(*live.events(intent, "charge.refunded"))
    live.drain()
    refunded = live.payments()[intent["id"]]["Refunded_Amount__c"]
    assert refunded

    Run.objects.filter(pk=run.pk).update(next_attempt_at=timezone.now())
    type(run.lane).objects.filter(pk=run.lane_id).update(ready_at=timezone.now())
    live.drain()

    assert live.payments()[intent["id"]]["Refunded_Amount__c"] == refunded
    assert Event.objects.filter(fate="dead").count() == 0
