"""This module simulates refunds: at once, pending at first, failed in the end or canceled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import balance, money
from connectors.sandbox.stripe.balance import Entry
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "amount": "integer",
    "charge": "id",
    "currency": "unsimulated",
    "customer": "unsimulated",
    "instructions_email": "string",
    "metadata": "metadata",
    "origin": "unsimulated",
    "payment_intent": "id",
    "reason": "enum:duplicate|fraudulent|requested_by_customer",
    "refund_application_fee": "unsimulated",
    "reverse_transfer": "unsimulated",
}
UPDATE: Spec = {"metadata": "metadata"}
LIST: Spec = {**PAGE, "charge": "id", "created": "range", "payment_intent": "id"}
OF_CHARGE: Spec = PAGE
NOTHING: Spec = {}
SETTLING = frozenset({"pending", "requires_action"})


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Give money of a charge back, all that is left of it without an `amount`.

    :raises ApiError: 400 charge_already_refunded, charge_disputed, or for an amount above what is left
    """
    charge = _charge(caller, values)
    amount = values.get("amount", charge["amount"] - charge["amount_refunded"])
    _check(charge, amount)
    card = caller.state.cards.get(charge["payment_method"])
    refund = _new(caller, charge, values, amount)
    refund["status"] = "pending" if card is not None and card.refund == "pending" else "succeeded"
    refund["balance_transaction"] = _move(caller, refund, -amount, "refund")
    caller.state.refunds.add(refund)
    _take(caller, charge, amount)
    emit(caller, Occurrence("refund.created", refund))
    if card is not None and card.refund:
        end = fail if card.refund == "failed" else _succeed
        caller.state.agenda.after(caller.state.settings.refund_delay, lambda: end(caller.automatic(), refund))
    return refund


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the refund.

    :raises ApiError: 404
    """
    return caller.find(caller.state.refunds, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change the metadata of a refund.

    :raises ApiError: 404
    """
    refund = caller.find(caller.state.refunds, object_id)
    _change(caller, refund, {"metadata": merge_metadata(refund["metadata"], values.get("metadata", {}))})
    return refund


def cancel(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Cancel a refund that has not left yet; the money stays.

    :raises ApiError: 404, or 400 if it has left
    """
    refund = caller.find(caller.state.refunds, object_id)
    if refund["status"] not in SETTLING:
        raise invalid(f"You cannot cancel a refund with a status of {refund['status']}.")
    _return(caller, refund, {"status": "canceled"})
    return refund


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of refunds, those of the charge in the path if there is one."""
    url = f"/v1/charges/{object_id}/refunds" if object_id else "/v1/refunds"
    if object_id:
        values = {**values, "charge": caller.find(caller.state.charges, object_id)["id"]}
    return page(caller, caller.state.refunds, values, url=url, equal=("charge", "payment_intent"))


def fail(caller: Caller, refund: dict[str, Any]) -> None:
    """Let the bank send the money of a refund back (also a control endpoint of the sandbox)."""
    if refund["status"] in {"failed", "canceled"}:
        return
    _return(caller, refund, {"status": "failed", "failure_reason": "expired_or_canceled_card"})
    emit(caller, Occurrence("refund.failed", refund))


def _succeed(caller: Caller, refund: dict[str, Any]) -> None:
    if refund["status"] in SETTLING:
        _change(caller, refund, {"status": "succeeded", "pending_reason": None})


def _charge(caller: Caller, values: Values) -> dict[str, Any]:
    if not {"charge", "payment_intent"} & set(values):
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    if "charge" in values:
        charge = caller.find(caller.state.charges, values["charge"], param="charge")
    else:
        intent = caller.find(caller.state.payment_intents, values["payment_intent"], param="payment_intent")
        if intent["status"] != "succeeded":
            raise invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        charge = caller.find(caller.state.charges, intent["latest_charge"])
    if not charge["captured"] or charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not been captured; there is nothing to refund.")
    return charge


def _check(charge: dict[str, Any], amount: int) -> None:
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left <= 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount < 1:
        raise invalid("Refunds must be at least one unit.", param="amount", code="parameter_invalid_integer")
    if amount > left:
        currency = charge["currency"]
        raise ApiError(
            400,
            f"Refund amount ({money.units(amount, currency)} {currency}) is greater than unrefunded amount "
            f"on charge ({money.units(left, currency)} {currency})",
            param="amount",
        )


def _new(caller: Caller, charge: dict[str, Any], values: Values, amount: int) -> dict[str, Any]:
    return {
        "id": caller.state.new_id("re_3"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": caller.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
                     "type": "refund"},
            "type": "card",
        },
        "livemode": caller.livemode,
        "metadata": merge_metadata({}, values.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": values.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }  # fmt: skip


def _move(caller: Caller, refund: dict[str, Any], amount: int, kind: str) -> str:
    text = "REFUND FOR CHARGE" if kind == "refund" else "REFUND FAILURE"
    entry = Entry(refund["id"], amount, refund["currency"], kind, kind, text)
    found: str = balance.enter(caller, entry)["id"]
    return found


def _take(caller: Caller, charge: dict[str, Any], amount: int) -> None:
    """Count a refund on its charge."""
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded >= charge["amount"]}
    after = {name: charge[name] for name in before}
    emit(caller, Occurrence("charge.refunded", charge, changes(before, after)))


def _return(caller: Caller, refund: dict[str, Any], told: dict[str, Any]) -> None:
    """Put the money of a refund back to the account and to what is left of the charge."""
    charge = caller.find(caller.state.charges, refund["charge"])
    charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
    transaction = _move(caller, refund, refund["amount"], "refund_failure")
    _change(caller, refund, {**told, "failure_balance_transaction": transaction})


def _change(caller: Caller, refund: dict[str, Any], told: dict[str, Any]) -> None:
    previous = {name: refund.get(name) for name, value in told.items() if refund.get(name) != value}
    refund |= told
    if previous:
        emit(caller, Occurrence("refund.updated", refund, previous))
        emit(caller, Occurrence("charge.refund.updated", refund, previous))
