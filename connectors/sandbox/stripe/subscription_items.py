"""This module simulates the items of subscriptions: a price and a quantity with a period of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import price_data
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import check, integer, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.prices import plan_of
from connectors.sandbox.stripe.printing import WHOLE

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = {**PAGE, "subscription": "id!"}
NOTHING: Spec = {}
MOST = 20


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the item.

    :raises ApiError: 404
    """
    return caller.find(caller.state.subscription_items, object_id)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Return a page of the items of a subscription.

    :raises ApiError: 400 if there is no such subscription
    """
    found = caller.find(caller.state.subscriptions, values["subscription"], param="subscription")
    url = f"/v1/subscription_items?subscription={found['id']}"
    return page(caller, caller.state.subscription_items, values, url=url, equal=("subscription",))


def make(
    caller: Caller,
    subscription_id: str,
    described: dict[str, Any],
    price: dict[str, Any],
    span: tuple[int, int],
) -> dict[str, Any]:
    """
    Keep an item with a price for a period.

    :raises ApiError: 400 for a wrong quantity or metadata
    """
    item: dict[str, Any] = {
        "id": caller.state.new_id("si"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": caller.now,
        "current_period_end": span[1],
        "current_period_start": span[0],
        "discounts": [],
        "metadata": merge_metadata({}, check_metadata(described)),
        "quantity": quantity_of(described),
        "subscription": subscription_id,
        "tax_rates": [],
    }
    use(item, price)
    return caller.state.subscription_items.add(item)


def use(item: dict[str, Any], price: dict[str, Any]) -> None:
    """Give an item another price."""
    item |= {"plan": plan_of(price), "price": dict(price)}


def price_of(caller: Caller, described: dict[str, Any]) -> dict[str, Any]:
    """
    Return the price that an item names, or make the one that it describes.

    :raises ApiError: 400 for a price that there is not or that does not recur
    """
    price = price_data.named_or_made(caller, described, param="items[0]")
    if price["type"] != "recurring":
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with "
            "`type=recurring`.",
            param="items[0][price]",
        )
    return price


def check_metadata(described: dict[str, Any]) -> dict[str, str]:
    """
    Return the metadata that an item is described with.

    :raises ApiError: 400 for keys or values that are too long or none
    """
    checked = check({"metadata": described.get("metadata") or {}}, {"metadata": "metadata"})
    found: dict[str, str] = checked["metadata"]
    return found


def quantity_of(described: dict[str, Any]) -> int:
    """
    Return the quantity that an item is described with, one without any.

    :raises ApiError: 400 for no number
    """
    return integer("items[quantity]", described.get("quantity", "1"))


def as_list(subscription_id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how a subscription keeps its items: all of them, of which it shows the first page."""
    url = f"/v1/subscription_items?subscription={subscription_id}"
    return {"object": "list", "data": items, "has_more": False, "url": url, WHOLE: True}
