"""This module simulates charges: what the bank did for a payment intent."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import balance, cards, disputes
from connectors.sandbox.stripe.addresses import shipping
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.payment_methods import EXPIRES, fingerprint
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.cards import TestCard
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "customer": "id",
    "description": "string",
    "fraud_details": "object:user_report",
    "metadata": "metadata",
    "receipt_email": "string",
    "shipping": "object:address|name|phone|carrier|tracking_number",
    "transfer_group": "string",
}
LIST: Spec = {**PAGE, "created": "range", "customer": "id", "payment_intent": "id", "transfer_group": "id"}
NOTHING: Spec = {}
AUTHORIZED_FOR = 7 * 86_400
# What a fresh object of this part of the sandbox has not.
UNKNOWN = dict.fromkeys(
    (
        "application",
        "application_fee",
        "application_fee_amount",
        "balance_transaction",
        "failure_balance_transaction",
        "failure_code",
        "failure_message",
        "on_behalf_of",
        "presentment_details",
        "receipt_number",
        "review",
        "source",
        "source_transfer",
        "transfer_data",
    )
)


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the charge.

    :raises ApiError: 404
    """
    return caller.find(caller.state.charges, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change what may change about a charge.

    :raises ApiError: 404, or 400 if it belongs to another customer already
    """
    charge = caller.find(caller.state.charges, object_id)
    changed = copy.deepcopy(charge)
    for name, value in values.items():
        if name == "metadata":
            changed["metadata"] = merge_metadata(charge["metadata"], value)
        elif name == "customer":
            if charge["customer"]:
                raise invalid("This charge already has a customer.", param="customer")
            changed["customer"] = caller.customer(value)
        else:
            changed[name] = shipping(value) if name == "shipping" else value
    previous = changes(charge, changed)
    charge.update(changed)
    if previous:
        emit(caller, Occurrence("charge.updated", charge, previous))
    return charge


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of charges."""
    equal = ("customer", "payment_intent", "transfer_group")
    return page(caller, caller.state.charges, values, url="/v1/charges", equal=equal)


def attempt(
    caller: Caller, intent: dict[str, Any], method: dict[str, Any], *, decline: str = ""
) -> dict[str, Any]:
    """Let the bank answer for the intent; keep the charge, tell about it and return it."""
    card = caller.state.cards[method["id"]]
    manual = intent["capture_method"] == "manual"
    charge = _new(caller, intent, method, card)
    if decline:
        charge |= _declined(decline)
        charge["payment_method_details"]["card"] |= {
            "authorization_code": None,
            "network_transaction_id": None,
        }
        charge["outcome"] = _outcome(decline, blocked=card.last4 == "0101")
    elif manual:
        charge["payment_method_details"]["card"]["capture_before"] = caller.now + AUTHORIZED_FOR
    else:
        charge |= {"captured": True, "amount_captured": charge["amount"]}
    caller.state.charges.add(charge)
    emit(caller, Occurrence(f"charge.{'failed' if decline else 'succeeded'}", charge))
    if charge["captured"]:
        balance.settle_later(caller, charge)
        disputes.open_later(caller, charge)
    return charge


def capture(caller: Caller, charge: dict[str, Any], amount: int) -> None:
    """Capture an authorized charge; what is not captured goes back to the card."""
    rest = charge["amount"] - amount
    charge |= {"captured": True, "amount_captured": amount, "amount_refunded": rest}
    emit(caller, Occurrence("charge.captured", charge))
    balance.settle_later(caller, charge)
    disputes.open_later(caller, charge)


def release(caller: Caller, charge: dict[str, Any]) -> None:
    """Give an authorization back that will not be captured."""
    charge |= {"amount_refunded": charge["amount"], "refunded": True}
    emit(caller, Occurrence("charge.refunded", charge, {"amount_refunded": 0, "refunded": False}))


def _new(caller: Caller, intent: dict[str, Any], method: dict[str, Any], card: TestCard) -> dict[str, Any]:
    charge_id = caller.state.new_id("ch_3")
    return {
        "id": charge_id,
        "object": "charge",
        **UNKNOWN,
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": copy.deepcopy(method["billing_details"]),
        "calculated_statement_descriptor": "SANDBOX BOOKS",
        "captured": False,
        "created": caller.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": caller.livemode,
        "metadata": dict(intent["metadata"]),
        "outcome": _outcome(""),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card(intent, card), "type": "card"},
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{charge_id}",
        "refunded": False,
        "shipping": copy.deepcopy(intent["shipping"]),
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded",
        "transfer_group": intent["transfer_group"],
    }


def _declined(decline: str) -> dict[str, Any]:
    return {
        "failure_code": cards.code_of(decline),
        "failure_message": cards.text_of(decline),
        "paid": False,
        "receipt_url": None,
        "status": "failed",
    }


def _outcome(decline: str, *, blocked: bool = False) -> dict[str, Any]:
    outcome = {
        "advice_code": cards.advice_of(decline),
        "network_advice_code": None,
        "network_decline_code": "01" if decline and not blocked else None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 32,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if blocked:
        return outcome | {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "risk_level": "highest",
            "risk_score": 96,
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    if decline:
        return outcome | {
            "network_status": "declined_by_network",
            "reason": decline,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    return outcome


def _card(intent: dict[str, Any], card: TestCard) -> dict[str, Any]:
    return {
        "amount_authorized": intent["amount"],
        "authorization_code": "123456",
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        **EXPIRES,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": fingerprint(card),
        "funding": card.funding,
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card.last4,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": "104102978678771",
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "wallet": None,
    }
