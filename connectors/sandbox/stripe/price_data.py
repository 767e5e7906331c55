"""This module finds the price that an item or a line names, or makes the one that it describes instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import forms, prices, products
from connectors.sandbox.stripe.errors import invalid

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

OWN = frozenset({"currency", "recurring", "tax_behavior", "unit_amount", "unit_amount_decimal"})
PRODUCT: Spec = {
    "active": "boolean",
    "description": "string",
    "id": "id",
    "images": "strings",
    "metadata": "metadata",
    "name": "id!",
    "statement_descriptor": "string",
    "tax_code": "unsimulated",
    "unit_label": "string",
}
CREATE: Spec = {**prices.CREATE, "product_data": f"object:{'|'.join(PRODUCT)}"}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a price of a product, or of one that is described beside it and made with it.

    :raises ApiError: 400 without a product or with two, or as for a price alone
    """
    described = values.get("product_data")
    if described is None:
        return prices.create(caller, values)
    if "product" in values:
        raise invalid(
            "You may only specify one of these parameters: product, product_data.", param="product_data"
        )
    product = products.create(caller, forms.check(described, PRODUCT))["id"]
    own = {name: value for name, value in values.items() if name != "product_data"}
    return prices.create(caller, {**own, "product": product})


def named_or_made(caller: Caller, described: dict[str, Any], *, param: str) -> dict[str, Any]:
    """
    Return the price that a line names by `price`, or make the one of its `price_data`.

    :raises ApiError: 400 for a price or product that there is not, or if neither is told
    """
    if "price_data" in described:
        return _made(caller, described["price_data"], param=f"{param}[price_data]")
    if not described.get("price"):
        raise invalid(f"Missing required param: {param}[price].", param=param, code="parameter_missing")
    return caller.find(caller.state.prices, str(described["price"]), param=f"{param}[price]")


def _made(caller: Caller, told: Any, *, param: str) -> dict[str, Any]:
    """Make a price in place; it is inactive, since nothing else may use it."""
    if not isinstance(told, dict):
        raise invalid("Invalid object", param=param)
    for name in set(told) - OWN - {"product", "product_data"}:
        path = f"{param}[{name}]"
        raise invalid(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
    product = str(told.get("product") or "")
    if isinstance(told.get("product_data"), dict):
        product = products.create(caller, forms.check(told["product_data"], PRODUCT))["id"]
    if not product:
        path = f"{param}[product]"
        raise invalid(f"Missing required param: {path}.", param=path, code="parameter_missing")
    own = {name: value for name, value in told.items() if name in OWN}
    return prices.create_of(caller, product, {**own, "active": False})
