"""This module serves invoices: made by hand, changed, finalized, paid, voided and listed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, invoice_items, invoicing, money, subscription_changes
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.invoicing import Bill
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "auto_advance": "boolean",
    "collection_method": "enum:charge_automatically|send_invoice",
    "days_until_due": "integer",
    "default_payment_method": "id",
    "description": "string",
    "discounts": "unsimulated",
    "footer": "string",
    "metadata": "metadata",
    "statement_descriptor": "string",
}
CREATE: Spec = {
    **UPDATE,
    "currency": "id",
    "customer": "id!",
    "pending_invoice_items_behavior": "enum:exclude|include",
    "subscription": "id",
}
FINALIZE: Spec = {"auto_advance": "boolean"}
PAY: Spec = {
    "forgive": "unsimulated",
    "off_session": "boolean",
    "paid_out_of_band": "boolean",
    "payment_method": "id",
    "source": "unsimulated",
}
LIST: Spec = {
    **PAGE,
    "collection_method": "enum:charge_automatically|send_invoice",
    "created": "range",
    "customer": "id",
    "due_date": "unsimulated",
    "status": "enum:draft|open|paid|uncollectible|void",
    "subscription": "id",
}
NOTHING: Spec = {}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a draft by hand, with the customer's waiting invoice items where that is asked for.

    :raises ApiError: 400 for a customer or payment method that there is not
    """
    customer = caller.find(caller.state.customers, values["customer"], param="customer")
    caller = caller.beside(customer["id"])
    subscription = None
    if "subscription" in values:
        subscription = caller.find(caller.state.subscriptions, values["subscription"], param="subscription")
    waiting = []
    if subscription is not None or values.get("pending_invoice_items_behavior") == "include":
        of = subscription["id"] if subscription else None
        waiting = invoice_items.pending(caller, customer["id"], subscription=of)
    currency = money.check_currency(
        values.get("currency") or (waiting or [{"currency": "usd"}])[0]["currency"]
    )
    terms = _told(caller, {"metadata": {}}, {name: value for name, value in values.items() if name in UPDATE})
    bill = Bill(customer=customer, reason="manual", currency=currency, subscription=subscription, terms=terms)
    invoice = invoicing.draft(caller, bill)
    invoice_items.attach(caller, invoice, waiting)
    return invoice


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the invoice.

    :raises ApiError: 404
    """
    return caller.find(caller.state.invoices, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change an invoice; of one that is final only what does not touch the money.

    :raises ApiError: 404, 400 invoice_not_editable
    """
    invoice = caller.find(caller.state.invoices, object_id)
    if invoice["status"] != "draft" and {"collection_method", "days_until_due"} & set(values):
        raise invalid("Finalized invoices can't be updated in this way.", code="invoice_not_editable")
    changed = copy.deepcopy(invoice)
    changed |= _told(caller, invoice, values)
    previous = changes(invoice, changed)
    invoice.update(changed)
    if previous:
        emit(caller, Occurrence("invoice.updated", invoice, previous))
    return invoice


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete a draft that was made by hand.

    :raises ApiError: 404, 400 invoice_not_editable
    """
    invoice = caller.find(caller.state.invoices, object_id)
    if invoice["status"] != "draft" or invoice["parent"] is not None:
        raise invalid(
            "You can only delete draft invoices that are no subscription's.", code="invoice_not_editable"
        )
    for entry in caller.state.invoice_items:
        if entry["invoice"] == object_id:
            entry["invoice"] = None
    caller.state.invoices.remove(object_id)
    caller.state.lines.pop(object_id, None)
    emit(caller, Occurrence("invoice.deleted", invoice))
    return {"id": object_id, "object": "invoice", "deleted": True}


def finalize(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Finalize a draft; it is collected at once where it advances by itself.

    :raises ApiError: 404, 400 invoice_not_editable
    """
    invoice = caller.find(caller.state.invoices, object_id)
    caller = caller.beside(invoice["customer"])
    advances = values.get("auto_advance", invoice["auto_advance"])
    invoicing.finalize(caller, invoice)
    invoice["auto_advance"] = advances
    if advances and invoice["status"] == "open":
        billing.collect_by_itself(caller, invoice)
    return invoice


def pay(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Pay an invoice now, or mark it as paid out of band; a draft is finalized first.

    :raises ApiError: 404, 400 if it is not open, 402 if the bank declines
    """
    invoice = caller.find(caller.state.invoices, object_id)
    caller = caller.beside(invoice["customer"])
    if invoice["status"] == "draft":
        invoicing.finalize(caller, invoice)
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise invalid("This invoice can no longer be paid.", code="invoice_not_editable")
    if values.get("paid_out_of_band"):
        invoicing.settle(caller, invoice, invoice["amount_remaining"], out_of_band=True)
        return invoice
    method = values.get("payment_method", "")
    invoicing.collect(caller, invoice, method=method, off_session=values.get("off_session", True))
    return invoice


def send(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Send an invoice to its customer; a draft is finalized first.

    :raises ApiError: 404, 400 if it is charged automatically, was voided, or there is no e-mail address
    """
    invoice = caller.find(caller.state.invoices, object_id)
    caller = caller.beside(invoice["customer"])
    if invoice["collection_method"] != "send_invoice":
        raise invalid(
            "You can only manually send an invoice if its collection method is 'send_invoice'.",
            param="collection_method",
        )
    if invoice["status"] in {"uncollectible", "void"}:
        raise invalid("This invoice can no longer be sent.", code="invoice_not_editable")
    if not invoice["customer_email"]:
        raise invalid(
            "Missing email. In order to create invoices that are sent to the customer, the customer must "
            "have a valid email.",
            param="customer",
        )
    if invoice["status"] == "draft":
        invoicing.finalize(caller, invoice)
    invoicing.send(caller, invoice)
    return invoice


def void(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Void an invoice.

    :raises ApiError: 404, 400 invoice_not_editable
    """
    invoice = caller.find(caller.state.invoices, object_id)
    invoicing.void(caller.beside(invoice["customer"]), invoice)
    return invoice


def give_up(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Mark an invoice as uncollectible.

    :raises ApiError: 404, 400 invoice_not_editable
    """
    invoice = caller.find(caller.state.invoices, object_id)
    invoicing.give_up(caller.beside(invoice["customer"]), invoice)
    return invoice


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of invoices."""
    wanted = values.get("subscription")

    def keep(invoice: dict[str, Any]) -> bool:
        found = subscription_changes.of_invoice(caller, invoice)
        return wanted is None or (found is not None and found["id"] == wanted)

    equal = ("collection_method", "customer", "status")
    return page(caller, caller.state.invoices, values, url="/v1/invoices", equal=equal, keep=keep)


def _told(caller: Caller, invoice: dict[str, Any], values: Values) -> dict[str, Any]:
    told = dict(values)
    if "days_until_due" in told:
        told["due_date"] = invoicing.due_date(caller, told.pop("days_until_due"))
    if "metadata" in told:
        told["metadata"] = merge_metadata(invoice["metadata"], told["metadata"])
    return told
