"""This module simulates payment methods: cards behind Stripe's test tokens."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import cards
from connectors.sandbox.stripe.addresses import address
from connectors.sandbox.stripe.errors import ApiError, invalid, missing
from connectors.sandbox.stripe.forms import integer, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.cards import TestCard
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "allow_redisplay": "enum:always|limited|unspecified",
    "billing_details": "object:address|email|name|phone|tax_id",
    "card": "object:cvc|exp_month|exp_year|networks|number|token",
    "customer": "unsimulated",
    "metadata": "metadata",
    "payment_method": "unsimulated",
    "type": "enum:card!",
}
UPDATE: Spec = {
    "allow_redisplay": "enum:always|limited|unspecified",
    "billing_details": "object:address|email|name|phone|tax_id",
    "card": "object:exp_month|exp_year|networks",
    "metadata": "metadata",
}
ATTACH: Spec = {"customer": "id!", "customer_account": "unsimulated"}
LIST: Spec = {
    **PAGE,
    "allow_redisplay": "enum:always|limited|unspecified",
    "customer": "id",
    "customer_account": "unsimulated",
    "type": "id",
}
NOTHING: Spec = {}
EXPIRES = {"exp_month": 8, "exp_year": 2034}
# Attaching verifies the card with the bank; this one passes and fails only when it is charged.
VERIFIES = "0341"


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a card of a test token.

    :raises ApiError: 402 for a card number, which Stripe's API takes from nobody by default
    """
    card = values.get("card") or {}
    if "number" in card:
        raise ApiError(
            402,
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you "
            "use test "
            "tokens that map to the test card you are using, see https://stripe.com/docs/testing.",
        )
    test_card = cards.card_of_token(card.get("token", ""))
    if test_card is None:
        raise missing("token", card.get("token", ""), param="card[token]")
    method = _new(caller, test_card)
    _apply(method, {name: value for name, value in values.items() if name not in {"card", "type"}})
    return method


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the payment method; a test token stands for a fresh one.

    :raises ApiError: 404
    """
    return resolve(caller, object_id, param="")


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a payment method that is attached to a customer.

    :raises ApiError: 404, or 400 if it is attached to nobody
    """
    method = caller.find(caller.state.payment_methods, object_id)
    if method["customer"] is None:
        raise invalid(
            "You must save this PaymentMethod to a customer before you can update it.", param="payment_method"
        )
    changed = copy.deepcopy(method)
    _apply(changed, values)
    previous = changes(method, changed)
    method.update(changed)
    if previous:
        emit(caller, Occurrence("payment_method.updated", method, previous))
    return method


def attach(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Attach a payment method to a customer.

    :raises ApiError: 404, 400 if it is attached already, 402 if the bank declines the card
    """
    customer_id = caller.customer(values["customer"])
    return attach_to(caller, resolve(caller, object_id, param=""), customer_id)


def detach(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Detach a payment method for good.

    :raises ApiError: 404, or 400 if it is attached to nobody
    """
    method = caller.find(caller.state.payment_methods, object_id)
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    previous, method["customer"] = method["customer"], None
    emit(caller, Occurrence("payment_method.detached", method, {"customer": previous}))
    return method


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of the payment methods of a customer (`customer`, or the one in the path)."""
    if object_id:
        values = {**values, "customer": object_id}
    if "customer" in values:
        caller.customer(values["customer"])
    return page(
        caller,
        caller.state.payment_methods,
        values,
        url="/v1/payment_methods",
        equal=("customer", "type", "allow_redisplay"),
        keep=lambda method: method["customer"] is not None,
    )


def resolve(caller: Caller, token: str, *, param: str = "payment_method") -> dict[str, Any]:
    """
    Return the payment method of an id, or a fresh one of a test token.

    :raises ApiError: resource_missing
    """
    if token.startswith("pm_card_"):
        test_card = cards.card_of_token(token)
        if test_card is None:
            raise missing("PaymentMethod", token, param=param)
        return _new(caller, test_card)
    return caller.find(caller.state.payment_methods, token, param=param)


def attach_to(caller: Caller, method: dict[str, Any], customer_id: str) -> dict[str, Any]:
    """
    Attach a payment method after the bank has said yes to it.

    :raises ApiError: 400 if it is attached already, 402 if the bank declines the card
    """
    if method["customer"] not in {None, customer_id}:
        raise invalid(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    test_card = caller.state.cards[method["id"]]
    if test_card.decline_code and test_card.last4 != VERIFIES:
        raise decline(test_card.decline_code, method)
    method["customer"] = customer_id
    emit(caller, Occurrence("payment_method.attached", method))
    return method


def decline(decline_code: str, method: dict[str, Any], **extra: Any) -> ApiError:
    """Return the 402 that tells about a decline by the bank."""
    advice = cards.advice_of(decline_code)
    details = {"decline_code": decline_code, "payment_method": method, **extra}
    if advice:
        details["advice_code"] = advice
    return ApiError(
        402,
        cards.text_of(decline_code),
        kind="card_error",
        code=cards.code_of(decline_code),
        executed=True,
        extra=details,
    )


def _new(caller: Caller, card: TestCard) -> dict[str, Any]:
    method_id = caller.state.new_id("pm_1")
    caller.state.cards[method_id] = card
    method = {
        "id": method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": no_billing_details(),
        "card": _card(card),
        "created": caller.now,
        "customer": None,
        "customer_account": None,
        "livemode": caller.livemode,
        "metadata": {},
        "radar_options": {},
        "type": "card",
    }
    return caller.state.payment_methods.add(method)


def _card(card: TestCard) -> dict[str, Any]:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "display_brand": card.brand,
        **EXPIRES,
        "fingerprint": fingerprint(card),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def fingerprint(card: TestCard) -> str:
    """Return what is the same for every payment method of one card."""
    return f"Sbx{card.brand}{card.last4}".ljust(16, "x")[:16]


def no_billing_details() -> dict[str, Any]:
    """Return billing details of which nothing is known."""
    return {"address": address({}), "email": None, "name": None, "phone": None, "tax_id": None}


def _apply(method: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        if name == "metadata":
            method["metadata"] = merge_metadata(method["metadata"], value)
        elif name == "billing_details":
            details = {
                **method["billing_details"],
                **{key: text or None for key, text in (value or {}).items()},
            }
            details["address"] = address(details["address"] or {}, param="billing_details[address]")
            method["billing_details"] = details
        elif name == "card":
            method["card"] = method["card"] | {
                key: integer(f"card[{key}]", value[key]) for key in ("exp_month", "exp_year") if key in value
            }
        else:
            method[name] = value
