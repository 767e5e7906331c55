"""This module reads the lines of credit notes: parts of the invoice's own lines, or lines of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import choice, integer

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Values
    from connectors.sandbox.stripe.state import Caller

NAMES = "amount|description|invoice_line_item|metadata|quantity|type|unit_amount"


def read(caller: Caller, invoice: dict[str, Any], values: Values) -> list[dict[str, Any]]:
    """
    Return the lines that a request tells, or one for its amount.

    :raises ApiError: 400 if it tells neither or both, or a line that the invoice has not
    """
    told = values.get("lines", [])
    if bool(told) == ("amount" in values):
        raise invalid("You must pass exactly one of `amount` and `lines`.", param="amount")
    if not told:
        return [_line(caller, values["amount"], description="Credit")]
    return [_read(caller, invoice, each, f"lines[{number}]") for number, each in enumerate(told)]


def _read(caller: Caller, invoice: dict[str, Any], told: dict[str, Any], param: str) -> dict[str, Any]:
    quantity = integer(f"{param}[quantity]", told["quantity"]) if "quantity" in told else None
    kind = choice(f"{param}[type]", told.get("type"), ("custom_line_item", "invoice_line_item"))
    if kind == "custom_line_item":
        unit = integer(f"{param}[unit_amount]", told.get("unit_amount", ""))
        return _line(
            caller,
            unit * (quantity or 1),
            description=told.get("description"),
            quantity=quantity or 1,
            unit=unit,
        )
    own = caller.state.lines[invoice["id"]].get(str(told.get("invoice_line_item", "")))
    if own is None:
        raise invalid("No such line of the invoice.", param=f"{param}[invoice_line_item]")
    return _line(
        caller,
        _amount(told, own, quantity, param),
        description=told.get("description") or own["description"],
        quantity=quantity,
        of=own["id"],
    )


def _amount(told: dict[str, Any], own: dict[str, Any], quantity: int | None, param: str) -> int:
    """Return the amount that is credited of a line: the one told, or that of so many units of it."""
    if "amount" in told:
        amount = integer(f"{param}[amount]", told["amount"])
    elif quantity is not None and own["quantity"]:
        amount = own["amount"] * quantity // own["quantity"]
    else:
        amount = own["amount"]
    if amount > own["amount"]:
        raise invalid("The amount is greater than that of the invoice's line.", param=f"{param}[amount]")
    return int(amount)


def _line(
    caller: Caller,
    amount: int,
    *,
    description: str | None,
    quantity: int | None = None,
    unit: int | None = None,
    of: str | None = None,
) -> dict[str, Any]:
    return {
        "id": caller.state.new_id("cnli_1"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": of,
        "livemode": caller.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": "invoice_line_item" if of else "custom_line_item",
        "unit_amount": unit,
        "unit_amount_decimal": None if unit is None else str(unit),
    }
