"""This module knows what fresh checkout sessions look like, and what they pass on to what is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import checkout_lines, payment_intents
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import check

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

INTENT: Spec = {
    name: payment_intents.UPDATE[name]
    for name in (
        "capture_method",
        "description",
        "metadata",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    )
}
SUBSCRIPTION: Spec = {
    "billing_cycle_anchor": "integer",
    "description": "string",
    "metadata": "metadata",
    "proration_behavior": "enum:create_prorations|none",
    "trial_end": "id",
    "trial_period_days": "integer",
    "trial_settings": "object:end_behavior",
}
INVOICE: Spec = {"description": "string", "footer": "string", "metadata": "metadata"}
# What a session or a link is told about the objects that its payment makes.
DATA: Spec = {
    "invoice_creation": "object:enabled|invoice_data",
    "payment_intent_data": f"object:{'|'.join(INTENT)}",
    "subscription_data": f"object:{'|'.join(SUBSCRIPTION)}",
}
NOTHING_YET = dict.fromkeys(
    (
        "adaptive_pricing",
        "after_expiration",
        "allow_promotion_codes",
        "billing_address_collection",
        "branding_settings",
        "cancel_url",
        "client_reference_id",
        "client_secret",
        "collected_information",
        "consent",
        "consent_collection",
        "currency_conversion",
        "customer",
        "customer_account",
        "customer_creation",
        "customer_details",
        "customer_email",
        "integration_identifier",
        "invoice",
        "locale",
        "origin_context",
        "payment_intent",
        "payment_link",
        "payment_method_configuration_details",
        "permissions",
        "recovered_from",
        "return_url",
        "setup_intent",
        "shipping_address_collection",
        "shipping_cost",
        "submit_type",
        "subscription",
        "success_url",
        "url",
        "wallet_options",
    )
)
NO_TEXT = dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"))


def data_of(values: Values) -> dict[str, Any]:
    """
    Return what is told about the payment intent, the subscription and the invoice to be made.

    :raises ApiError: 400 for parameters that those would refuse, or that do not fit the mode
    """
    for mode, name in (("subscription", "payment_intent_data"), ("payment", "subscription_data")):
        if values.get("mode") == mode and values.get(name):
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    creation = values.get("invoice_creation") or {}
    invoice = creation.get("invoice_data")
    return {
        "intent": check(values.get("payment_intent_data") or {}, INTENT),
        "invoice": check(invoice if isinstance(invoice, dict) else {}, INVOICE),
        "invoices": creation.get("enabled") == "true",
        "subscription": check(values.get("subscription_data") or {}, SUBSCRIPTION),
    }


def session(
    caller: Caller, *, mode: str, lines: list[dict[str, Any]], data: dict[str, Any]
) -> dict[str, Any]:
    """Return an open session that sells the lines."""
    trial = bool(data["subscription"].get("trial_period_days") or data["subscription"].get("trial_end"))
    amount = checkout_lines.total(lines, trial=trial)
    return {
        "id": caller.state.new_id("cs_live_a1" if caller.livemode else "cs_test_a1"),
        "object": "checkout.session",
        **NOTHING_YET,
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": caller.now,
        "currency": lines[0]["currency"],
        "custom_fields": [],
        "custom_text": dict(NO_TEXT),
        "customer_creation": "if_required" if mode == "payment" else "always",
        "discounts": [],
        "expires_at": caller.now + 24 * 3600,
        "invoice_creation": invoice_creation(data) if mode == "payment" else None,
        "livemode": caller.livemode,
        "metadata": {},
        "mode": mode,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
    }


def invoice_creation(data: dict[str, Any]) -> dict[str, Any]:
    """Return how a session or a link tells whether its payment makes an invoice."""
    names = ("account_tax_ids", "custom_fields", "issuer", "rendering_options")
    told = {name: data["invoice"].get(name) for name in ("description", "footer")}
    invoice = {**dict.fromkeys(names), **told, "metadata": data["invoice"].get("metadata", {})}
    return {"enabled": data["invoices"], "invoice_data": invoice}
