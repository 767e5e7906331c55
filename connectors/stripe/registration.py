"""This module creates our webhook endpoints at Stripe."""

from __future__ import annotations

from typing import Any

import stripe

from connectors.base import Answer, Params
from connectors.stripe.client import API_VERSION, written
from integrator.kernel import errors

# What the templates listen to; an endpoint that asks for everything costs deliveries that nobody reads.
DEFAULT_EVENTS = (
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "customer.updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
)


def create_endpoint(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Create an endpoint and return its `id` and `secret`, which Stripe tells only now.

    The API version is pinned: otherwise payloads follow the account's default, and change with it.
    """
    wanted: Any = {
        "url": params["url"],
        "enabled_events": list(params["events"]),
        "api_version": API_VERSION,
        "description": "Integrator",
    }
    options: Any = {"idempotency_key": str(params["key"])}
    made = written(lambda: client.v1.webhook_endpoints.create(wanted, options))
    if not made.get("secret"):
        raise errors.Refused("Stripe created the endpoint without telling its secret.")
    return {"id": made["id"], "secret": made["secret"]}
