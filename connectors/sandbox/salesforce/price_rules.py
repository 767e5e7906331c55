"""
This module knows the rules of price books and their entries.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_pricebookentry.htm
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.sales_attempt import CURRENCY, conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.sales_attempt import Attempt


def check_price_book(attempt: Attempt) -> None:
    """
    Let a record choose a price book that is active.

    :raises Refused: if it is not
    """
    book = attempt.record("Pricebook2", "Pricebook2Id")
    chosen = attempt.new or attempt.changed("Pricebook2Id")
    if book and chosen and not book["IsActive"]:
        raise conflict("the price book is not active", "Pricebook2Id")


def price_book(attempt: Attempt) -> None:
    """
    Let the standard price book stay active.

    :raises Refused: if it would not
    """
    if attempt.new:
        attempt.values["IsStandard"] = False
    elif attempt.values["IsStandard"] and not attempt.values["IsActive"]:
        raise conflict("the standard price book stays active", "IsActive")


def entry(attempt: Attempt) -> None:
    """
    Check an entry, and take its name and, where that is wished, its price over.

    :raises Refused: if there is one for this product, price book and currency, be it active or not; if the
        product has no standard price yet; or if it has a price beside the standard one it is to use
    """
    values = attempt.values
    product = attempt.record("Product2", "Product2Id")
    values["Name"], values["ProductCode"] = product.get("Name"), product.get("ProductCode")
    others = list(attempt.others("PricebookEntry", "Product2Id", values["Product2Id"]))
    same = [each for each in others if each.get(CURRENCY) == values.get(CURRENCY)]
    if any(each["Pricebook2Id"] == values["Pricebook2Id"] for each in same):
        raise refused(
            "FIELD_INTEGRITY_EXCEPTION", "This price definition already exists in this price book", dml=True
        )
    standard = attempt.org.standard_price_book
    if values["Pricebook2Id"] == standard:
        if attempt.sent.get("UseStandardPrice"):
            raise conflict("an entry of the standard price book has a price of its own", "UseStandardPrice")
        return
    found = next((each for each in same if each["Pricebook2Id"] == standard), None)
    if found is None:
        raise refused("STANDARD_PRICE_NOT_DEFINED", "No standard price defined for this product", dml=True)
    _use_standard(attempt, found)


def _use_standard(attempt: Attempt, standard: Mapping[str, Any]) -> None:
    if not attempt.values["UseStandardPrice"]:
        return
    if attempt.sent.get("UnitPrice") not in {None, standard["UnitPrice"]}:
        raise conflict("the price is the standard one, and cannot be set", "UnitPrice")
    attempt.values["UnitPrice"] = standard["UnitPrice"]
