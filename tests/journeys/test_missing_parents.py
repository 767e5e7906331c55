"""This module tells how a customer is fetched of whom nobody has told, though payments refer to them."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from django.utils import timezone

from flows import missing_parents, orphans, publishing
from flows.models import DeadLetter, Flow, FlowVersion, Run
from flows.recipes import catalogue
from tests.journeys.bridge import Bridge


@pytest.fixture
def unprepared(bridge: Bridge) -> Bridge:
    """Return the bridge with payments that save no parents, and the customers flow live beside them."""
    now, integration = timezone.now(), bridge.pair.integration
    document = deepcopy(catalogue.load("payments").raw)
    for step in document["steps"]:
        step.get("settings", {}).pop("parents", None)
    flow = Flow.objects.get(slug="payments")
    publishing.publish(flow=flow, document=document, note="", actor="ada", now=now)
    customers = publishing.install_recipe(slug="customers", integration=integration, actor="ada", now=now)
    for version in (FlowVersion.objects.filter(flow=flow).latest("number"), customers):
        publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def a_customer_who_pays(bridge: Bridge, *, times: int) -> tuple[str, list[str]]:
    """Let somebody pay of whom Stripe's own event is lost; return the ids of customer and payments."""
    ada = str(bridge.ask("POST", "/v1/customers", email="ada@acme.test", name="Ada")["id"])
    paid = []
    for _ in range(times):
        intent = bridge.pay(customer=ada)
        bridge.deliver(*bridge.events(intent, "charge.succeeded"))
        paid.append(str(intent["id"]))
    bridge.drain()
    return ada, paid


def watch(bridge: Bridge) -> int:
    """Do what the watch does, a minute later, and work; return how many parents were fetched."""
    fetched = missing_parents.fetch_due(now=timezone.now() + timedelta(minutes=1))
    bridge.drain()
    orphans.retry_due(now=timezone.now())
    bridge.drain()
    return fetched


def test_a_customer_whose_event_was_lost_is_read_once_and_all_payments_go_on(unprepared: Bridge) -> None:
    ada, paid = a_customer_who_pays(unprepared, times=3)
    assert DeadLetter.objects.unresolved().count() == 3
    before = unprepared.stripe.calls(f"/v1/customers/{ada}", "GET")

    assert watch(unprepared) == 1

    (record,) = unprepared.salesforce.look("records", object="Stripe_Customer__c")["records"]
    assert (record["External_ID__c"], record["Name"]) == (ada, "Ada")
    payments = unprepared.payments()
    assert [payments[one]["Stripe_Customer__c"] for one in paid] == [record["Id"]] * 3
    assert unprepared.stripe.calls(f"/v1/customers/{ada}", "GET") == before + 1
    assert DeadLetter.objects.unresolved().count() == 0
    run = Run.objects.get(flow__slug="customers")
    assert (run.fate, run.event.origin, run.tries.count()) == ("applied", "sweep", 1)
    assert watch(unprepared) == 0


def test_a_customer_who_was_deleted_at_stripe_is_saved_as_such(unprepared: Bridge) -> None:
    ada, paid = a_customer_who_pays(unprepared, times=1)
    unprepared.ask("DELETE", f"/v1/customers/{ada}")

    assert watch(unprepared) == 1

    (record,) = unprepared.salesforce.look("records", object="Stripe_Customer__c")["records"]
    assert (record["External_ID__c"], record["Deleted__c"]) == (ada, True)
    assert unprepared.payments()[paid[0]]["Stripe_Customer__c"] == record["Id"]
