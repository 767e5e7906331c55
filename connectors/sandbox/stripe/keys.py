"""This module knows the API keys of the simulated Stripe: their mode, and what a restricted one may do."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.sandbox.stripe.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

# resource -> the name of its permission, as the error names it; prices are still called plans there
PERMISSIONS = {
    "account": "rak_accounts_kyc_basic",
    "balance_transactions": "rak_balance_transaction_source",
    "charges": "rak_charge",
    "checkout/sessions": "rak_checkout_session",
    "credit_notes": "rak_credit_note",
    "customers": "rak_customer",
    "disputes": "rak_dispute",
    "event_destinations": "rak_event_destination",
    "events": "rak_event",
    "invoice_payments": "rak_invoice",
    "invoiceitems": "rak_invoice_item",
    "invoices": "rak_invoice",
    "payment_intents": "rak_payment_intent",
    "payment_links": "rak_payment_link",
    "payment_methods": "rak_payment_method",
    "payouts": "rak_payout",
    "prices": "rak_plan",
    "products": "rak_product",
    "refunds": "rak_charge",
    "subscription_items": "rak_subscription",
    "subscription_schedules": "rak_subscription",
    "subscriptions": "rak_subscription",
    "test_helpers/test_clocks": "rak_billing_clock",
    "webhook_endpoints": "rak_webhook",
}
LEVELS = {"none": 0, "read": 1, "write": 2}


@dataclass(slots=True)
class ApiKey:
    """A secret key, or a restricted one with its permissions (resource -> none, read or write)."""

    value: str
    permissions: dict[str, str] = field(default_factory=dict)
    expired: bool = False

    @property
    def livemode(self) -> bool:
        """Say whether the key is one of live mode."""
        return self.value.startswith(("sk_live_", "rk_live_"))

    def may(self, resource: str, level: str) -> bool:
        """Say whether the key allows this; writing includes reading."""
        if self.value.startswith("sk_"):
            return True
        return LEVELS[self.permissions.get(resource, "none")] >= LEVELS[level]


def key_from(value: str, permissions: Mapping[str, str]) -> ApiKey:
    """
    Return the key that a control request describes.

    :raises ValueError: if its prefix or a permission is none of Stripe's
    """
    if not value.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        raise ValueError("A key starts with sk_test_, sk_live_, rk_test_ or rk_live_")
    for resource, level in permissions.items():
        if resource not in PERMISSIONS or level not in LEVELS:
            raise ValueError(f"No such permission: {resource} {level}; resources: {', '.join(PERMISSIONS)}")
    return ApiKey(value, dict(permissions))


def authenticate(header: str, keys: Mapping[str, ApiKey]) -> ApiKey:
    """
    Return the key that an Authorization header names, by Bearer or as the user of Basic.

    :raises ApiError: 401 if there is none, or it is unknown or expired
    """
    value = _value(header)
    if not value:
        raise ApiError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
            "https://stripe.com/docs/api#"
            "authentication for details, or we can help at https://support.stripe.com/.",
            headers={"www-authenticate": 'Basic realm="Stripe"'},
        )
    key = keys.get(value)
    if key is None:
        raise ApiError(401, f"Invalid API Key provided: {masked(value)}")
    if key.expired:
        raise ApiError(401, f"Expired API Key provided: {masked(value)}", code="api_key_expired")
    return key


def _value(header: str) -> str:
    scheme, _, credential = header.partition(" ")
    if scheme.lower() == "bearer":
        return credential.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credential).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def masked(value: str) -> str:
    """Return a key as error texts show it."""
    return f"{value[:8]}{'*' * max(4, len(value) - 12)}{value[-4:]}" if len(value) > 12 else "*" * len(value)


def refuse_unless_allowed(key: ApiKey, resource: str, level: str, *, account: str) -> None:
    """
    Let a call pass that the key allows.

    :raises ApiError: 403 that names the permission which is missing
    """
    if not key.may(resource, level):
        permission = f"{PERMISSIONS[resource]}_{level}"
        raise ApiError(
            403,
            f"The provided key '{masked(key.value)}' does not have the required permissions for this "
            "endpoint on "
            f"account '{account}'. Having the '{permission}' permission would allow this request to "
            "continue.",
        )
