"""
This module knows the rules of selling: price books, stages, products of opportunities and orders, activation.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_order.htm
https://help.salesforce.com/s/articleView?id=sales.orderproduct_edit.htm
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import price_rules, product_rules
from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.sales_attempt import CURRENCY, Attempt, cents, conflict, having
from connectors.sandbox.salesforce.sales_setup import ACTIVATED, DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.tables import Record, Table

    Rule = Callable[[Attempt], None]

# What nobody changes about an order or a contract that is activated.
FIXED_ORDER = ("AccountId", "ContractId", "EffectiveDate", "Pricebook2Id")
FIXED_CONTRACT = ("AccountId", "ContractTerm", "StartDate")
CONTRACT_CODES = {"In Approval Process": "InApproval", "Activated": "Activated"}
# Object -> where what may not be deleted with it stands, and by which field it points there.
USED_BY = {
    "Product2": (("OpportunityLineItem", "Product2Id"), ("OrderItem", "Product2Id")),
    "PricebookEntry": (("OpportunityLineItem", "PricebookEntryId"), ("OrderItem", "PricebookEntryId")),
}


def check(
    org: Org, table: Table, record: Record | None, sent: Mapping[str, Any], values: dict[str, Any]
) -> None:
    """
    Check a record against the rules of selling, and fill what Salesforce works out of them.

    :raises Refused: if it is not to be
    """
    rule = RULES.get(table.shape.object.name)
    if rule is not None:
        rule(Attempt(org, values, record.values if record else {}, sent, table.made))


def check_delete(org: Org, object_: str, values: Mapping[str, Any]) -> None:
    """
    Let a record be deleted that nothing sold depends on.

    :raises Refused: for what is in use, what belongs to an activated order, and the standard price book
    """
    order = values if object_ == "Order" else _order_of(org, object_, values)
    if order.get("StatusCode") == ACTIVATED:
        raise refused("DELETE_FAILED", "An activated order and its products cannot be deleted.", dml=True)
    if object_ == "Pricebook2" and values["IsStandard"]:
        raise refused("DELETE_FAILED", "The standard price book cannot be deleted.", dml=True)
    for user, field in USED_BY.get(object_, ()):
        if next(having(org, user, field, values["Id"]), None) is not None:
            raise refused(
                "DELETE_FAILED",
                f"Your attempt to delete {values['Name']} could not be completed because it is used in "
                f"{org.tables[user].shape.object.plural}.",
                dml=True,
            )


def _order_of(org: Org, object_: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    if object_ != "OrderItem":
        return {}
    return org.tables["Order"].records[values["OrderId"]].values


def _opportunity(attempt: Attempt) -> None:
    values, before, sent = attempt.values, attempt.before, attempt.sent
    if attempt.new:
        values["HasOpportunityLineItem"] = False
    stage = attempt.org.sales.stage(values.get("StageName"))
    if stage.name != before.get("StageName"):
        values["LastStageChangeDate"] = values["LastModifiedDate"]
        values["ForecastCategory"] = stage.category
        if sent.get("ForecastCategoryName") is None:
            values["ForecastCategoryName"] = stage.category
        if sent.get("Probability") is None:
            values["Probability"] = Decimal(stage.probability).quantize(Decimal("0.1"))
    values["IsClosed"], values["IsWon"] = stage.closed, stage.won
    _opportunity_with_products(attempt)
    if values.get("Amount") is not None and values.get("Probability") is not None:
        values["ExpectedRevenue"] = cents(values["Amount"] * values["Probability"] / 100)
    year, month = int(values["CloseDate"][:4]), int(values["CloseDate"][5:7])
    values["FiscalYear"], values["FiscalQuarter"] = year, (month + 2) // 3
    values["Fiscal"] = f"{year} {values['FiscalQuarter']}"


def _opportunity_with_products(attempt: Attempt) -> None:
    """Let an opportunity with products keep their sum and their price book; a sent amount is ignored."""
    price_rules.check_price_book(attempt)
    if not attempt.before.get("HasOpportunityLineItem"):
        return
    for name in ("Amount", "TotalOpportunityQuantity"):
        attempt.values[name] = attempt.before.get(name)
    _keep_prices(attempt)


def _keep_prices(attempt: Attempt) -> None:
    """Refuse another price book or currency while there are products at the prices of the one there is."""
    wrong = attempt.changed("Pricebook2Id", CURRENCY)
    if wrong:
        raise conflict("the price book and the currency stay while there are products", *wrong)


def _order(attempt: Attempt) -> None:
    values, before = attempt.values, attempt.before
    code = attempt.org.sales.order_code(values.get("Status"))
    if attempt.new:
        if code != DRAFT:
            raise refused("FAILED_ACTIVATION", "An order must be created in Draft status.", "Status")
        values["OrderNumber"], values["TotalAmount"] = f"{attempt.number:08d}", Decimal("0.00")
    price_rules.check_price_book(attempt)
    _order_in_contract(attempt)
    products = list(attempt.others("OrderItem", "OrderId", values["Id"]))
    if products:
        _keep_prices(attempt)
    was = before.get("StatusCode", DRAFT)
    if code == ACTIVATED and was == ACTIVATED:
        _refuse_changes(attempt, FIXED_ORDER, "order")
    elif code == ACTIVATED:
        _check_activation(attempt, products)
        values["ActivatedDate"] = values["LastModifiedDate"]
    else:
        values["ActivatedDate"] = None
    values["StatusCode"] = code


def _check_activation(attempt: Attempt, products: list[Mapping[str, Any]]) -> None:
    if not products:
        raise refused("FAILED_ACTIVATION", "An order must have at least one product.", "Status")
    contract = attempt.record("Contract", "ContractId")
    if contract and contract["StatusCode"] != "Activated":
        raise refused("FAILED_ACTIVATION", "The contract of the order is not activated.", "Status")


def _order_in_contract(attempt: Attempt) -> None:
    contract = attempt.record("Contract", "ContractId")
    if contract and contract["AccountId"] != attempt.values["AccountId"]:
        raise conflict("the contract belongs to another account than the order", "ContractId")


def _contract(attempt: Attempt) -> None:
    values = attempt.values
    code = CONTRACT_CODES.get(values.get("Status") or "", "Draft")
    if attempt.new:
        if code == "Activated":
            raise refused("FAILED_ACTIVATION", "A contract must be created in Draft status.", "Status")
        values["ContractNumber"] = f"{attempt.number:08d}"
    price_rules.check_price_book(attempt)
    was = attempt.before.get("StatusCode", "Draft")
    if was == "Activated":
        if code != "Activated":
            raise refused("FAILED_ACTIVATION", "An activated contract stays activated.", "Status")
        _refuse_changes(attempt, FIXED_CONTRACT, "contract")
    elif code == "Activated":
        values["ActivatedDate"] = values["LastModifiedDate"]
    values["StatusCode"] = code
    values["EndDate"] = _end(values.get("StartDate"), values.get("ContractTerm"))


def _end(start: str | None, months: int | None) -> str | None:
    """Return the last day of a contract that runs for so many months."""
    if start is None or not months or not 0 < months <= 1200:
        return None
    first = date.fromisoformat(start)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    if year >= date.max.year:
        return None
    # The day before the same day of a later month; a month that lacks it ends on its last.
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    same = min(first.day, (following - timedelta(days=1)).day)
    return (date(year, month + 1, same) - timedelta(days=1)).isoformat()


def _refuse_changes(attempt: Attempt, fields: tuple[str, ...], what: str) -> None:
    wrong = attempt.changed(*fields)
    if wrong:
        raise conflict(f"an activated {what} cannot be changed in: {', '.join(wrong)}", *wrong)


RULES: dict[str, Rule] = {
    "Contract": _contract,
    "Opportunity": _opportunity,
    "OpportunityLineItem": product_rules.of_opportunity,
    "Order": _order,
    "OrderItem": product_rules.of_order,
    "Pricebook2": price_rules.price_book,
    "PricebookEntry": price_rules.entry,
}
