"""This module says which object of Stripe an event type is about, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Resource in the name of an event type -> object type, where the two differ
# (https://docs.stripe.com/api/events/types). charge.refunded is about a charge, charge.refund.updated is not.
_OBJECTS: dict[str, str] = {
    "account.application": "application",
    "application_fee.refund": "fee_refund",
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "customer.discount": "discount",
    "customer.subscription": "subscription",
    "customer.tax_id": "tax_id",
    "issuing_authorization": "issuing.authorization",
    "issuing_card": "issuing.card",
    "issuing_cardholder": "issuing.cardholder",
    "issuing_dispute": "issuing.dispute",
    "issuing_personalization_design": "issuing.personalization_design",
    "issuing_token": "issuing.token",
    "issuing_transaction": "issuing.transaction",
    "sigma.scheduled_query_run": "scheduled_query_run",
    "source.transaction": "source_transaction",
}
_RESOURCES = {"dispute": "charge.dispute", "subscription": "customer.subscription"}

# Event type -> the states of which an object is in one while that is the last that has happened to it. Types
# that are not here say nothing of the state (https://docs.stripe.com/api/events/types).
_STATES: dict[str, frozenset[str]] = {
    "charge.failed": frozenset({"failed"}),
    "charge.pending": frozenset({"pending"}),
    "charge.succeeded": frozenset({"succeeded"}),
    "checkout.session.completed": frozenset({"complete"}),
    "checkout.session.expired": frozenset({"expired"}),
    "credit_note.voided": frozenset({"void"}),
    "customer.subscription.deleted": frozenset({"canceled", "incomplete_expired"}),
    "customer.subscription.paused": frozenset({"paused"}),
    "invoice.marked_uncollectible": frozenset({"uncollectible"}),
    "invoice.paid": frozenset({"paid"}),
    "invoice.payment_failed": frozenset({"open", "uncollectible"}),
    "invoice.payment_succeeded": frozenset({"paid"}),
    "invoice.voided": frozenset({"void"}),
    "payment_intent.canceled": frozenset({"canceled"}),
    "payment_intent.payment_failed": frozenset({"requires_payment_method"}),
    "payment_intent.processing": frozenset({"processing"}),
    "payment_intent.requires_action": frozenset({"requires_action"}),
    "payment_intent.succeeded": frozenset({"succeeded"}),
    "payout.canceled": frozenset({"canceled"}),
    "payout.failed": frozenset({"failed"}),
    "payout.paid": frozenset({"paid"}),
    "refund.failed": frozenset({"failed"}),
    "subscription_schedule.canceled": frozenset({"canceled"}),
    "subscription_schedule.completed": frozenset({"completed"}),
    "subscription_schedule.released": frozenset({"released"}),
}
_DELETED = ".deleted"

THIN = "v1."  # before the type of a thin event about an object of the first API


def object_of(event_type: str) -> str:
    """Return the type of object that events of `event_type` are about; empty where the name tells none."""
    resource = event_type.removeprefix(THIN).rpartition(".")[0]
    return _OBJECTS.get(resource, resource)


def change_of(object_type: str) -> str:
    """Return the type of an event that says that such an object changed in some way."""
    return f"{_RESOURCES.get(object_type, object_type)}.updated"


def may_tell_of(event_types: Iterable[str], found: Mapping[str, Any]) -> bool:
    """
    Tell whether an event of one of these types may be what was missed of an object that is as it was `found`.

    A charge that succeeded has not failed, and a customer that is there was not deleted: a flow for that
    would write what is not so.
    """
    own = (kind for kind in event_types if object_of(kind) == found.get("object"))
    return any(_may_tell(kind.removeprefix(THIN), found) for kind in own)


def _may_tell(event_type: str, found: Mapping[str, Any]) -> bool:
    states = _STATES.get(event_type)
    if states is None:
        return not event_type.endswith(_DELETED) or found.get("deleted") is True
    return found.get("status") is None or found["status"] in states
