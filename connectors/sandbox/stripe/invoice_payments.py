"""This module serves invoice payments: which payment intent pays which invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.lists import PAGE, page

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = {
    **PAGE,
    "created": "range",
    "invoice": "id",
    "payment": "object:payment_intent|type",
    "status": "enum:canceled|open|paid",
}
NOTHING: Spec = {}


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the invoice payment.

    :raises ApiError: 404
    """
    return caller.find(caller.state.invoice_payments, object_id)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of invoice payments, of an invoice or of a payment intent."""
    intent = (values.get("payment") or {}).get("payment_intent")
    return page(
        caller,
        caller.state.invoice_payments,
        values,
        url="/v1/invoice_payments",
        equal=("invoice", "status"),
        keep=lambda payment: intent is None or payment["payment"]["payment_intent"] == intent,
    )
