"""This module tells that a sub-flow works wherever it is taken, and each time on what it was given."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from flows import publishing
from flows.models import Deployment, Effect, Flow, FlowVersion, Run
from flows.trials import desk
from flows.trials.desk import Wish
from flows.views import traces
from tests.journeys.bridge import Bridge

LINES = [{"field": "External_ID__c", "from": ["input.key"]}, {"field": "Name", "from": ["input.key"]}]
SUB: dict[str, Any] = {
    "format": 1,
    "name": "Save by key",
    "trigger": {
        "kind": "flow",
        "inputs": [{"name": "key", "type": "id"}],
        "outputs": [{"name": "record", "from": ["steps.save.id"], "type": "id"}],
    },
    "steps": [
        {"id": "describe", "kind": "map", "settings": {"target": "Payment__c", "lines": LINES}},
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "title": "Save",
            "settings": {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"},
        },
        {
            "id": "remind",
            "kind": "map",
            "settings": {"target": "Task", "lines": [{"field": "Subject", "from": ["input.key"]}]},
        },
        {
            "id": "task",
            "kind": "salesforce.create",
            "settings": {"object": "Task", "record": "remind", "purpose": "Check", "about": ["input.key"]},
        },
    ],
}


def a_call(step: str, key: str) -> dict[str, Any]:
    settings = {"flow": "save-by-key", "inputs": {"key": {"from": [key]}}}
    return {"id": step, "kind": "sub_flow", "title": step.title(), "settings": settings}


MAIN: dict[str, Any] = {
    "format": 1,
    "name": "Twice",
    "trigger": {"kind": "stripe.event", "types": ["charge.succeeded"]},
    "steps": [
        a_call("one", "charge.id"),
        a_call("two", "charge.payment_intent"),
        {"id": "tell", "kind": "alert", "settings": {"title": "{steps.one.record} {steps.two.record}"}},
    ],
}


def published(bridge: Bridge, slug: str, document: dict[str, Any]) -> FlowVersion:
    flow, _ = Flow.objects.get_or_create(
        integration=bridge.pair.integration, slug=slug, defaults={"name": document["name"]}
    )
    return publishing.publish(flow=flow, document=document, actor="ada", now=timezone.now())


def test_a_sub_flow_that_is_taken_twice_saves_both_and_creates_each_once(bridge: Bridge) -> None:
    Deployment.objects.update(enabled=False)
    published(bridge, "save-by-key", SUB)
    version = published(bridge, "twice", MAIN)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=timezone.now())
    intent = bridge.pay()
    (event,) = bridge.events(intent, "charge.succeeded")

    bridge.deliver(event)
    bridge.drain()

    keys = {intent["latest_charge"], intent["id"]}
    payments = bridge.payments()
    assert set(payments) == keys
    run = Run.objects.get(flow=version.flow)
    (tried,) = traces.tries_of(run, values=True)
    assert [step.title for step in tried.steps if step.id.endswith("__save")] == ["One › Save", "Two › Save"]
    told = [step.output["title"] for step in tried.steps if step.id == "tell"]
    assert told == [f"{payments[intent['latest_charge']]['Id']} {payments[intent['id']]['Id']}"]

    # A newer version of the sub-flow that keeps the ids of its steps creates nothing twice.
    lines = [*LINES, {"field": "Order_ID__c", "from": ["input.key"]}]
    changed = {"target": "Payment__c", "lines": lines}
    published(
        bridge, "save-by-key", SUB | {"steps": [{**SUB["steps"][0], "settings": changed}, *SUB["steps"][1:]]}
    )
    newer = published(bridge, "twice", MAIN)
    assert newer.number == version.number + 1
    publishing.deploy(version=newer, pair=bridge.pair, actor="ada", now=timezone.now())
    wish = Wish(event=run.event_id)
    served = desk.serve(
        flow=newer.flow, wish=wish, environment=bridge.pair.environment, actor="ada", now=timezone.now()
    )
    saved = [one for one in served.tried.trial.records if one.object == "Payment__c"]
    assert {one.fields["Order_ID__c"] for one in saved} == keys
    repeated = {**event, "id": f"{event['id']}_again"}
    bridge.deliver(repeated)
    bridge.drain()
    tasks = bridge.salesforce.look("records", object="Task")["records"]
    assert sorted(one["Subject"] for one in tasks) == sorted(keys)
    assert {one["Order_ID__c"] for one in bridge.payments().values()} == keys
    steps = set(Effect.objects.values_list("step", flat=True))
    assert steps == {"one__task", "two__task"}
