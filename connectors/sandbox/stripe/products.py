"""This module simulates products, whose ids merchants may choose."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import prices
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "active": "boolean",
    "default_price": "id",
    "description": "string",
    "images": "strings",
    "marketing_features": "objects:name",
    "metadata": "metadata",
    "name": "id",
    "package_dimensions": "unsimulated",
    "shippable": "boolean",
    "statement_descriptor": "string",
    "tax_code": "unsimulated",
    "tax_details": "unsimulated",
    "unit_label": "string",
    "url": "string",
}
CREATE: Spec = {
    **{name: kind for name, kind in UPDATE.items() if name != "default_price"},
    "default_price_data": "object:currency|unit_amount|unit_amount_decimal|recurring|tax_behavior|metadata",
    "id": "id",
    "name": "id!",
    "type": "enum:good|service",
}
LIST: Spec = {
    **PAGE,
    "active": "boolean",
    "created": "range",
    "ids": "strings",
    "shippable": "boolean",
    "type": "id",
    "url": "id",
}
NOTHING: Spec = {}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a product, with a default price if one is described.

    :raises ApiError: 400 resource_already_exists for an id that was chosen before, or for a wrong price
    """
    product = _blank(caller, values)
    if caller.state.products.get(product["id"]) is not None:
        raise ApiError(400, "Product already exists.", code="resource_already_exists", param="id")
    _apply(product, {name: value for name, value in values.items() if name in UPDATE})
    caller.state.products.add(product)
    emit(caller, Occurrence("product.created", product))
    if values.get("default_price_data"):
        price = prices.create_of(caller, product["id"], values["default_price_data"])
        product |= {"default_price": price["id"], "updated": caller.now}
        emit(caller, Occurrence("product.updated", product, {"default_price": None}))
    return product


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the product.

    :raises ApiError: 404
    """
    return caller.find(caller.state.products, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a product.

    :raises ApiError: 404, or 400 for a default price that is not its own
    """
    product = caller.find(caller.state.products, object_id)
    if "default_price" in values:
        price = caller.find(caller.state.prices, values["default_price"], param="default_price")
        if price["product"] != object_id:
            raise invalid("The default price must belong to this product.", param="default_price")
    changed = copy.deepcopy(product)
    _apply(changed, values)
    changed["updated"] = caller.now
    previous = changes(product, changed)
    product.update(changed)
    if set(previous) - {"updated"}:
        emit(caller, Occurrence("product.updated", product, previous))
    return product


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete a product that has no prices.

    :raises ApiError: 404, or 400 if it has prices
    """
    product = caller.find(caller.state.products, object_id)
    if any(price["product"] == object_id for price in caller.state.prices):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    caller.state.products.remove(object_id)
    emit(caller, Occurrence("product.deleted", product))
    return {"id": object_id, "object": "product", "deleted": True}


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of products."""
    wanted = set(values.get("ids", []))
    return page(
        caller,
        caller.state.products,
        values,
        url="/v1/products",
        equal=("active", "shippable", "type", "url"),
        keep=lambda product: not wanted or product["id"] in wanted,
    )


def _blank(caller: Caller, values: Values) -> dict[str, Any]:
    return {
        "id": values.get("id") or caller.state.new_id("prod"),
        "object": "product",
        "active": True,
        "created": caller.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": caller.livemode,
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": values.get("type", "service"),
        "unit_label": None,
        "updated": caller.now,
        "url": None,
    }


def _apply(product: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        product[name] = merge_metadata(product["metadata"], value) if name == "metadata" else value
