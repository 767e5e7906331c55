"""This module keeps what checkout sessions and payment links sell, line by line, and adds it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import price_data
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import check, integer
from connectors.sandbox.stripe.lists import PAGE, page

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

NAMES = "adjustable_quantity|metadata|price|price_data|quantity"
LIST: Spec = PAGE
MOST = 100


def read(caller: Caller, described: list[dict[str, Any]], *, most: int = MOST) -> list[dict[str, Any]]:
    """
    Return the lines that a request describes, not kept yet.

    :raises ApiError: 400 without lines or with more than `most`, for a price that there is not or that is
        archived, or for two currencies
    """
    if not described:
        raise invalid("Missing required param: line_items.", param="line_items", code="parameter_missing")
    if len(described) > most:
        raise invalid(f"You can specify at most {most} line items.", param="line_items")
    lines = [_read(caller, each, f"line_items[{number}]") for number, each in enumerate(described)]
    if len({line["currency"] for line in lines}) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    return lines


def keep(caller: Caller, owner: str, lines: list[dict[str, Any]]) -> None:
    """Keep lines as those of a session or a link, each with an id of its own."""
    for line in reversed(lines):  # lists show the newest first
        caller.state.checkout_lines.add({**line, "id": caller.state.new_id("li_1"), "owner": owner})


def of(caller: Caller, owner: str) -> list[dict[str, Any]]:
    """Return the lines of a session or a link in their order."""
    return [line for line in caller.state.checkout_lines.older() if line["owner"] == owner]


def shown(caller: Caller, values: Values, owner: str, *, url: str) -> dict[str, Any]:
    """Return a page of the lines of a session or a link."""
    return page(caller, caller.state.checkout_lines, {**values, "owner": owner}, url=url, equal=("owner",))


def recurs(line: dict[str, Any]) -> bool:
    """Say whether a line is charged again and again."""
    return bool(line["price"]["type"] == "recurring")


def mode(lines: list[dict[str, Any]]) -> str:
    """Return how lines are sold: by subscription as soon as one of them recurs, or by one payment."""
    return "subscription" if any(recurs(line) for line in lines) else "payment"


def total(lines: list[dict[str, Any]], *, trial: bool = False) -> int:
    """Return what is to be paid for lines at once, in minor units; what recurs is free in a trial."""
    return sum(line["amount_total"] for line in lines if not (trial and recurs(line)))


def _read(caller: Caller, told: dict[str, Any], param: str) -> dict[str, Any]:
    price = price_data.named_or_made(caller, told, param=param)
    if "price_data" not in told and not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param=f"{param}[price]"
        )
    quantity = integer(f"{param}[quantity]", told.get("quantity", "1"))
    if quantity < 1:
        raise invalid("Invalid quantity: must be at least 1", param=f"{param}[quantity]")
    amount = price["unit_amount"] * quantity
    return {
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": (caller.state.products.get(price["product"]) or {}).get("name"),
        "livemode": caller.livemode,
        "metadata": check({"metadata": told.get("metadata", {})}, {"metadata": "metadata"})["metadata"],
        "price": dict(price),
        "quantity": quantity,
    }
