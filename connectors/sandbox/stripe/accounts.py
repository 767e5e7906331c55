"""This module simulates the account: who the key belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import ApiError

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

RETRIEVE: Spec = {}
CREATED = 1_700_000_000


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the account of the key.

    :raises ApiError: 403 account_invalid for any other
    """
    if object_id not in {"", caller.state.account}:
        raise ApiError(
            403,
            f"The provided key does not have access to account '{object_id}' (or that account does not "
            "exist). "
            "Application access may have been revoked.",
            code="account_invalid",
        )
    return account(caller.state.account, currency=caller.state.settle_in)


def account(account_id: str, *, currency: str) -> dict[str, Any]:
    """Return the account object."""
    return {
        "id": account_id,
        "object": "account",
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": "5734",
            "minority_owned_business_designation": None,
            "name": "Sandbox Books",
            "product_description": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": "https://books.example",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": CREATED,
        "default_currency": currency,
        "details_submitted": True,
        "email": "owner@books.example",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{account_id}/external_accounts",
        },
        "future_requirements": _no_requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _no_requirements(),
        "settings": _settings(),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "standard",
    }


def _no_requirements() -> dict[str, Any]:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }


def _settings() -> dict[str, Any]:
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": "Sandbox Books", "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": "SANDBOX BOOKS",
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }
