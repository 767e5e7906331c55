"""This module simulates payment intents: made, changed, confirmed, captured, canceled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import charges, confirmation, money, payment_methods
from connectors.sandbox.stripe.addresses import shipping
from connectors.sandbox.stripe.confirmation import CONFIRM_ONLY, unexpected
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UNSIMULATED: Spec = dict.fromkeys(
    (
        "allowed_payment_method_types",
        "amount_details",
        "application_fee_amount",
        "customer_account",
        "excluded_payment_method_types",
        "hooks",
        "payment_details",
        "payment_method_configuration",
        "payment_method_data",
        "payment_method_options",
        "transfer_data",
    ),
    "unsimulated",
)
UPDATE: Spec = {
    **UNSIMULATED,
    "amount": "integer",
    "capture_method": "enum:automatic|automatic_async|manual",
    "currency": "id",
    "customer": "id",
    "description": "string",
    "metadata": "metadata",
    "payment_method": "id",
    "payment_method_types": "any",  # taken only to be refused, or by an older version
    "receipt_email": "string",
    "setup_future_usage": "enum:off_session|on_session",
    "shipping": "object:address|name|phone|carrier|tracking_number",
    "statement_descriptor": "string",
    "statement_descriptor_suffix": "string",
    "transfer_group": "string",
}
CREATE: Spec = {
    **UPDATE,
    "amount": "integer!",
    "automatic_payment_methods": "object:enabled|allow_redirects",
    "confirm": "boolean",
    "confirmation_method": "enum:automatic|manual",
    "currency": "id!",
    "on_behalf_of": "unsimulated",
    **CONFIRM_ONLY,
}
CONFIRM: Spec = {
    **UNSIMULATED,
    "amount_to_confirm": "integer",
    "capture_method": "enum:automatic|automatic_async|manual",
    "payment_method": "id",
    "payment_method_types": "any",
    "receipt_email": "string",
    "setup_future_usage": "enum:off_session|on_session",
    "shipping": "object:address|name|phone|carrier|tracking_number",
    **CONFIRM_ONLY,
}
CAPTURE: Spec = {
    "amount_details": "unsimulated",
    "amount_to_capture": "integer",
    "application_fee_amount": "unsimulated",
    "final_capture": "boolean",
    "hooks": "unsimulated",
    "metadata": "metadata",
    "payment_details": "unsimulated",
    "statement_descriptor": "string",
    "statement_descriptor_suffix": "string",
    "transfer_data": "unsimulated",
}
CAPTURE_CHARGE: Spec = {
    "amount": "integer",
    "application_fee": "unsimulated",
    "application_fee_amount": "unsimulated",
    "receipt_email": "unsimulated",
    "statement_descriptor": "unsimulated",
    "statement_descriptor_suffix": "unsimulated",
    "transfer_data": "unsimulated",
    "transfer_group": "unsimulated",
}
CANCEL: Spec = {"cancellation_reason": "enum:abandoned|duplicate|fraudulent|requested_by_customer"}
LIST: Spec = {**PAGE, "created": "range", "customer": "id", "customer_account": "unsimulated"}
NOTHING: Spec = {}
SETTLED_FIELDS = frozenset(
    {"amount", "capture_method", "currency", "customer", "payment_method", "setup_future_usage"}
)
ENDIVE = "2026-09-30"
# What a fresh object of this part of the sandbox has not.
UNKNOWN = dict.fromkeys(
    (
        "allowed_payment_method_types",
        "application",
        "application_fee_amount",
        "canceled_at",
        "cancellation_reason",
        "customer_account",
        "description",
        "excluded_payment_method_types",
        "last_payment_error",
        "latest_charge",
        "next_action",
        "on_behalf_of",
        "payment_method",
        "processing",
        "receipt_email",
        "review",
        "setup_future_usage",
        "shipping",
        "source",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    )
)


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a payment intent and, with `confirm`, confirm it.

    :raises ApiError: 400 for money that Stripe refuses, 402 if the bank does; the intent remains then
    """
    refuse_old_types(caller, values)
    confirm_only = [name for name in CONFIRM_ONLY if name in values]
    if confirm_only and not values.get("confirm"):
        name = confirm_only[0]
        raise invalid(f"`{name}` can only be passed when `confirm` is true.", param=name)
    intent = _blank(caller, values)
    _apply(caller, intent, values)
    if values.get("confirm"):
        confirmation.check(intent, values)
    caller.state.payment_intents.add(intent)
    emit(caller, Occurrence("payment_intent.created", intent))
    if values.get("confirm"):
        confirmation.confirm(caller, intent, values)
    return intent


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the payment intent.

    :raises ApiError: 404
    """
    return caller.find(caller.state.payment_intents, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a payment intent; Stripe has no event for that.

    :raises ApiError: 404, or 400 payment_intent_unexpected_state when the money has moved
    """
    refuse_old_types(caller, values)
    intent = caller.find(caller.state.payment_intents, object_id)
    closed = intent["status"] in {"succeeded", "canceled", "requires_capture"}
    if closed and SETTLED_FIELDS & set(values):
        raise unexpected(
            intent,
            f"This PaymentIntent's {sorted(SETTLED_FIELDS & set(values))[0]} could not be updated because "
            "it has a "
            f"status of {intent['status']}.",
        )
    changed = copy.deepcopy(intent)
    _apply(caller, changed, values)
    intent.update(changed)
    return intent


def confirm(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Confirm a payment intent.

    :raises ApiError: 404, 400 payment_intent_unexpected_state, 402 if the bank declines
    """
    refuse_old_types(caller, values)
    intent = caller.find(caller.state.payment_intents, object_id)
    if values.get("amount_to_confirm", intent["amount"]) != intent["amount"]:
        raise invalid(
            "The amount to confirm is not the amount of the PaymentIntent.", param="amount_to_confirm"
        )
    changed = copy.deepcopy(intent)
    kept = {name: value for name, value in values.items() if name != "amount_to_confirm"}
    _apply(caller, changed, kept)
    confirmation.check(changed, values)
    intent.update(changed)
    confirmation.confirm(caller, intent, values)
    return intent


def capture(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Capture an authorized payment intent, in full or in part.

    :raises ApiError: 404, 400 payment_intent_unexpected_state, 400 amount_too_large
    """
    intent = caller.find(caller.state.payment_intents, object_id)
    if intent["status"] != "requires_capture":
        raise unexpected(
            intent,
            "This PaymentIntent could not be captured because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be captured: "
            "requires_capture.",
        )
    amount = values.get("amount_to_capture", intent["amount_capturable"])
    if amount > intent["amount_capturable"]:
        raise invalid(
            "The amount to capture is greater than the amount that can be captured for this PaymentIntent.",
            param="amount_to_capture",
            code="amount_too_large",
        )
    money.check_amount(amount, intent["currency"], param="amount_to_capture")
    _apply(caller, intent, {name: value for name, value in values.items() if name in UPDATE})
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    charges.capture(caller, caller.find(caller.state.charges, intent["latest_charge"]), amount)
    emit(caller, Occurrence("payment_intent.succeeded", intent))
    return intent


def capture_charge(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Capture by the charge instead of the intent (`POST /v1/charges/{id}/capture`).

    :raises ApiError: 404, 400 charge_already_captured
    """
    charge = caller.find(caller.state.charges, object_id)
    if charge["captured"] or charge["status"] != "succeeded":
        raise invalid(f"Charge {object_id} has already been captured.", code="charge_already_captured")
    amount = {"amount_to_capture": values["amount"]} if "amount" in values else {}
    capture(caller, amount, charge["payment_intent"])
    return charge


def cancel(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Cancel a payment intent; an authorization is given back.

    :raises ApiError: 404, 400 payment_intent_unexpected_state
    """
    intent = caller.find(caller.state.payment_intents, object_id)
    if intent["status"] in {"succeeded", "canceled"}:
        raise unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: requires_payment_method, "
            "requires_capture, requires_confirmation, requires_action, processing.",
        )
    if intent["status"] == "requires_capture":
        charges.release(caller, caller.find(caller.state.charges, intent["latest_charge"]))
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": caller.now,
        "cancellation_reason": values.get("cancellation_reason"),
        "next_action": None,
    }
    emit(caller, Occurrence("payment_intent.canceled", intent))
    return intent


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of payment intents."""
    return page(caller, caller.state.payment_intents, values, url="/v1/payment_intents", equal=("customer",))


def refuse_old_types(caller: Caller, values: Values) -> None:
    """
    Refuse `payment_method_types` since endive.

    :raises ApiError: 400 payment_method_types_no_longer_supported
    """
    if "payment_method_types" in values and caller.version >= ENDIVE:
        raise invalid(
            "The `payment_method_types` parameter is no longer supported in this API version. Use "
            "`allowed_payment_method_types` or `excluded_payment_method_types` instead.",
            param="payment_method_types",
            code="payment_method_types_no_longer_supported",
        )


def _apply(caller: Caller, intent: dict[str, Any], values: Values) -> None:
    """Put the values into the intent, which is not kept before all of them are found right."""
    for name, value in values.items():
        if name in CONFIRM_ONLY or name in {"automatic_payment_methods", "confirm", "payment_method_types"}:
            continue
        if name == "metadata":
            intent["metadata"] = merge_metadata(intent["metadata"], value)
        elif name == "payment_method":
            _use(caller, intent, payment_methods.resolve(caller, value))
        elif name in READERS:
            intent[name] = READERS[name](caller, value)
        else:
            intent[name] = value
    if {"amount", "currency"} & set(values):
        money.check_amount(intent["amount"], intent["currency"])


READERS: dict[str, Callable[[Caller, Any], Any]] = {
    "currency": lambda _, value: money.check_currency(value),
    "customer": lambda caller, value: caller.customer(value),
    "shipping": lambda _, value: shipping(value),
}


def _use(caller: Caller, intent: dict[str, Any], method: dict[str, Any]) -> None:
    if method["customer"] not in {None, intent["customer"]}:
        raise invalid(
            f"The provided PaymentMethod ({method['id']}) does not belong to the Customer of this "
            "PaymentIntent.",
            param="payment_method",
        )
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"


def _blank(caller: Caller, values: Values) -> dict[str, Any]:
    intent_id = caller.state.new_id("pi_3")
    automatic = values.get("automatic_payment_methods") or {}
    redirects = automatic.get("allow_redirects", "always")
    if redirects not in {"always", "never"}:
        raise invalid(
            "Invalid allow_redirects: must be one of always, never", param="automatic_payment_methods"
        )
    return {
        "id": intent_id,
        "object": "payment_intent",
        **UNKNOWN,
        "amount": 0,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": {
            "allow_redirects": redirects,
            "enabled": automatic.get("enabled", "true") == "true",
        },
        "capture_method": "automatic_async",
        "client_secret": caller.state.new_id(f"{intent_id}_secret_"),
        "confirmation_method": "automatic",
        "created": caller.now,
        "currency": "",
        # Before the payment method, whose owner is compared with it.
        "customer": caller.customer(values["customer"]) if "customer" in values else None,
        "livemode": caller.livemode,
        "metadata": {},
        "payment_method_configuration_details": {"id": "pmc_1Sandbox", "parent": None},
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }
