"""This module simulates disputes: opened by the card's bank, answered, won, lost or closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import balance
from connectors.sandbox.stripe.balance import Entry
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

# What may be told in defence, of which this sandbox reads one text only.
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
    "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date",
    "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
UPDATE: Spec = {
    "evidence": f"object:{'|'.join(EVIDENCE)}",
    "intended_submission_method": "unsimulated",
    "metadata": "metadata",
    "submit": "boolean",
}
LIST: Spec = {**PAGE, "charge": "id", "created": "range", "payment_intent": "id"}
NOTHING: Spec = {}
FEE = 1500  # 15 dollars, in the currency of the settlement
TO_ANSWER = 7 * 86_400
OPEN = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
# https://docs.stripe.com/testing#evidence
VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_later(caller: Caller, charge: dict[str, Any]) -> None:
    """Let the bank dispute a charge after the delay in force, if its card is one that disputes."""
    card = caller.state.cards[charge["payment_method"]]
    if card.dispute:

        def dispute() -> None:
            open_dispute(caller.automatic(), charge, reason=card.dispute, inquiry=card.inquiry)

        caller.state.agenda.after(caller.state.settings.dispute_delay, dispute)


def open_dispute(caller: Caller, charge: dict[str, Any], *, reason: str, inquiry: bool) -> dict[str, Any]:
    """
    Dispute a charge (also a control endpoint of the sandbox); an inquiry takes no money.

    :raises ApiError: 400 if it was disputed before
    """
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been disputed already.", code="charge_disputed")
    dispute = _new(caller, charge, reason, inquiry=inquiry)
    caller.state.disputes.add(dispute)
    charge["disputed"] = True
    emit(caller, Occurrence("charge.dispute.created", dispute))
    if not inquiry:
        _move(caller, dispute, -1)
        emit(caller, Occurrence("charge.dispute.funds_withdrawn", dispute))
    emit(caller, Occurrence("charge.updated", charge, {"disputed": False}))
    due = dispute["evidence_details"]["due_by"]
    caller.state.agenda.at(due, lambda: _miss(caller.automatic(), dispute))
    return dispute


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the dispute.

    :raises ApiError: 404
    """
    return caller.find(caller.state.disputes, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Tell evidence and hand it in, unless `submit` is false: Stripe's texts for tests win or lose at once.

    :raises ApiError: 404, or 400 if the dispute is decided
    """
    dispute = _open(caller, object_id)
    told = {name: text or None for name, text in (values.get("evidence") or {}).items()}
    after: dict[str, Any] = {
        "metadata": merge_metadata(dispute["metadata"], values.get("metadata", {})),
        "evidence": {**dispute["evidence"], **told},
    }
    submits = values.get("submit", "evidence" in values)
    if submits:
        warning = "warning_" if dispute["status"].startswith("warning_") else ""
        after["status"] = f"{warning}under_review"
        after["evidence_details"] = {
            **dispute["evidence_details"],
            "has_evidence": True,
            "submission_count": dispute["evidence_details"]["submission_count"] + 1,
            "submission_method": "manual",
        }
    _change(caller, dispute, after)
    verdict = VERDICTS.get(dispute["evidence"].get("uncategorized_text") or "")
    if submits and verdict:
        _decide(caller, dispute, verdict)
    return dispute


def close(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Give up: the dispute is lost.

    :raises ApiError: 404, or 400 if it is decided
    """
    dispute = _open(caller, object_id)
    _decide(caller, dispute, "warning_closed" if dispute["status"].startswith("warning_") else "lost")
    return dispute


def decide(caller: Caller, dispute: dict[str, Any], *, status: str) -> None:
    """
    Let the bank decide a dispute (a control endpoint of the sandbox): won, lost or warning_closed.

    :raises ApiError: 400 if it is decided already, or an inquiry were won or a chargeback merely closed
    """
    inquiry = dispute["status"].startswith("warning_")
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed.", code="dispute_already_closed")
    if status not in ({"warning_closed"} if inquiry else {"won", "lost"}):
        raise invalid(f"A dispute with a status of {dispute['status']} cannot become {status}.")
    _decide(caller, dispute, status)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of disputes."""
    equal = ("charge", "payment_intent")
    return page(caller, caller.state.disputes, values, url="/v1/disputes", equal=equal)


def _miss(caller: Caller, dispute: dict[str, Any]) -> None:
    """Let a dispute be lost that nobody has answered in time."""
    if not dispute["status"].endswith("needs_response"):
        return
    dispute["evidence_details"] = {**dispute["evidence_details"], "past_due": True}
    _decide(caller, dispute, "warning_closed" if dispute["status"].startswith("warning_") else "lost")


def _open(caller: Caller, object_id: str) -> dict[str, Any]:
    dispute = caller.find(caller.state.disputes, object_id)
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed.", code="dispute_already_closed")
    return dispute


def _decide(caller: Caller, dispute: dict[str, Any], status: str) -> None:
    if status == "won":
        _move(caller, dispute, 1)
        emit(caller, Occurrence("charge.dispute.funds_reinstated", dispute))
    previous = {"status": dispute["status"]}
    dispute["status"] = status
    emit(caller, Occurrence("charge.dispute.closed", dispute, previous))


def _change(caller: Caller, dispute: dict[str, Any], after: dict[str, Any]) -> None:
    previous = changes({name: dispute[name] for name in after}, after)
    dispute |= after
    if previous:
        emit(caller, Occurrence("charge.dispute.updated", dispute, previous))


def _move(caller: Caller, dispute: dict[str, Any], sign: int) -> None:
    """Take the disputed money with a fee, or give it back without."""
    category = "dispute" if sign < 0 else "dispute_reversal"
    entry = Entry(
        source=dispute["id"],
        amount=sign * dispute["amount"],
        currency=dispute["currency"],
        type="adjustment",
        category=category,
        description=f"Chargeback {'withdrawal' if sign < 0 else 'reversal'} for {dispute['charge']}",
        fee=FEE if sign < 0 else 0,
    )
    transaction = balance.today(caller, balance.enter(caller, entry))
    dispute["balance_transactions"] = [*dispute["balance_transactions"], transaction]
    dispute["is_charge_refundable"] = False


def _new(caller: Caller, charge: dict[str, Any], reason: str, *, inquiry: bool) -> dict[str, Any]:
    brand = charge["payment_method_details"]["card"]["brand"]
    return {
        "id": caller.state.new_id("du_1"),
        "object": "dispute",
        "amount": charge["amount_captured"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": caller.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": caller.now + TO_ANSWER,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": True,
        "livemode": caller.livemode,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": brand,
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": brand,
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
