"""Somebody tries flows out against live systems, and nothing but reading reaches them."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from connectors import reading, registry
from connectors.reading import WouldWrite, read_many
from flows.engine.definition import load, walk
from flows.models import Event
from flows.steps import registry as kinds
from flows.trials import current, desk
from flows.trials.occasions import of_event, of_pasted
from flows.trials.running import ready, try_out
from flows.trials.shadows import begin, go_on
from integrator.accounts.models import AuditEntry
from tests.journeys.bridge import Bridge, Service

LOGIN = "/services/oauth2/token"  # a session is not a change of the org


def a_map(step: str, target: str, **lines: str) -> dict[str, Any]:
    fields = [{"field": field, "from": path} for field, path in lines.items()]
    return {"id": step, "kind": "map", "settings": {"target": target, "lines": fields}}


def a_step(step: str, kind: str, exits: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return {"id": step, "kind": kind, "settings": settings, **({"exits": exits} if exits else {})}


def every_kind() -> dict[str, Any]:
    """Return a flow in which each step kind stands, and which comes to all of them."""
    parent = {
        "field": "Stripe_Customer__r", "object": "Stripe_Customer__c", "external_id": "External_ID__c",
        "read": "customer", "id": "charge.customer",
        "lines": [{"field": "External_ID__c", "from": "customer.id"}],
    }  # fmt: skip
    saved = {"External_ID__c": "charge.id", "Stripe_Customer__r.External_ID__c": "charge.payment_intent"}
    by_id = {"kind": "external_id", "field": "External_ID__c", "from": "charge.payment_intent"}
    paid = {"path": "charge.status", "is": "equal", "value": "succeeded"}
    steps = [
        a_step("read", "stripe.retrieve", type="charge", id="charge.id"),
        a_step("if", "condition", all=[paid]),
        a_step("which", "switch", path="charge.status", cases=[{"exit": "paid", "values": ["succeeded"]}]),
        a_step("only", "filter", all=[paid], name="Paid"),
        a_step("euros", "currency.convert", amount="charge.amount", currency="charge.currency", into="EUR"),
        a_step("rest", "wait", hours=1),
        a_step("slowly", "throttle", limit=1, unit="day"),
        a_step("calm", "debounce", quiet=1, unit="hour", longest=1, longest_unit="hour"),
        a_step("await", "wait_for_event", types=["invoice.paid"], key="id", equals="charge.id", hours=1),
        a_step("find", "salesforce.find", object="Payment__c", by=[by_id]),
        a_step(
            "look", "salesforce.query",
            soql="SELECT Id, Name FROM Payment__c WHERE External_ID__c = {id}",
            values={"id": "charge.payment_intent"},
        ),
        a_step("who", "salesforce.recognise", object="Account", customer="charge.customer", name="charge.id"),
        a_step("several", "salesforce.list", object="Payment__c", where=[
            {"field": "External_ID__c", "from": "charge.payment_intent"}]),
        a_step("charges", "stripe.list", object="charge", where=[
            {"field": "payment_intent", "from": "charge.payment_intent"}]),
        a_map("describe", "Payment__c", **saved),
        a_step(
            "save", "salesforce.upsert", object="Payment__c", external_id="External_ID__c",
            record="describe", parents=[parent],
        ),
        a_map("status", "Payment__c", Status__c="charge.status"),
        a_step("change", "salesforce.update", object="Payment__c", id="steps.find.id", record="status"),
        a_map("task", "Task", Subject="charge.id"),
        a_step("remind", "salesforce.create", object="Task", record="task", purpose="Call"),
        a_step("dun", "salesforce.start_flow", flow="Stripe_Dunning", through="direct"),
        a_step("publish", "salesforce.publish", event="Stripe_Payment_Failed__e",
               values={"Payment_ID__c": "charge.id"}),
        a_step("seek", "stripe.find", object="customer", by="metadata", key="order", value="charge.id"),
        a_step("enrol", "stripe.create", object="customer", purpose="Payer",
               parameters={"name": "charge.id"}),
        a_step("note", "stripe.update", object="payment_intent", id="charge.payment_intent",
               parameters={"description": {"value": "Noted"}}),
        a_step("cancel", "stripe.act", act="payment_intent.cancel", id="charge.payment_intent"),
        a_step("tell", "alert", title="Paid {charge.id}"),
        a_step("lines", "for_each", {"each": [a_step(
            "save_each", "salesforce.upsert", object="Payment__c", external_id="External_ID__c",
            record="describe",
        )]}, list="payment_intent.payment_method_types"),
        a_step("both", "parallel", {"left": [a_step("say", "alert", title="Left {charge.id}")], "right": []},
               branches=[{"exit": "left"}, {"exit": "right"}]),
        a_step("all", "scope", {
            "try": [a_step("shout", "alert", title="Together {charge.id}")],
            "hush": [a_step("sorry", "alert", title="Undone {charge.id}")],
        }, undo=[{"step": "shout", "exit": "hush"}]),
        a_step("sub", "sub_flow", {"taken": [
            a_step("sub__inner", "alert", title="Inner {input.what}")]},
            flow="inner", version=1, inputs={"what": "charge.id"}, takes=[{"name": "what"}],
            gives=[{"name": "told", "from": ["steps.sub__inner.title"]}]),
        a_step("approve", "approval", question="Go on?", evidence=["charge.amount"]),
        a_step("ask", "ask", question="Right?", options=[
            {"exit": "yes", "label": "Yes"}, {"exit": "no", "label": "No"}]),
        a_step("end", "stop", reason="enough"),
    ]  # fmt: skip
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"], "fetch": ["charge.succeeded"]}
    return {"format": 1, "name": "Everything", "trigger": trigger, "steps": steps}


def writes(service: Service, after: int = 0) -> list[str]:
    """Return the calls after that one which may change something."""
    calls = service.look("journal")["calls"]
    return [
        f"{call['method']} {call['path']}"
        for call in calls
        if call["id"] > after and call["method"] not in ("GET", "HEAD") and call["path"] != LOGIN
    ]


def last_call(service: Service) -> int:
    return max((call["id"] for call in service.look("journal")["calls"]), default=0)


def everything() -> dict[str, Any]:
    """Return all rows, but for how connections fare and the trail, which reading is written down in."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.label not in {"connectors.Connection", "connectors.AccessToken", "accounts.AuditEntry"}
    }


@pytest.fixture
def handled(bridge: Bridge) -> Event:
    """Return the event of a payment that the live flow has handled."""
    intent = bridge.pay()
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    bridge.drain()
    assert bridge.payments()
    return Event.objects.get(type="charge.succeeded")


def test_no_step_kind_writes_to_a_live_system_in_a_trial(bridge, handled):
    document = every_kind()
    used = {step.kind for step, _ in walk(load(document, kinds=kinds.load()).steps)}
    assert used == set(kinds.load()), "Every step kind stands in this flow, so that none is forgotten"
    occasion = of_pasted(of_event(handled).payload, now=timezone.now())
    before, records = everything(), bridge.salesforce.look("records", object="Payment__c")
    stripe, crm = last_call(bridge.stripe), last_call(bridge.salesforce)

    tried = try_out(
        ready(document),
        occasion,
        pair=bridge.pair,
        at=timezone.now(),
        live=True,
        answers={"ask": "yes", "approve": "approved"},
    )
    current.compare(tried.trial.records, pair=bridge.pair, live=True)

    taken = {entry["step"] for entry in tried.trial.entries}
    inside = {"say", "shout", "sub__inner"}
    assert taken == {"source", *inside, *(step["id"] for step in document["steps"])}, tried.trial.reason
    assert (tried.trial.ending, tried.trial.reason) == ("ended", "enough")
    assert tried.trial.reads >= 5
    assert len(tried.trial.calls) == 5
    assert writes(bridge.stripe, stripe) == []
    assert writes(bridge.salesforce, crm) == []
    assert last_call(bridge.salesforce) > crm
    assert bridge.salesforce.look("records", object="Payment__c") == records
    assert everything() == before


def test_the_door_that_trials_have_is_shut_for_everything_that_writes(bridge):
    for connection in (bridge.pair.stripe, bridge.pair.salesforce):
        connector = registry.load()[connection.system]
        writing = {name for name, action in connector.actions.items() if action.writes}
        crm, stripe = last_call(bridge.salesforce), last_call(bridge.stripe)

        for action in {*writing, "delete", "", "UPSERT", "upsert ", "__class__"}:
            with pytest.raises(WouldWrite):
                read_many(connection_id=connection.pk, action=action, requests=[{}], deadline=5.0)

        assert writing
        assert not any(reading.is_reading(connection.system, action) for action in writing)
        assert (last_call(bridge.salesforce), last_call(bridge.stripe)) == (crm, stripe)


def test_what_would_be_is_set_against_what_is_in_the_org(bridge, handled):
    flow = bridge.pair.integration.flows.get()
    wish = desk.Wish(event=handled.pk, live=True)

    served = desk.serve(
        flow=flow, wish=wish, environment=bridge.pair.environment, actor="ada", now=timezone.now()
    )

    assert AuditEntry.objects.filter(action="flow.trial_read", actor="ada").count() == 1
    payment = next(one for one in served.compared if one.record.object == "Payment__c")
    assert (payment.known, payment.exists) == ("read", True)
    assert {row.field: row.state for row in payment.rows if row.state != "same"} == {}


def test_a_draft_is_compared_with_the_live_version_on_what_really_happened(bridge, handled):
    flow = bridge.pair.integration.flows.get()
    live = flow.versions.get().document
    changed = {**live, "steps": [dict(step) for step in live["steps"]]}
    lines = changed["steps"][0]["settings"]["lines"]
    kept = [line for line in lines if line["field"] != "Currency__c"]
    changed["steps"][0] = {
        **changed["steps"][0],
        "settings": {**changed["steps"][0]["settings"], "lines": kept},
    }
    assert len(kept) == len(lines) - 1
    crm, stripe = last_call(bridge.salesforce), last_call(bridge.stripe)

    same = go_on(
        begin(pair=bridge.pair, flow=ready(live), events=10),
        flow=ready(live),
        live=ready(live),
        pair=bridge.pair,
    )
    found = go_on(
        begin(pair=bridge.pair, flow=ready(live), events=10),
        flow=ready(changed),
        live=ready(live),
        pair=bridge.pair,
    )

    assert (same.total, same.same, same.groups) == (1, 1, [])
    assert found.differing == 1
    assert [(group.where, group.field, group.count) for group in found.groups] == [
        ("Payment__c", "Currency__c", 1)
    ]
    assert found.groups[0].examples[0]["event"] == handled.external_id
    assert (last_call(bridge.salesforce), last_call(bridge.stripe)) == (crm, stripe)
