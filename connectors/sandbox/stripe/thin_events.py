"""This module simulates thin events: what happened to which object, without the object itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.stripe.errors import ApiError

if TYPE_CHECKING:
    from connectors.sandbox.stripe.deliveries import Deliveries
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller, StripeState

NOTHING: Spec = {}
KEPT = 30 * 86_400
# Type of an object -> where it is read.
PLACES = {
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "invoiceitem": "invoiceitems",
    "payment_intent": "payment_intents",
    "payment_link": "payment_links",
    "payment_method": "payment_methods",
    "price": "prices",
    "product": "products",
    "refund": "refunds",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "test_helpers.test_clock": "test_helpers/test_clocks",
}


@dataclass(frozen=True, slots=True)
class ThinEvents:
    """Makes a thin event beside a snapshot event where a destination wants one."""

    state: StripeState
    deliveries: Deliveries

    def follow(self, event: dict[str, Any], _: list[dict[str, Any]]) -> None:
        """Make the thin twin of a new event and send it on its way."""
        wanted = [place for place in self.state.event_destinations if _wants(place, event)]
        if wanted:
            self.deliveries.schedule(self.state.thin_events.add(self._twin(event)), wanted)

    def _twin(self, event: dict[str, Any]) -> dict[str, Any]:
        about = msgspec.json.decode(event["data"]["object"])
        place = PLACES.get(about.get("object", ""))
        related = None
        if place is not None:
            related = {
                "id": about["id"],
                "type": about["object"],
                "url": f"/v1/{place}/{about['id']}",
            }
        return {
            "id": self.state.new_id("evt_65" if event["livemode"] else "evt_test_65"),
            "object": "v2.core.event",
            "changes": None,
            "context": None,
            "created": _told(event["created"]),
            "livemode": event["livemode"],
            "reason": _reason(event["request"]),
            "related_object": related,
            "snapshot_event": event["id"],
            "type": f"v1.{event['type']}",
        }


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the thin event.

    :raises ApiError: 404 not_found, also when it is older than 30 days
    """
    event = caller.state.thin_events.get(object_id)
    oldest = _told(caller.now - KEPT)
    if event is None or event["livemode"] != caller.livemode or event["created"] < oldest:
        raise ApiError(404, f"No such event: '{object_id}'", code="not_found")
    return event


def _told(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _reason(request: dict[str, Any]) -> dict[str, Any] | None:
    if request["id"] is None:
        return None
    return {
        "request": {"id": request["id"], "idempotency_key": request["idempotency_key"] or ""},
        "type": "request",
    }


def _wants(destination: dict[str, Any], event: dict[str, Any]) -> bool:
    if destination["status"] != "enabled" or destination["livemode"] != event["livemode"]:
        return False
    return bool({"*", f"v1.{event['type']}"} & set(destination["enabled_events"]))
