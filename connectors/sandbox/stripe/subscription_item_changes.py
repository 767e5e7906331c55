"""This module makes, changes and deletes single items of subscriptions, prorated like any change of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, proration
from connectors.sandbox.stripe.errors import invalid

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

# An item is described by texts, as it is inside a request about its subscription.
ITEM: Spec = {"metadata": "any", "price": "id", "price_data": "any", "quantity": "id"}
MANNER: Spec = {
    "payment_behavior": "enum:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete",
    "proration_behavior": "enum:create_prorations|always_invoice|none",
    "proration_date": "integer",
}
CREATE: Spec = {**ITEM, **MANNER, "subscription": "id!"}
UPDATE: Spec = {**ITEM, **MANNER, "off_session": "boolean"}
DELETE: Spec = {**MANNER, "clear_usage": "boolean"}
OVER = frozenset({"canceled", "incomplete_expired"})


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Add an item to a subscription.

    :raises ApiError: 400 for a subscription that there is not or that is over, or for a wrong price
    """
    subscription = caller.find(caller.state.subscriptions, values["subscription"], param="subscription")
    _change(caller, subscription, values, {})
    return dict(subscription["items"]["data"][-1])


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change an item.

    :raises ApiError: 404, or 400 for a wrong price or a subscription that is over
    """
    item = caller.find(caller.state.subscription_items, object_id)
    _change(caller, _of(caller, item), values, {"id": object_id})
    return item


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Take an item out of its subscription.

    :raises ApiError: 404, or 400 if it is the last one
    """
    item = caller.find(caller.state.subscription_items, object_id)
    _change(caller, _of(caller, item), values, {"deleted": "true", "id": object_id})
    return {"id": object_id, "object": "subscription_item", "deleted": True}


def _of(caller: Caller, item: dict[str, Any]) -> dict[str, Any]:
    return caller.find(caller.state.subscriptions, item["subscription"])


def _change(caller: Caller, subscription: dict[str, Any], values: Values, known: dict[str, str]) -> None:
    if subscription["status"] in OVER:
        raise invalid(f"You cannot change the items of a {subscription['status']} subscription.")
    caller = caller.beside(subscription["customer"])
    wanted = {**known, **{name: value for name, value in values.items() if name in ITEM}}
    behavior = values.get("proration_behavior", "create_prorations")
    proration.change_items(caller, subscription, [wanted], behavior, at=values.get("proration_date"))
    billing.follow(caller, subscription)
