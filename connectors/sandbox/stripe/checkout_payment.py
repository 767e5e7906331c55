"""This module does what a customer does on a checkout page: it pays or subscribes with a test card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    checkout_lines,
    confirmation,
    customers,
    invoice_items,
    invoice_lines,
    invoicing,
    payment_intents,
    payment_methods,
    subscriptions,
)
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.invoicing import Bill
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller

NEVER_REDIRECT = {"enabled": "true", "allow_redirects": "never"}


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who stands before the page: their card (a test token), and what they type in."""

    card: str = "pm_card_visa"
    email: str = "buyer@example.com"
    name: str = "Ada Buyer"
    passed: bool = True  # whether they pass the authentication that their card may ask for


def complete(caller: Caller, session: dict[str, Any], buyer: Buyer) -> None:
    """
    Pay an open session and tell that it is complete; it stays open if the bank declines.

    :raises ApiError: 400 if it is not open, 402 if the bank declines
    """
    if session["status"] != "open":
        raise invalid(f"This Checkout Session has a status of {session['status']}.")
    if session["customer"]:
        caller = caller.beside(session["customer"])
    pay = _subscribe if session["mode"] == "subscription" else _pay
    made = pay(caller, session, buyer)
    session |= {
        **made,
        "customer_details": _details(caller, made.get("customer") or session["customer"], buyer),
        "status": "complete",
        "url": None,
    }
    emit(caller, Occurrence("checkout.session.completed", session))


def _pay(caller: Caller, session: dict[str, Any], buyer: Buyer) -> dict[str, Any]:
    """Return what paying once has made, as fields of the session."""
    data = caller.state.checkout_data[session["id"]]
    customer = session["customer"]
    if customer is None and (data["invoices"] or session["customer_creation"] == "always"):
        customer = _customer(caller, data, buyer)
    if session["amount_total"] == 0:
        return {"customer": customer, "payment_status": "no_payment_required"}
    if data["invoices"]:
        return {"customer": customer, **_pay_invoice(caller, session, customer, buyer)}
    values = {
        **data["intent"],
        "amount": session["amount_total"],
        "automatic_payment_methods": NEVER_REDIRECT,
        "confirm": True,
        "currency": session["currency"],
        "payment_method": buyer.card,
    }
    intent = payment_intents.create(caller, values | ({"customer": customer} if customer else {}))
    if intent["status"] == "requires_action":
        confirmation.authenticate(caller, intent, passed=buyer.passed)
    if intent["status"] == "requires_payment_method":
        method = payment_methods.resolve(caller, buyer.card)
        raise payment_methods.decline("authentication_required", method)
    paid = "paid" if intent["status"] == "succeeded" else "unpaid"
    return {"customer": customer, "payment_intent": intent["id"], "payment_status": paid}


def _pay_invoice(caller: Caller, session: dict[str, Any], customer_id: str, buyer: Buyer) -> dict[str, Any]:
    told = caller.state.checkout_data[session["id"]]["invoice"]
    customer = caller.find(caller.state.customers, customer_id)
    method = _accepted(caller, buyer)
    terms = {"metadata": {}, **told}
    bill = Bill(customer=customer, reason="manual", currency=session["currency"], terms=terms)
    invoice = invoicing.draft(caller, bill)
    lines = checkout_lines.of(caller, session["id"])
    invoice_items.attach(caller, invoice, [_item(caller, customer_id, line) for line in lines])
    invoicing.finalize(caller, invoice)
    invoicing.collect(caller, invoice, method=method["id"], off_session=False)
    intent = caller.state.intent_of[invoice["id"]]
    return {"invoice": invoice["id"], "payment_intent": intent, "payment_status": "paid"}


def _subscribe(caller: Caller, session: dict[str, Any], buyer: Buyer) -> dict[str, Any]:
    """Return what subscribing has made, as fields of the session."""
    data = caller.state.checkout_data[session["id"]]
    method = _accepted(caller, buyer)
    customer = session["customer"] or _customer(caller, data, buyer)
    payment_methods.attach_to(caller, method, customer)
    lines = checkout_lines.of(caller, session["id"])
    made = subscriptions.begin(
        caller,
        {
            **data["subscription"],
            "add_invoice_items": [_sold(line) for line in lines if not checkout_lines.recurs(line)],
            "customer": customer,
            "default_payment_method": method["id"],
            "items": [_sold(line) for line in lines if checkout_lines.recurs(line)],
        },
    )
    invoice = caller.find(caller.state.invoices, made["latest_invoice"])
    free = invoice["total"] == 0
    paid = "paid" if invoice["status"] == "paid" else "unpaid"
    return {
        "customer": customer,
        "invoice": invoice["id"],
        "payment_status": "no_payment_required" if free else paid,
        "subscription": made["id"],
    }


def _accepted(caller: Caller, buyer: Buyer) -> dict[str, Any]:
    """
    Return the buyer's card as the bank takes it, authenticated where it asks for that.

    :raises ApiError: 402 if the bank declines
    """
    method = payment_methods.resolve(caller, buyer.card)
    card = caller.state.cards[method["id"]]
    if card.decline_code or (card.authentication and not buyer.passed):
        raise payment_methods.decline(card.decline_code or "authentication_required", method)
    caller.state.cards[method["id"]] = replace(card, authentication="")
    return method


def _customer(caller: Caller, data: dict[str, Any], buyer: Buyer) -> str:
    """Return the customer that a session makes: one only, however often its payment is tried."""
    if "customer" not in data:
        data["customer"] = customers.create(caller, {"email": buyer.email, "name": buyer.name})["id"]
    return str(data["customer"])


def _details(caller: Caller, customer: str | None, buyer: Buyer) -> dict[str, Any]:
    """Return what the page has learnt of the buyer; a customer who was known keeps their name."""
    known = caller.state.customers.get(customer or "") or {}
    return {
        "address": known.get("address"),
        "business_name": None,
        "email": known.get("email") or buyer.email,
        "individual_name": None,
        "name": known.get("name") or buyer.name,
        "phone": known.get("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _sold(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line as a request for a subscription describes it."""
    return {
        "metadata": line["metadata"],
        "price": line["price"]["id"],
        "quantity": str(line["quantity"]),
    }


def _item(caller: Caller, customer: str, line: dict[str, Any]) -> dict[str, Any]:
    terms = {
        "amount": line["amount_total"],
        "currency": line["currency"],
        "description": line["description"],
        "pricing": invoice_lines.pricing(line["price"]),
        "quantity": line["quantity"],
    }
    return invoice_items.make(caller, customer, terms)
