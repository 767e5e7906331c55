"""This module simulates invoice items: what waits for the next invoice, prorations above all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import invoice_lines, money, price_data
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "amount": "integer",
    "currency": "id",
    "customer": "id!",
    "description": "string",
    "discountable": "boolean",
    "discounts": "unsimulated",
    "invoice": "id",
    "metadata": "metadata",
    "period": "unsimulated",
    "price_data": "any",
    "pricing": "object:price",
    "quantity": "integer",
    "subscription": "id",
    "tax_rates": "unsimulated",
    "unit_amount_decimal": "unsimulated",
}
UPDATE: Spec = {
    "amount": "integer",
    "description": "string",
    "discountable": "boolean",
    "metadata": "metadata",
    "quantity": "integer",
}
LIST: Spec = {**PAGE, "created": "range", "customer": "id", "invoice": "id", "pending": "boolean"}
NOTHING: Spec = {}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make an invoice item, on a draft at once if one is named.

    :raises ApiError: 400 without an amount, or for an invoice that is no draft
    """
    caller = caller.beside(caller.customer(values["customer"]))
    invoice = None
    if "invoice" in values:
        invoice = caller.find(caller.state.invoices, values["invoice"], param="invoice")
        if invoice["status"] != "draft":
            raise invalid("The invoice is no longer a draft.", param="invoice", code="invoice_not_editable")
    entry = make(caller, values["customer"], _terms(caller, values))
    if invoice is not None:
        attach(caller, invoice, [entry])
    return entry


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the invoice item.

    :raises ApiError: 404
    """
    return caller.find(caller.state.invoice_items, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change an invoice item that is on no invoice, or on a draft.

    :raises ApiError: 404, or 400 if its invoice is final
    """
    entry = caller.find(caller.state.invoice_items, object_id)
    invoice = _draft_of(caller, entry)
    told = {name: value for name, value in values.items() if name != "metadata"}
    if "quantity" in told and "amount" not in told and entry["quantity"]:
        told["amount"] = entry["amount"] // entry["quantity"] * told["quantity"]
    entry |= told
    entry |= {"net_amount": entry["amount"], "quantity_decimal": str(entry["quantity"])}
    entry["metadata"] = merge_metadata(entry["metadata"], values.get("metadata", {}))
    if invoice is not None:
        invoice_lines.take(caller, invoice, object_id)
        attach(caller, invoice, [entry])
    return entry


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete an invoice item that is on no invoice, or on a draft.

    :raises ApiError: 404, or 400 if its invoice is final
    """
    entry = caller.find(caller.state.invoice_items, object_id)
    invoice = _draft_of(caller, entry)
    caller.state.invoice_items.remove(object_id)
    emit(caller, Occurrence("invoiceitem.deleted", entry))
    if invoice is not None:
        invoice_lines.take(caller, invoice, object_id)
    return {"id": object_id, "object": "invoiceitem", "deleted": True}


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of invoice items."""
    wanted = values.get("pending")
    return page(
        caller,
        caller.state.invoice_items,
        values,
        url="/v1/invoiceitems",
        equal=("customer", "invoice"),
        keep=lambda entry: wanted is None or wanted == (entry["invoice"] is None),
    )


def make(caller: Caller, customer_id: str, terms: dict[str, Any]) -> dict[str, Any]:
    """Keep an invoice item with what is told of it, and tell about it."""
    customer = caller.find(caller.state.customers, customer_id, param="customer")
    entry = {
        "id": caller.state.new_id("ii_1"),
        "object": "invoiceitem",
        "customer": customer_id,
        "customer_account": None,
        "date": caller.now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": caller.livemode,
        "metadata": {},
        "net_amount": terms["amount"],
        "parent": None,
        "period": {"start": caller.now, "end": caller.now},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": customer["test_clock"],
        **terms,
    }
    entry["quantity_decimal"] = str(entry["quantity"])
    caller.state.invoice_items.add(entry)
    emit(caller, Occurrence("invoiceitem.created", entry))
    return entry


def pending(caller: Caller, customer_id: str, *, subscription: str | None) -> list[dict[str, Any]]:
    """Return what waits for an invoice of the customer: of a subscription, or of none in particular."""
    return [
        entry
        for entry in caller.state.invoice_items
        if entry["customer"] == customer_id
        and entry["invoice"] is None
        and _subscription_of(entry) in {None, subscription}
    ]


def attach(caller: Caller, invoice: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """Put invoice items on a draft."""
    for entry in entries:
        entry["invoice"] = invoice["id"]
    invoice_lines.put(caller, invoice, [invoice_lines.of_invoice_item(caller, entry) for entry in entries])


def _draft_of(caller: Caller, entry: dict[str, Any]) -> dict[str, Any] | None:
    """
    Return the draft that an invoice item is on, if any.

    :raises ApiError: 400 if its invoice is final
    """
    invoice = caller.state.invoices.get(entry["invoice"] or "")
    if invoice is not None and invoice["status"] != "draft":
        raise invalid("This invoice item is on an invoice that is final.", code="invoice_not_editable")
    return invoice


def _subscription_of(entry: dict[str, Any]) -> str | None:
    found: str | None = ((entry["parent"] or {}).get("subscription_details") or {}).get("subscription")
    return found


def _terms(caller: Caller, values: Values) -> dict[str, Any]:
    quantity = values.get("quantity", 1)
    terms: dict[str, Any] = {
        "description": values.get("description"),
        "metadata": merge_metadata({}, values.get("metadata", {})),
        "quantity": quantity,
    }
    if "subscription" in values:
        found = caller.find(caller.state.subscriptions, values["subscription"], param="subscription")
        details = {"subscription": found["id"], "subscription_item": None}
        terms["parent"] = {"subscription_details": details, "type": "subscription_details"}
    described = {"price": (values.get("pricing") or {}).get("price")}
    if "price_data" in values:
        described = {"price_data": values["price_data"]}
    if any(described.values()):
        price = price_data.named_or_made(caller, described, param="pricing")
        named = {"amount": price["unit_amount"] * quantity, "currency": price["currency"]}
        return {**terms, **named, "pricing": invoice_lines.pricing(price)}
    if "amount" not in values or "currency" not in values:
        missing = "amount" if "amount" not in values else "currency"
        raise invalid(f"Missing required param: {missing}.", param=missing, code="parameter_missing")
    return {**terms, "amount": values["amount"], "currency": money.check_currency(values["currency"])}
