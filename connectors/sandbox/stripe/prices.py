"""This module simulates prices: one-time and recurring ones, each per unit."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import money
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.forms import choice, integer, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.periods import INTERVALS
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "active": "boolean",
    "currency_options": "unsimulated",
    "lookup_key": "string",
    "metadata": "metadata",
    "nickname": "string",
    "tax_behavior": "enum:exclusive|inclusive|unspecified",
    "transfer_lookup_key": "boolean",
}
CREATE: Spec = {
    **UPDATE,
    "billing_scheme": "enum:per_unit",
    "currency": "id!",
    "custom_unit_amount": "unsimulated",
    "product": "id",
    "product_data": "unsimulated",
    "recurring": "object:interval|interval_count|usage_type|trial_period_days",
    "tiers": "unsimulated",
    "tiers_mode": "unsimulated",
    "transform_quantity": "unsimulated",
    "unit_amount": "integer",
    "unit_amount_decimal": "unsimulated",
}
LIST: Spec = {
    **PAGE,
    "active": "boolean",
    "created": "range",
    "currency": "id",
    "lookup_keys": "strings",
    "product": "id",
    "recurring": "unsimulated",
    "type": "enum:one_time|recurring",
}
NOTHING: Spec = {}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a price of a product.

    :raises ApiError: 400 without a product or an amount, for a lookup key that is taken, or a wrong interval
    """
    if "product" not in values:
        raise invalid("Missing required param: product.", param="product", code="parameter_missing")
    caller.find(caller.state.products, values["product"], param="product")
    if "unit_amount" not in values or values["unit_amount"] < 0:
        raise invalid("Missing required param: unit_amount.", param="unit_amount", code="parameter_missing")
    price = _blank(caller, values)
    _apply(caller, price, {name: value for name, value in values.items() if name in UPDATE})
    caller.state.prices.add(price)
    emit(caller, Occurrence("price.created", price))
    return price


def create_of(caller: Caller, product_id: str, described: dict[str, Any]) -> dict[str, Any]:
    """
    Make the price that stands inside another request, where every value is a text still.

    :raises ApiError: as `create`
    """
    values: Values = {**described, "product": product_id}
    if "currency" not in values:
        raise invalid("Missing required param: currency.", param="currency", code="parameter_missing")
    if "unit_amount" in values:
        values["unit_amount"] = integer("unit_amount", str(values["unit_amount"]))
    return create(caller, values)


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the price.

    :raises ApiError: 404
    """
    return caller.find(caller.state.prices, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change what may change about a price; its amount may not.

    :raises ApiError: 404, or 400 for a lookup key that is taken or to archive a product's default price
    """
    price = caller.find(caller.state.prices, object_id)
    product = caller.state.products.get(price["product"]) or {}
    if values.get("active") is False and price["active"] and product.get("default_price") == object_id:
        raise invalid(
            "This price cannot be archived because it is the default price of its product.", param="active"
        )
    changed = copy.deepcopy(price)
    _apply(caller, changed, values)
    previous = changes(price, changed)
    price.update(changed)
    if previous:
        emit(caller, Occurrence("price.updated", price, previous))
    return price


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of prices."""
    keys = set(values.get("lookup_keys", []))
    return page(
        caller,
        caller.state.prices,
        values,
        url="/v1/prices",
        equal=("active", "currency", "product", "type"),
        keep=lambda price: not keys or price["lookup_key"] in keys,
    )


def plan_of(price: dict[str, Any]) -> dict[str, Any]:
    """Return the plan, the older form in which a recurring price still stands in subscription items."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _blank(caller: Caller, values: Values) -> dict[str, Any]:
    recurring = _recurring(values["recurring"]) if values.get("recurring") else None
    return {
        "id": caller.state.new_id("price_1"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": caller.now,
        "currency": money.check_currency(values["currency"]),
        "custom_unit_amount": None,
        "livemode": caller.livemode,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": values["product"],
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": values["unit_amount"],
        "unit_amount_decimal": str(values["unit_amount"]),
    }


def _recurring(described: dict[str, Any]) -> dict[str, Any]:
    interval = choice("recurring[interval]", described.get("interval"), INTERVALS)
    if described.get("usage_type", "licensed") != "licensed":
        raise invalid("The sandbox does not simulate metered prices.", param="recurring[usage_type]")
    count = integer("recurring[interval_count]", described.get("interval_count", "1"))
    if not 1 <= count <= INTERVALS[interval]:
        raise invalid(
            "Recurring prices can be billed every three years at most.", param="recurring[interval_count]"
        )
    return {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _apply(caller: Caller, price: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        if name == "metadata":
            price["metadata"] = merge_metadata(price["metadata"], value)
        elif name == "lookup_key":
            _take_key(caller, value, transfer=bool(values.get("transfer_lookup_key")))
            price["lookup_key"] = value
        elif name != "transfer_lookup_key":
            price[name] = value


def _take_key(caller: Caller, key: str, *, transfer: bool) -> None:
    """Free a lookup key for another price, or refuse it if it is taken."""
    for other in caller.state.prices:
        if key and other["lookup_key"] == key and other["livemode"] == caller.livemode:
            if not transfer:
                raise ApiError(
                    400, f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key"
                )
            other["lookup_key"] = None
