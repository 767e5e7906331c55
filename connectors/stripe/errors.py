"""
This module translates what Stripe's SDK raises into our failures.

Source: https://docs.stripe.com/api/errors, and for the classes stripe-python 16.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import stripe

from connectors.base import NO_TURN
from connectors.diagnosis import kind_of
from integrator.kernel import errors, texts
from integrator.kernel.redact import redact_text

# Most specific first: every one of them is a `StripeError`.
MEANING: tuple[tuple[type[stripe.StripeError], type[errors.IntegrationError]], ...] = (
    (stripe.CardError, errors.Declined),
    (stripe.AuthenticationError, errors.Unauthorized),
    (stripe.PermissionError, errors.Forbidden),  # one scope is missing: the key itself is good
    (stripe.RateLimitError, errors.RateLimited),
    (stripe.IdempotencyError, errors.Refused),  # the same key with other parameters: a bug of ours
    (stripe.InvalidRequestError, errors.Refused),
    (stripe.APIConnectionError, errors.Transient),
    (stripe.APIError, errors.Transient),
)

# What a code says that the class does not. Codes: https://docs.stripe.com/error-codes
BY_CODE: dict[str, type[errors.IntegrationError]] = {
    "lock_timeout": errors.Transient,  # 429, but a lock on one object, not a limit of the account
    "resource_missing": errors.Missing,
}

SPENT = "idempotency_key_spent"  # see `in_doubt`
_NEVER_SENT = frozenset({"dns", "connect"})

# Stripe does not say when a limit ends; it is counted by the second.
REST_AFTER_LIMIT = timedelta(seconds=5)
LONGEST_MESSAGE = 400

# A restricted key is told in words which permission it lacks: "Having the 'rak_charge_read' permission ..."
_PERMISSION = re.compile(r"\brak_[a-z_]{1,90}\b")


def translate(error: stripe.StripeError, *, now: datetime) -> errors.IntegrationError:
    """
    Return `error` as one of our failures, with Stripe's code, parameter and request id.

    Where a permission is missing and no code was told, the permission is the code.
    """
    # The exception's own code is empty for some classes; the error object in the body has it.
    code = _told(error, "code")
    meaning = _meaning_of(error, code)
    if meaning is errors.Forbidden and not code:
        code = _permission_in(error)
    return meaning(
        _message_of(error),
        code=_code_of(error, meaning, _told(error, "decline_code") or code),
        field=_told(error, "param"),
        request_id=texts.storable(str(error.request_id or ""), texts.LONGEST_REQUEST_ID),
        resets_at=_resets_at(error, now=now) if meaning is errors.RateLimited else None,
        http_status=error.http_status,
    )


def in_doubt(failure: errors.IntegrationError, error: stripe.StripeError | None) -> errors.IntegrationError:
    """
    Return the failure of a call that writes, as `failure` is that of one that reads.

    What was sent and has no answer of the API that says otherwise may have been done. The code is kept, so
    that silence still says that the system is out of reach; `SPENT` is that of a key that helps no more.
    """
    if error is not None and _is_spent(error):
        said = "Stripe has kept a failure for this request, so it may have been done."
        return errors.Uncertain(said, code=SPENT, request_id=failure.request_id)
    if not isinstance(failure, errors.Transient) or failure.code in {NO_TURN, "lock_timeout"}:
        return failure
    if error is not None and kind_of(error.__cause__) in _NEVER_SENT:
        return failure
    return errors.Uncertain(
        f"{failure} It may have been done.",
        code=failure.code,
        request_id=failure.request_id,
        http_status=failure.http_status,
    )


def _is_spent(error: stripe.StripeError) -> bool:
    """
    Tell whether a repetition can bring no other answer: a fault was kept, or the key has other parameters.

    Source: https://docs.stripe.com/api/idempotent_requests
    """
    if isinstance(error, stripe.IdempotencyError) and error.http_status == 400:
        return True
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return (error.http_status or 0) >= 500 and headers.get("idempotent-replayed") == "true"


def _permission_in(error: stripe.StripeError) -> str:
    """Return the permission that a refusal names, or nothing."""
    found = _PERMISSION.search(str(error.user_message or ""))
    return found[0] if found else ""


def _is_of_the_api(error: stripe.StripeError) -> bool:
    """
    Tell whether Stripe's API said it, with the error object that it always sends.

    Anything else is a page of a proxy, a firewall or a load balancer, or an error in OAuth's words.
    """
    return isinstance(error.error, stripe.ErrorObject)


def _told(error: stripe.StripeError, name: str) -> str:
    detail: Any = error.error
    if not _is_of_the_api(error) or name not in detail:
        return ""
    return texts.storable(str(detail[name] or ""), texts.LONGEST_CODE)


def _meaning_of(error: stripe.StripeError, code: str) -> type[errors.IntegrationError]:
    if code in BY_CODE:
        return BY_CODE[code]
    status = error.http_status or 0
    if not _is_of_the_api(error):
        return errors.Unauthorized if status == 401 else errors.Transient
    if type(error) is stripe.APIError and 400 <= status < 500 and status != 409:
        return errors.Refused  # 409 is a conflict between two requests, and passes
    if status == 404:
        return errors.Missing
    return next((ours for theirs, ours in MEANING if isinstance(error, theirs)), errors.Refused)


def _code_of(error: stripe.StripeError, meaning: type[errors.IntegrationError], code: str) -> str:
    if code or meaning is not errors.Transient:
        return code
    if isinstance(error, stripe.APIConnectionError):
        return "timeout" if kind_of(error.__cause__) == "timeout" else "network"
    return "" if error.http_status == 409 and _is_of_the_api(error) else "unavailable"


def _message_of(error: stripe.StripeError) -> str:
    if isinstance(error, stripe.APIConnectionError):
        return error.user_message or "Stripe could not be reached."
    if not _is_of_the_api(error):
        # A page of a proxy or half an answer: its text helps nobody.
        return f"Stripe answered with something that is no answer of its API (HTTP {error.http_status})."
    told = texts.storable(texts.within(str(error.user_message or ""), texts.LONGEST_MESSAGE))
    return texts.within(redact_text(told or "Stripe gave no reason."), LONGEST_MESSAGE)


def _resets_at(error: stripe.StripeError, *, now: datetime) -> datetime:
    told = str((error.headers or {}).get("Retry-After", ""))
    return now + (timedelta(seconds=min(int(told), 3600)) if told.isdecimal() else REST_AFTER_LIMIT)
