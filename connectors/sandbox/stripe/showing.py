"""
This module shows objects as a version of the API prints them, without our own marks.

Objects are kept in the shapes of the newest version. What older versions showed elsewhere is put back there:
https://docs.stripe.com/changelog (basil, 2025-03-31, moved the most).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.printing import unmarked

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.stripe.state import StripeState

    Object = dict[str, Any]

BASIL = "2025-03-31"
ENDIVE = "2026-09-30"


def shown(state: StripeState, version: str, value: Any) -> Any:
    """Return what a version of the API prints for an object, a list or whatever stands in them."""
    if isinstance(value, list):
        return [shown(state, version, item) for item in value]
    if not isinstance(value, dict):
        return value
    # In an event `object` is what it carries, which is frozen as bytes.
    kind = value["object"] if isinstance(value.get("object"), str) else ""
    result = {name: shown(state, version, item) for name, item in value.items()}
    result = unmarked(result)
    for before, about, change in CHANGES:
        if kind == about and version < before and not result.get("deleted"):
            change(state, result)
    return result


def _subscription_before_basil(state: StripeState, subscription: Object) -> None:
    items = subscription["items"]["data"]
    for name, choose in (("current_period_start", min), ("current_period_end", max)):
        subscription[name] = choose((item.pop(name) for item in items), default=None)


def _invoice_before_basil(state: StripeState, invoice: Object) -> None:
    parent = invoice.pop("parent") or {}
    details = parent.get("subscription_details") or {}
    invoice["subscription"] = details.get("subscription")
    invoice["subscription_details"] = {"metadata": details.get("metadata")}
    paid = invoice["status"] == "paid"
    intent_id = state.intent_of.get(invoice["id"])
    intent = state.payment_intents.get(intent_id or "") or {}
    invoice |= {
        "charge": intent.get("latest_charge"),
        "paid": paid,
        "paid_out_of_band": paid and intent_id is None and invoice["amount_due"] > 0,
        "payment_intent": intent_id,
        "tax": None,
    }
    invoice.pop("payments", None)


def _line_before_basil(state: StripeState, line: Object) -> None:
    parent = line.pop("parent") or {}
    kind = parent.get("type") or "invoice_item_details"
    details = parent.get(kind) or {}
    pricing = (line.pop("pricing") or {}).get("price_details") or {}
    line |= {
        "invoice_item": details.get("invoice_item"),
        "price": state.prices.get(pricing.get("price") or ""),
        "proration": details.get("proration", False),
        "subscription": details.get("subscription"),
        "subscription_item": details.get("subscription_item"),
        "type": "subscription" if kind == "subscription_item_details" else "invoiceitem",
    }


def _payment_before_basil(state: StripeState, payment: Object) -> None:
    intent = payment["payment_intent"] if payment["object"] == "charge" else payment["id"]
    if isinstance(intent, dict):
        intent = intent["id"]
    payment["invoice"] = state.invoice_of.get(intent or "")


def _customer_before_endive(state: StripeState, customer: Object) -> None:
    for name in ("business_name", "individual_name"):
        customer.pop(name, None)


# The version from which on it is otherwise, the kind, and what an older version shows.
CHANGES: tuple[tuple[str, str, Callable[[StripeState, Object], None]], ...] = (
    (BASIL, "subscription", _subscription_before_basil),
    (BASIL, "invoice", _invoice_before_basil),
    (BASIL, "line_item", _line_before_basil),
    (BASIL, "charge", _payment_before_basil),
    (BASIL, "payment_intent", _payment_before_basil),
    (ENDIVE, "customer", _customer_before_endive),
)
NEWEST_CHANGE = max(before for before, _, _ in CHANGES)
