"""This module tests that the sandbox's objects are complete, by the annotations of the installed SDK."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import stripe

PACKAGE = Path(stripe.__file__).parent


@cache
def classes() -> dict[str, ast.ClassDef]:
    """Return the resource classes of the SDK's top level by name."""
    found = {}
    for path in (*PACKAGE.glob("_*.py"), PACKAGE / "checkout" / "_session.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = node
    return found


def faults_of(value: Any, annotation: ast.expr, scope: tuple[ast.ClassDef, ...], path: str) -> list[str]:
    """Return where a value does not fit: fields missing, null or unknown, values not foreseen."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.Subscript):
        return faults_of_generic(value, annotation, scope, path)
    name = ast.unparse(annotation)
    if name == "Decimal":  # written as a text
        return (
            [] if isinstance(value, str) and re.fullmatch(r"-?[0-9.]+", value) else [f"{path} is {value!r}"]
        )
    if name in {"str", "int", "bool", "float"}:
        fits = isinstance(value, {"str": str, "int": int, "bool": bool, "float": float}[name])
        return [] if fits else [f"{path} is {value!r}, not {name}"]
    return faults_of_object(value, name, scope, path)


def faults_of_generic(
    value: Any, annotation: ast.Subscript, scope: tuple[ast.ClassDef, ...], path: str
) -> list[str]:
    kind, inner = ast.unparse(annotation.value), annotation.slice
    if kind == "Optional":
        return [] if value is None else faults_of(value, inner, scope, path)
    if kind == "Literal":
        foreseen = ast.literal_eval(inner if isinstance(inner, ast.Tuple) else ast.Tuple([inner]))
        return [] if value in foreseen else [f"{path} is {value!r}, which is not foreseen"]
    if kind == "Union":
        tries = [faults_of(value, option, scope, path) for option in inner.elts]
        return min(tries, key=len)
    if kind == "List":
        items = enumerate(value)
        return [
            fault for number, item in items for fault in faults_of(item, inner, scope, f"{path}.{number}")
        ]
    if kind == "ListObject":
        wanted = {"object", "data", "has_more", "url"}
        return [] if set(value) == wanted else [f"{path} has {set(value) ^ wanted}"]
    if kind == "ExpandableField":
        return [] if isinstance(value, str) else faults_of(value, inner, scope, path)
    return []  # UntypedStripeObject: free keys


def faults_of_object(value: Any, name: str, scope: tuple[ast.ClassDef, ...], path: str) -> list[str]:
    definition = find(name, scope)
    if definition is None or not isinstance(value, dict):
        return [f"{path} is {value!r}, not {name}"]
    fields = {
        node.target.id: node.annotation
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
    }
    faults = [f"{path}.{name} is unknown" for name in value if name not in fields and name != "deleted"]
    for field, annotation in fields.items():
        if field in value:
            faults += faults_of(value[field], annotation, (definition, *scope), f"{path}.{field}")
        elif not ast.unparse(annotation).startswith("Optional"):
            faults.append(f"{path}.{field} is missing")
    return faults


def find(name: str, scope: tuple[ast.ClassDef, ...]) -> ast.ClassDef | None:
    for outer in scope:
        for node in outer.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
    return classes().get(name)


def faults_in(found: stripe.StripeObject, name: str) -> list[str]:
    return faults_of_object(found.to_dict(for_json=True), name, (), name)


def test_the_account_is_complete(client):
    assert faults_in(client.v1.accounts.retrieve_current(), "Account") == []


def test_a_customer_is_complete(client):
    bare = client.v1.customers.create({})
    full = client.v1.customers.create(
        {
            "name": "Ada",
            "address": {"city": "London"},
            "shipping": {"name": "Ada", "address": {"line1": "1 Lane"}},
            "preferred_locales": ["en"],
        }
    )

    assert faults_in(bare, "Customer") == []
    assert faults_in(full, "Customer") == []


def test_a_payment_method_is_complete(client):
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})

    assert faults_in(method, "PaymentMethod") == []


@pytest.mark.parametrize(
    ("card", "values"),
    [
        pytest.param("pm_card_visa", {}, id="paid"),
        pytest.param("pm_card_visa", {"capture_method": "manual"}, id="authorized"),
        pytest.param(
            "pm_card_visa", {"shipping": {"name": "A", "address": {"line1": "1"}}}, id="with shipping"
        ),
        pytest.param(
            "pm_card_authenticationRequired", {"return_url": "https://x.example"}, id="with an action"
        ),
    ],
)
def test_a_payment_intent_with_its_charge_is_complete(sandbox, client, eventually, card, values):
    intent = sandbox.pay(client, card, **values)

    charged = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge", "payment_method"]})

    assert faults_in(charged, "PaymentIntent") == []


def test_a_failed_intent_its_charge_and_the_error_are_complete(sandbox, client):
    with pytest.raises(stripe.CardError) as caught:
        sandbox.pay(client, "pm_card_chargeDeclined")

    intent = client.v1.payment_intents.retrieve(caught.value.error.payment_intent.id)

    assert faults_in(intent, "PaymentIntent") == []
    assert faults_in(client.v1.charges.retrieve(intent.latest_charge), "Charge") == []
    assert faults_of_object(caught.value.json_body["error"], "ErrorObject", (), "error") == []


def test_a_balance_transaction_is_complete(sandbox, client, eventually):
    charge = sandbox.pay(client, currency="eur").latest_charge

    eventually(lambda: client.v1.charges.retrieve(charge).balance_transaction)
    charged = client.v1.charges.retrieve(charge, {"expand": ["balance_transaction"]})

    assert faults_in(charged, "Charge") == []
    assert faults_in(client.v1.balance_transactions.list().data[0], "BalanceTransaction") == []


def test_refunds_in_every_state_are_complete(sandbox, client):
    sandbox.turn("settings", refund_delay=3600)
    made = [
        client.v1.refunds.create({"charge": sandbox.pay(client, card).latest_charge})
        for card in ("pm_card_visa", "pm_card_pendingRefund")
    ]
    sandbox.turn(f"refunds/{made[0].id}/fail")

    for refund in (*made, client.v1.refunds.retrieve(made[0].id)):
        assert faults_in(refund, "Refund") == []
    for entry in client.v1.balance_transactions.list().data:
        assert faults_in(entry, "BalanceTransaction") == []


def test_a_dispute_is_complete(sandbox, client):
    charge = sandbox.pay(client).latest_charge
    dispute = sandbox.turn(f"charges/{charge}/dispute")["id"]

    assert faults_in(client.v1.disputes.retrieve(dispute), "Dispute") == []
    assert faults_in(client.v1.disputes.close(dispute), "Dispute") == []


def test_what_belongs_to_a_subscription_is_complete(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000), trial_period_days=3)
    shop.client.v1.subscriptions.update(
        made.id, {"cancel_at_period_end": True, "pause_collection": {"behavior": "void"}}
    )
    other = shop.subscribe(shop.customer(), shop.price(2000))
    item = other["items"].data[0].id
    more = {"items": [{"id": item, "quantity": 2}], "proration_behavior": "always_invoice"}
    shop.client.v1.subscriptions.update(other.id, more)
    found = {
        "InvoiceItem": shop.client.v1.invoice_items.list().data,
        "InvoicePayment": shop.client.v1.invoice_payments.list().data,
        "Invoice": shop.client.v1.invoices.list({"expand": ["data.payments"]}).data,
        "Price": shop.client.v1.prices.list().data,
        "Product": shop.client.v1.products.list().data,
        "Subscription": shop.client.v1.subscriptions.list().data,
        "SubscriptionItem": shop.client.v1.subscription_items.list({"subscription": other.id}).data,
    }

    for name, things in found.items():
        assert things
        assert [fault for thing in things for fault in faults_in(thing, name)] == []


def test_what_belongs_to_selling_is_complete(sandbox, shop):
    client, ada, price = shop.client, shop.customer(), shop.price(1000)
    line = [{"price": price, "quantity": 1}]
    page = {"mode": "subscription", "success_url": "https://shop.example", "line_items": line}
    opened = client.v1.checkout.sessions.create(page)
    sold = sandbox.turn(f"payment_links/{client.v1.payment_links.create({'line_items': line}).id}/pay")
    note = {"invoice": sold["invoice"], "amount": 100, "refund_amount": 100}
    phases = [{"items": line, "trial": True}, {"items": line}]
    paused = client.v1.subscriptions.pause(sold["subscription"])
    found = {
        "CreditNote": [client.v1.credit_notes.create(note)],
        "PaymentLink": client.v1.payment_links.list().data,
        "Session": [opened, client.v1.checkout.sessions.retrieve(sold["id"])],
        "LineItem": client.v1.checkout.sessions.line_items.list(opened.id).data,
        "SubscriptionSchedule": [
            client.v1.subscription_schedules.create({"customer": ada, "phases": phases})
        ],
        "Subscription": [paused],
    }

    for name, things in found.items():
        assert [fault for thing in things for fault in faults_in(thing, name)] == []


def test_events_and_what_they_carry_are_complete(sandbox, client, eventually):
    sandbox.pay(client)
    eventually(lambda: client.v1.balance_transactions.list().data)

    events = client.v1.events.list({"limit": 100}).data

    assert {event.type for event in events} >= {
        "payment_intent.created",
        "charge.succeeded",
        "charge.updated",
    }
    for event in events:
        name = {"charge": "Charge", "payment_intent": "PaymentIntent"}[event.data.object.object]
        assert faults_in(event, "Event") == []
        assert faults_in(event.data.object, name) == []


def test_a_webhook_endpoint_is_complete(client, receiver):
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})

    assert faults_in(made, "WebhookEndpoint") == []
    assert faults_in(client.v1.webhook_endpoints.retrieve(made.id), "WebhookEndpoint") == []


def test_the_check_itself_finds_what_is_missing():
    faults = faults_of_object(
        {"id": "cus_1", "object": "customer", "created": None, "hat": 1}, "Customer", (), "it"
    )

    assert set(faults) == {"it.created is None, not int", "it.hat is unknown", "it.livemode is missing"}
