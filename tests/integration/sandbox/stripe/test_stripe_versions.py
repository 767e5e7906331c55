"""This module tests that older versions of the API show things where they used to stand."""

from __future__ import annotations

import pytest

OLD = "2025-02-24.acacia"
CLOVER = "2026-03-25.dahlia"


@pytest.fixture
def made(shop):
    """Return a subscription that was paid once."""
    return shop.subscribe(shop.customer(), shop.price(1000))


def test_an_old_version_shows_a_subscriptions_period_on_itself(sandbox, shop, made):
    old = sandbox.raw("GET", f"/v1/subscriptions/{made.id}", headers={"Stripe-Version": OLD}).json()
    new = sandbox.raw("GET", f"/v1/subscriptions/{made.id}").json()

    (item,) = new["items"]["data"]
    assert (old["current_period_start"], old["current_period_end"]) == (
        item["current_period_start"],
        item["current_period_end"],
    )
    assert "current_period_end" not in old["items"]["data"][0]
    assert "current_period_end" not in new


def test_an_old_version_shows_an_invoices_payment_and_subscription_on_itself(sandbox, shop, made):
    path = f"/v1/invoices/{made.latest_invoice}"
    old = sandbox.raw("GET", path, headers={"Stripe-Version": OLD}).json()
    new = sandbox.raw("GET", path, params={"expand[]": "payments"}).json()

    intent = new["payments"]["data"][0]["payment"]["payment_intent"]
    assert (old["subscription"], old["paid"], old["payment_intent"]) == (made.id, True, intent)
    assert old["charge"] == shop.client.v1.payment_intents.retrieve(intent).latest_charge
    (line,) = old["lines"]["data"]
    assert (line["type"], line["price"]["unit_amount"]) == ("subscription", 1000)
    assert {"parent", "payments"}.isdisjoint(old)
    assert {"subscription", "paid", "payment_intent", "charge"}.isdisjoint(new)


def test_an_old_version_leads_from_a_payment_to_its_invoice(sandbox, shop, made):
    (intent,) = shop.client.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data
    path = f"/v1/payment_intents/{intent.id}?expand[]=latest_charge"

    old = sandbox.raw("GET", path, headers={"Stripe-Version": OLD}).json()
    new = sandbox.raw("GET", path).json()

    assert (old["invoice"], old["latest_charge"]["invoice"]) == (made.latest_invoice,) * 2
    assert "invoice" not in new
    assert "invoice" not in new["latest_charge"]


def test_the_newest_fields_are_missing_before_their_version(sandbox, client):
    ada = client.v1.customers.create({"business_name": "Acme"}).id

    before = sandbox.raw("GET", f"/v1/customers/{ada}", headers={"Stripe-Version": CLOVER}).json()

    assert "business_name" not in before
    assert sandbox.raw("GET", f"/v1/customers/{ada}").json()["business_name"] == "Acme"


def test_the_version_of_an_endpoint_decides_the_shape_of_its_events(shop, receiver, eventually):
    kinds = ["invoice.paid", "customer.subscription.created"]
    endpoints = shop.client.v1.webhook_endpoints
    for version in (OLD, None):
        pinned = {"api_version": version} if version else {}
        endpoints.create({"url": receiver.url, "enabled_events": kinds, **pinned})
    made = shop.subscribe(shop.customer(), shop.price(1000))

    eventually(lambda: len(receiver.deliveries) == 4)

    found = {(item.event["api_version"], item.event["type"]): item.event["data"]["object"]
             for item in receiver.deliveries}  # fmt: skip
    old, new = found[OLD, "invoice.paid"], found["2026-10-28.endive", "invoice.paid"]
    assert (old["subscription"], old["paid"]) == (made.id, True)
    assert "subscription" not in new
    assert new["parent"]["subscription_details"]["subscription"] == made.id
    assert "current_period_end" in found[OLD, "customer.subscription.created"]
    listed = shop.client.v1.events.list({"type": "invoice.paid"}).data
    assert [event.api_version for event in listed] == ["2026-10-28.endive"]
