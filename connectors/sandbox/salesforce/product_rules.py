"""
This module knows the rules of what stands on opportunities and orders: products at the prices of one book.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitylineitem.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_orderitem.htm
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Refused, refused
from connectors.sandbox.salesforce.sales_attempt import CURRENCY, cents, conflict
from connectors.sandbox.salesforce.sales_setup import ACTIVATED
from connectors.sandbox.salesforce.values import missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.sales_attempt import Attempt

LIMIT = Decimal(10) ** 16  # of currency fields with two decimals


def of_opportunity(attempt: Attempt) -> None:
    """
    Check a product of an opportunity, and work out its total price or, from that, its sales price.

    :raises Refused: for an entry that does not fit, or unless exactly one of the prices is told
    """
    values, sent = attempt.values, attempt.sent
    parent = attempt.record("Opportunity", "OpportunityId")
    listed = _listed(attempt, parent, "opportunity")
    told = {name for name in ("TotalPrice", "UnitPrice") if sent.get(name) is not None}
    if len(told) > 1:
        raise conflict("tell either UnitPrice or TotalPrice", "UnitPrice", "TotalPrice")
    if attempt.new and not told:
        raise Refused(missing("UnitPrice"))
    left = 1 - (values.get("Discount") or Decimal(0)) / 100
    quantity = values["Quantity"]
    if "TotalPrice" in told:
        if not quantity or not left:
            raise conflict("a total price needs a quantity, and less than 100 % of discount", "Quantity")
        values["UnitPrice"] = _price(values["TotalPrice"] / quantity / left, "UnitPrice")
    else:
        values["TotalPrice"] = _price(values["UnitPrice"] * quantity * left, "TotalPrice")
    values["Subtotal"] = _price(values["UnitPrice"] * quantity, "Subtotal")
    values["Name"] = f"{parent.get('Name')} {listed['Name']}"[:376]


def of_order(attempt: Attempt) -> None:
    """
    Check a product of an order, and work out its total price.

    :raises Refused: for an entry that does not fit, or if the order is activated: then there come no more,
        and the price stays
    """
    values = attempt.values
    parent = attempt.record("Order", "OrderId")
    if parent.get("StatusCode") == ACTIVATED:
        wrong = ["OrderId"] if attempt.new else attempt.changed("Quantity", "UnitPrice")
        if wrong:
            raise conflict("the order is activated, so that its products stay as they are", *wrong)
    _listed(attempt, parent, "order")
    if attempt.new:
        values["OrderItemNumber"] = f"{attempt.number:010d}"
    values["AvailableQuantity"] = values["Quantity"]
    values["TotalPrice"] = _price(values["UnitPrice"] * values["Quantity"], "TotalPrice")


def _price(amount: Decimal, field: str) -> Decimal:
    if abs(amount) >= LIMIT:
        message = f"{field}: value outside of valid range on numeric field: {amount:.15g}"
        raise refused("NUMBER_OUTSIDE_VALID_RANGE", message, field)
    return cents(amount)


def _listed(attempt: Attempt, parent: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Return the price book entry of a product, which must be one of the book that its parent sells from."""
    values = attempt.values
    listed = attempt.record("PricebookEntry", "PricebookEntryId")
    if attempt.new:
        book = parent.get("Pricebook2Id")
        if book is None:
            raise conflict(f"the {what} has no price book yet: choose one before products", "Pricebook2Id")
        if listed.get("Pricebook2Id") != book:
            raise conflict(
                f"pricebook entry is in a different pricebook than the one assigned to the {what}",
                "PricebookEntryId",
            )
        if not listed["IsActive"]:
            raise conflict("pricebook entry is inactive", "PricebookEntryId")
        if listed.get(CURRENCY) != parent.get(CURRENCY):
            raise conflict(
                f"The pricebook entry currency code does not match the {what} currency code",
                "PricebookEntryId",
            )
        values["ListPrice"] = listed["UnitPrice"]
    values["Product2Id"], values["ProductCode"] = listed.get("Product2Id"), listed.get("ProductCode")
    return listed
