"""This module brings up to date what depends on a product or a price, once that is saved or deleted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from connectors.sandbox.salesforce.sales_attempt import CURRENCY, cents, having

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.tables import Record, Table

    Values = Mapping[str, Any]


class Adjusting(Protocol):
    """The saves of one call, as far as they bring other records up to date."""

    def adjust(self, table: Table, record: Record, changed: dict[str, Any]) -> None:
        """Change what Salesforce works out of a record because of another one."""


def follow(saving: Adjusting, org: Org, object_: str, values: Values) -> None:
    """Bring up to date what depends on a record that was saved or deleted."""
    act = FOLLOWING.get(object_)
    if act is not None:
        act(saving, org, values)


def _opportunity(saving: Adjusting, org: Org, product: Values) -> None:
    """Add up the products of an opportunity, whose amount is theirs from the first one on."""
    products = list(having(org, "OpportunityLineItem", "OpportunityId", product["OpportunityId"]))
    parent = org.tables["Opportunity"].records[product["OpportunityId"]].values
    amount = _sum(products, "TotalPrice")
    chance = parent.get("Probability") or Decimal(0)
    changed = {
        "Amount": amount,
        "ExpectedRevenue": cents(amount * chance / 100),
        "HasOpportunityLineItem": bool(products),
        "TotalOpportunityQuantity": _sum(products, "Quantity"),
    }
    _adjust(saving, org, "Opportunity", parent, changed)


def _order(saving: Adjusting, org: Org, product: Values) -> None:
    products = having(org, "OrderItem", "OrderId", product["OrderId"])
    parent = org.tables["Order"].records[product["OrderId"]].values
    _adjust(saving, org, "Order", parent, {"TotalAmount": _sum(list(products), "TotalPrice")})


def _prices(saving: Adjusting, org: Org, entry: Values) -> None:
    """Pass a changed standard price on to the entries that use it."""
    if entry["Pricebook2Id"] != org.standard_price_book or entry["IsDeleted"]:
        return
    for each in list(having(org, "PricebookEntry", "Product2Id", entry["Product2Id"])):
        if each["UseStandardPrice"] and each.get(CURRENCY) == entry.get(CURRENCY):
            _adjust(saving, org, "PricebookEntry", each, {"UnitPrice": entry["UnitPrice"]})


def _sum(products: list[Values], field: str) -> Decimal:
    return cents(sum((each[field] for each in products), Decimal(0)))


def _adjust(saving: Adjusting, org: Org, object_: str, values: Values, changed: dict[str, Any]) -> None:
    if values["IsDeleted"] or all(values.get(name) == value for name, value in changed.items()):
        return
    table = org.tables[object_]
    saving.adjust(table, table.records[values["Id"]], changed)


FOLLOWING: dict[str, Callable[[Adjusting, Org, Values], None]] = {
    "OpportunityLineItem": _opportunity,
    "OrderItem": _order,
    "PricebookEntry": _prices,
}
