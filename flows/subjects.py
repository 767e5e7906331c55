"""This module says which object of Stripe an event type is about, and back."""

from __future__ import annotations

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

THIN = "v1."  # before the type of a thin event about an object of the first API


def object_of(event_type: str) -> str:
    """Return the type of object that events of `event_type` are about; empty where the name tells none."""
    resource = event_type.removeprefix(THIN).rpartition(".")[0]
    return _OBJECTS.get(resource, resource)


def change_of(object_type: str) -> str:
    """Return the type of an event that says that such an object changed in some way."""
    return f"{_RESOURCES.get(object_type, object_type)}.updated"
