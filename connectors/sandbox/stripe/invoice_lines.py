"""This module makes the lines of invoices, of subscription items and of invoice items, and pages them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.stores import Store

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = PAGE
FIRST = 10  # lines that an invoice itself shows


def list_all(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return a page of the lines of an invoice.

    :raises ApiError: 404
    """
    invoice = caller.find(caller.state.invoices, object_id)
    return page(caller, _store(caller, invoice), values, url=_url(invoice))


def of_subscription_item(
    caller: Caller, item: dict[str, Any], *, free: bool, begun: int | None = None
) -> dict[str, Any]:
    """
    Return the line for the current period of an item, free while its trial lasts.

    `begun` is when the whole period began, where the item's own one is only the rest of it.
    """
    price, quantity = item["price"], item["quantity"]
    start, end = item["current_period_start"], item["current_period_end"]
    amount = 0 if free else price["unit_amount"] * quantity
    if begun is not None:
        amount = share(amount, start=begun, end=end, at=start)
    name = (caller.state.products.get(price["product"]) or {}).get("name", "")
    text = f"Trial period for {name}" if free else f"{quantity} × {name}"
    details = {
        "invoice_item": None,
        "proration": begun is not None,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
    return {
        **_line(caller, amount, price["currency"], text, quantity),
        "metadata": dict(item["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"start": start, "end": end},
        "pricing": pricing(price),
        "subscription": item["subscription"],
    }


def of_invoice_item(caller: Caller, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the line of an invoice item."""
    subscription = ((entry["parent"] or {}).get("subscription_details") or {}).get("subscription")
    details = {
        "invoice_item": entry["id"],
        "proration": entry["proration"],
        "proration_details": {"credited_items": None},
        "subscription": subscription,
    }
    return {
        **_line(caller, entry["amount"], entry["currency"], entry["description"], entry["quantity"]),
        "metadata": dict(entry["metadata"]),
        "parent": {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": dict(entry["period"]),
        "pricing": entry["pricing"],
        "subscription": subscription,
    }


def pricing(price: dict[str, Any]) -> dict[str, Any]:
    """Return how a line or an invoice item tells its price."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def share(amount: int, *, start: int, end: int, at: int) -> int:
    """Return the part of an amount for a period that is left at a moment, rounded half to even."""
    part = Decimal(amount) * (end - at) / (end - start)
    return int(part.to_integral_value(rounding=ROUND_HALF_EVEN))


def put(caller: Caller, invoice: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Add lines to a draft, in their order and before those that are there, and count them."""
    store = _store(caller, invoice)
    for line in reversed(lines):
        store.add({**line, "invoice": invoice["id"]})
    count(caller, invoice)


def take(caller: Caller, invoice: dict[str, Any], invoice_item: str) -> None:
    """Take the line of an invoice item off a draft."""
    store = _store(caller, invoice)
    for line in [line for line in store if _invoice_item_of(line) == invoice_item]:
        store.remove(line["id"])
    count(caller, invoice)


def count(caller: Caller, invoice: dict[str, Any]) -> None:
    """Bring the sums of an invoice, and the lines that it shows itself, up to date."""
    lines = list(_store(caller, invoice).older())
    total = sum(line["amount"] for line in lines)
    due = max(0, total + invoice["starting_balance"])
    invoice["lines"] = {
        "object": "list",
        "data": lines[:FIRST],
        "has_more": len(lines) > FIRST,
        "url": _url(invoice),
    }
    sums = ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    invoice |= dict.fromkeys(sums, total)
    invoice |= {"amount_due": due, "amount_remaining": due - invoice["amount_paid"]}


def _store(caller: Caller, invoice: dict[str, Any]) -> Store:
    return caller.state.lines.setdefault(invoice["id"], Store("line item"))


def _invoice_item_of(line: dict[str, Any]) -> str | None:
    found: str | None = (line["parent"]["invoice_item_details"] or {}).get("invoice_item")
    return found


def _url(invoice: dict[str, Any]) -> str:
    return f"/v1/invoices/{invoice['id']}/lines"


def _line(caller: Caller, amount: int, currency: str, text: str | None, quantity: int) -> dict[str, Any]:
    return {
        "id": caller.state.new_id("il_1"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": text,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": caller.livemode,
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subtotal": amount,
        "taxes": [],
    }
