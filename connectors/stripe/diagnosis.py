"""This module says in plain words what is wrong with a Stripe connection, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import stripe

from connectors.base import Account, Diagnosis
from connectors.diagnosis import MOST_SKEW_SECONDS, another_account, clocks_differ, network_trouble
from connectors.stripe.client import SECRET_KEY
from connectors.stripe.errors import translate
from integrator.kernel import errors

# Prefix -> live mode. https://docs.stripe.com/keys
KEYS = {"sk_live_": True, "rk_live_": True, "sk_test_": False, "rk_test_": False}
OTHERS = {
    "pk_": "That is a publishable key, which browsers use. It may not read anything.",
    "whsec_": "That is the signing secret of a webhook endpoint, not an API key.",
    "sk_org_": "That is a key of an organisation, which leads to no single account.",
}
WHERE_KEYS_ARE = (
    "Make a restricted key (rk_…) with read access to Core resources in the Stripe dashboard, "
    "under Developers, API keys."
)
MODE = {True: "live", False: "test", None: "unknown"}


def livemode_of(key: str) -> bool | None:
    """Return the mode that a key's prefix tells, or None if it is no key."""
    return next((live for prefix, live in KEYS.items() if key.startswith(prefix)), None)


def of_key(account: Account) -> Diagnosis | None:
    """Return what is wrong with the key as such, before it is sent anywhere, or None."""
    expected = account.pinned_livemode if account.pinned_livemode is not None else account.expected_livemode
    return problem_with(account.secret(SECRET_KEY), expected)


def problem_with(key: str, expected: bool | None) -> Diagnosis | None:
    """Return what is wrong with a key where one of the mode `expected` is wanted, or None."""
    live = livemode_of(key)
    if live is None:
        return _bad_key(key)
    if expected is None or live == expected:
        return None
    return Diagnosis(
        ok=False,
        title=f"This is a {MODE[live]} key",
        explanation=f"The connection is for {MODE[expected]} mode. A {MODE[live]} key leads to "
        f"{'real money' if live else 'test data'}.",
        remedy=f"Enter a key that starts with sk_{MODE[expected]}_ or rk_{MODE[expected]}_, "
        "or make the connection in another environment.",
        details={"livemode": live, "expected_livemode": expected},
    )


def _bad_key(key: str) -> Diagnosis:
    known = next((text for prefix, text in OTHERS.items() if key.startswith(prefix)), "")
    return Diagnosis(
        ok=False,
        title="This is not a secret key",
        explanation=known or "Stripe's secret keys start with sk_test_, sk_live_, rk_test_ or rk_live_.",
        remedy=WHERE_KEYS_ARE,
        needs_key=True,
    )


def of_error(error: stripe.StripeError, account: Account, *, now: datetime) -> Diagnosis:
    """Return the diagnosis of a test call that failed."""
    if isinstance(error, stripe.APIConnectionError):
        return network_trouble(error.__cause__, host=urlsplit(account.base_url).netloc)
    failure = translate(error, now=now)
    details = {"code": failure.code, "request_id": failure.request_id, "status": error.http_status}
    match failure:
        case errors.Unauthorized():
            return Diagnosis(
                ok=False,
                title="Stripe does not know this key",
                explanation=f"The key was refused: {failure}",
                remedy="It was mistyped, rolled, deleted or has expired. " + WHERE_KEYS_ARE,
                details=details,
                needs_key=True,
            )
        case errors.Forbidden():
            return _restricted(failure, account, details)
        case errors.RateLimited():
            return Diagnosis(
                ok=False,
                title="Stripe asks us to slow down",
                explanation="The account's rate limit is used up, perhaps by another program.",
                remedy="Test again in a minute.",
                details=details,
            )
        case errors.Refused() if "version" in str(failure).lower():
            return Diagnosis(
                ok=False,
                title="Stripe does not know this API version",
                explanation=f"{account.api_version!r} was refused: {failure}",
                remedy="Set the version to the one that this product was made for.",
                details=details,
            )
        case _:
            return of_failure(failure, details)


def of_failure(failure: errors.IntegrationError, details: Mapping[str, Any] | None = None) -> Diagnosis:
    """Return the diagnosis of a failure that says no more than that it failed."""
    return Diagnosis(
        ok=False,
        title="Stripe could not answer",
        explanation=str(failure),
        remedy="Test again in a minute, and look at https://status.stripe.com.",
        details=dict(details or {"code": failure.code}),
    )


def _restricted(failure: errors.IntegrationError, account: Account, details: Mapping[str, Any]) -> Diagnosis:
    """A restricted key that may not read its account is still a good key, once somebody says whose it is."""
    declared = str(account.settings.get("account_id") or "")
    if not declared:
        return Diagnosis(
            ok=False,
            title="The key may not say which account it belongs to",
            explanation=f"It is a restricted key without that permission: {failure}",
            remedy="Enter the account id (acct_…), which stands in the Stripe dashboard under Settings, "
            "Account details. Or give the key read access to it.",
            details={**details, "needs": "account_id"},
        )
    live = livemode_of(account.secret(SECRET_KEY))
    return _arrived(declared, live, account, {**details, "declared": True})


def of_account(found: Mapping[str, Any], account: Account, *, skew: float | None) -> Diagnosis:
    """Return the diagnosis of a test call that was answered."""
    if skew is not None and abs(skew) > MOST_SKEW_SECONDS:
        return clocks_differ(skew)
    profile = found.get("business_profile") or {}
    dashboard = (found.get("settings") or {}).get("dashboard") or {}
    details = {
        "name": dashboard.get("display_name") or profile.get("name") or "",
        "country": found.get("country") or "",
        "clock_skew": None if skew is None else round(skew),
    }
    return _arrived(str(found.get("id") or ""), livemode_of(account.secret(SECRET_KEY)), account, details)


def _arrived(acct: str, live: bool | None, account: Account, details: Mapping[str, Any]) -> Diagnosis:
    if account.pinned_account and acct != account.pinned_account:
        return another_account(pinned=account.pinned_account, found=acct, noun="account")
    name = f" ({details['name']})" if details.get("name") else ""
    return Diagnosis(
        ok=True,
        title="Stripe answers",
        explanation=f"The key leads to {acct}{name} in {MODE[live]} mode.",
        details={"account": acct, "livemode": live, "api_version": account.api_version, **details},
    )
