"""This module confirms payment intents: authentication first, then the answer of the bank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import charges, payment_methods
from connectors.sandbox.stripe.errors import DOCS, ApiError, invalid
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CONFIRM_ONLY: Spec = {
    "confirmation_token": "unsimulated",
    "error_on_requires_action": "boolean",
    "mandate": "unsimulated",
    "mandate_data": "unsimulated",
    "off_session": "boolean",
    "radar_options": "unsimulated",
    "return_url": "id",
    "use_stripe_sdk": "boolean",
}
CONFIRMABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


def unexpected(intent: dict[str, Any], message: str) -> ApiError:
    """Return the 400 about an intent that is in the wrong state for what was asked."""
    return ApiError(
        400,
        message,
        code="payment_intent_unexpected_state",
        executed=True,
        extra={"payment_intent": dict(intent)},
    )


def check(intent: dict[str, Any], values: Values) -> None:
    """
    Refuse a confirmation that cannot even begin.

    :raises ApiError: 400 payment_intent_unexpected_state, or without a payment method or a return_url
    """
    if intent["status"] not in CONFIRMABLE:
        raise unexpected(
            intent,
            f"You cannot confirm this PaymentIntent because it has already {_past(intent['status'])}.",
        )
    if not intent["payment_method"]:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly "
            "with a "
            "payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
        )
    methods = intent["automatic_payment_methods"]
    if methods["enabled"] and methods["allow_redirects"] != "never" and not values.get("return_url"):
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because "
            "some of "
            "these payment methods might redirect your customer off of your page, you must provide a "
            "`return_url`. "
            "If you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to "
            "`never` when creating Setup Intents and Payment Intents.",
        )


def confirm(caller: Caller, intent: dict[str, Any], values: Values) -> None:
    """
    Ask for authentication if the card wants it, else let the bank answer.

    :raises ApiError: 402 if the bank declines
    """
    method = caller.find(caller.state.payment_methods, intent["payment_method"])
    card = caller.state.cards[method["id"]]
    if card.authentication == "required":
        if values.get("off_session") or values.get("error_on_requires_action"):
            _pay(caller, intent, method, decline="authentication_required")
            return
        intent |= {"status": "requires_action", "next_action": _next_action(intent, values)}
        emit(caller, Occurrence("payment_intent.requires_action", intent))
        return
    _pay(caller, intent, method, decline=card.decline_code)


def authenticate(caller: Caller, intent: dict[str, Any], *, passed: bool) -> None:
    """
    Do what the card holder does on the bank's page (a control endpoint of the sandbox).

    :raises ApiError: 400 payment_intent_unexpected_state if nothing is asked of the card holder
    """
    if intent["status"] != "requires_action":
        raise unexpected(intent, f"This PaymentIntent has a status of {intent['status']}.")
    method = caller.find(caller.state.payment_methods, intent["payment_method"])
    intent["next_action"] = None
    if passed:
        try:
            _pay(caller, intent, method, decline=caller.state.cards[method["id"]].decline_code)
        except ApiError:
            return  # the decline is told by its events, not to the card holder's browser
        return
    failure = ApiError(
        402,
        "We are unable to authenticate your payment method. Please choose a different payment method and "
        "try again.",
        code="payment_intent_authentication_failure",
    )
    _fail(caller, intent, method, failure)


def _pay(caller: Caller, intent: dict[str, Any], method: dict[str, Any], *, decline: str) -> None:
    charge = charges.attempt(caller, intent, method, decline=decline)
    intent |= {"latest_charge": charge["id"], "next_action": None, "last_payment_error": None}
    if decline:
        refusal = payment_methods.decline(decline, method, charge=charge["id"])
        _fail(caller, intent, method, refusal)
        refusal.extra["payment_intent"] = dict(intent)
        raise refusal
    if intent["capture_method"] == "manual":
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        emit(caller, Occurrence("payment_intent.amount_capturable_updated", intent))
        return
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    emit(caller, Occurrence("payment_intent.succeeded", intent))


def _fail(caller: Caller, intent: dict[str, Any], method: dict[str, Any], failure: ApiError) -> None:
    """Leave the intent as a failed payment leaves it: without a payment method, and with the reason."""
    error = {
        **failure.extra,
        "code": failure.code,
        "doc_url": DOCS + failure.code.replace("_", "-"),
        "message": str(failure),
        "payment_method": dict(method),
        "type": failure.kind,
    }
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": dict(sorted(error.items())),
    }
    emit(caller, Occurrence("payment_intent.payment_failed", intent))


def _next_action(intent: dict[str, Any], values: Values) -> dict[str, Any]:
    address = f"https://hooks.stripe.com/3d_secure_2/hosted?payment_intent={intent['id']}"
    if values.get("return_url"):
        return {
            "redirect_to_url": {"return_url": values["return_url"], "url": address},
            "type": "redirect_to_url",
        }
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": address},
    }


def _past(status: str) -> str:
    texts = {"succeeded": "succeeded after being previously confirmed", "canceled": "been canceled"}
    return texts.get(status, "been confirmed")
