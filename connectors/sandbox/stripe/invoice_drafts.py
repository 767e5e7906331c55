"""This module knows what a fresh invoice looks like."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller

NOTHING_YET = dict.fromkeys(
    (
        "account_tax_ids",
        "application",
        "automatically_finalizes_at",
        "custom_fields",
        "customer_account",
        "default_payment_method",
        "default_source",
        "description",
        "due_date",
        "effective_at",
        "ending_balance",
        "footer",
        "from_invoice",
        "hosted_invoice_url",
        "invoice_pdf",
        "last_finalization_error",
        "latest_revision",
        "next_payment_attempt",
        "number",
        "on_behalf_of",
        "parent",
        "receipt_number",
        "rendering",
        "shipping_cost",
        "shipping_details",
        "statement_descriptor",
        "threshold_reason",
        "webhooks_delivered_at",
    )
)
NO_TAX = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}
NO_TRANSITIONS = dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at"))
ZERO = dict.fromkeys(
    (
        "amount_due",
        "amount_overpaid",
        "amount_paid",
        "amount_paid_off_stripe",
        "amount_remaining",
        "amount_shipping",
        "attempt_count",
        "post_payment_credit_notes_amount",
        "pre_payment_credit_notes_amount",
        "starting_balance",
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
    ),
    0,
)


def blank(caller: Caller, customer: dict[str, Any], *, reason: str, currency: str) -> dict[str, Any]:
    """Return a draft without lines; what it tells of the customer is a copy that stays as it is."""
    return {
        "id": caller.state.new_id("in_1"),
        "object": "invoice",
        **NOTHING_YET,
        **ZERO,
        "account_country": "US",
        "account_name": "Sandbox Books",
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": dict(NO_TAX),
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": caller.now,
        "currency": currency,
        "customer": customer["id"],
        "customer_address": copy.deepcopy(customer["address"]),
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": copy.deepcopy(customer["shipping"]),
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": caller.livemode,
        "metadata": {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": caller.now,
        "period_start": caller.now,
        "status": "draft",
        "status_transitions": dict(NO_TRANSITIONS),
        "test_clock": customer["test_clock"],
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }
