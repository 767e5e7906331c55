"""This module tests the rules of selling in the org: price books, opportunities, orders and contracts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simple_salesforce as sf

from tests.integration.sandbox.salesforce.rig import Loopback

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "https://acme.my.salesforce.com"


@pytest.fixture
def org(outsider) -> sf.Salesforce:
    """Give a client that we did not write, with the outsider's session."""
    token = str(outsider.http.headers["Authorization"]).removeprefix("Bearer ")
    outsider.http.mount("https://", Loopback(outsider.address))
    return sf.Salesforce(session_id=token, instance_url=HOST, session=outsider.http, version="67.0")


@pytest.fixture
def sell(org: sf.Salesforce) -> Shop:
    """Give a shop with one product at 100 and an account."""
    return Shop(org)


class Shop:
    """A product with its standard price, an account, and short words for what tests do with them."""

    def __init__(self, org: sf.Salesforce) -> None:
        self.org = org
        self.book = org.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")["records"][0]["Id"]
        self.account = self.make("Account", Name="Acme")
        self.product = self.make("Product2", Name="Gold", ProductCode="G-1", IsActive=True)
        self.entry = self.price(100)

    def make(self, object_: str, **values: Any) -> str:
        """Create a record and return its id."""
        return str(getattr(self.org, object_).create(values)["id"])

    def read(self, object_: str, id18: str) -> dict[str, Any]:
        """Return a record."""
        return dict(getattr(self.org, object_).get(id18))

    def price(self, amount: float, **values: Any) -> str:
        """Make an active price book entry, of the standard price book unless told otherwise."""
        usual = {"Pricebook2Id": self.book, "Product2Id": self.product, "UnitPrice": amount, "IsActive": True}
        return self.make("PricebookEntry", **{**usual, **values})

    def deal(self, **values: Any) -> str:
        """Make an opportunity."""
        usual = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31"}
        return self.make("Opportunity", **{**usual, "AccountId": self.account, **values})

    def order(self, **values: Any) -> str:
        """Make a draft order."""
        usual = {"AccountId": self.account, "EffectiveDate": "2026-12-01", "Status": "Draft"}
        return self.make("Order", **{**usual, "Pricebook2Id": self.book, **values})

    def item(self, order: str, **values: Any) -> str:
        """Put two pieces onto an order."""
        usual = {"OrderId": order, "PricebookEntryId": self.entry, "Quantity": 2, "UnitPrice": 90}
        return self.make("OrderItem", **{**usual, **values})


def code_of(act: Callable[[], object]) -> str:
    """Return the code with which an act is refused."""
    with pytest.raises(sf.SalesforceMalformedRequest) as refused:
        act()
    return str(refused.value.content[0]["errorCode"])


def test_a_stage_means_what_its_definition_says_whatever_it_is_called(outsider, sell):
    won = {"name": "Gewonnen", "probability": 100, "category": "Closed", "won": True}
    outsider.control("POST", "stages", won)
    deal = sell.deal()

    sell.org.Opportunity.update(deal, {"StageName": "Gewonnen"})

    after = sell.read("Opportunity", deal)
    assert (after["IsWon"], after["IsClosed"], after["Probability"]) == (True, True, 100)
    rows = sell.org.query("SELECT MasterLabel FROM OpportunityStage WHERE IsWon = true")["records"]
    assert {row["MasterLabel"] for row in rows} == {"Closed Won", "Gewonnen"}
    stage = next(each for each in sell.org.Opportunity.describe()["fields"] if each["name"] == "StageName")
    assert "Gewonnen" in {value["value"] for value in stage["picklistValues"]}


def test_the_amount_of_an_opportunity_is_that_of_its_products(sell):
    deal = sell.deal(Pricebook2Id=sell.book, Amount=5)
    line = {"OpportunityId": deal, "PricebookEntryId": sell.entry}

    first = sell.make("OpportunityLineItem", **line, Quantity=3, UnitPrice=80)
    sell.make("OpportunityLineItem", **line, Quantity=2, TotalPrice=50)
    both = sell.read("Opportunity", deal)
    sell.org.Opportunity.update(deal, {"Amount": 1, "NextStep": "Call"})
    ignored = sell.read("Opportunity", deal)
    sell.org.OpportunityLineItem.update(first, {"Discount": 50})
    less = sell.read("Opportunity", deal)
    sell.org.OpportunityLineItem.delete(first)

    question = "SELECT (SELECT UnitPrice, ListPrice FROM OpportunityLineItems) FROM Opportunity WHERE Id = {}"
    told = sell.org.query(sf.format_soql(question, deal))
    (kept,) = told["records"][0]["OpportunityLineItems"]["records"]
    assert (both["Amount"], both["HasOpportunityLineItem"], both["TotalOpportunityQuantity"]) == (
        290,
        True,
        5,
    )
    assert (ignored["Amount"], ignored["NextStep"], less["Amount"]) == (290, "Call", 170)
    assert (kept["UnitPrice"], kept["ListPrice"]) == (25, 100)
    assert sell.read("Opportunity", deal)["Amount"] == 50


def test_products_come_from_the_price_book_that_was_chosen(sell):
    other = sell.make("Pricebook2", Name="Partners", IsActive=True)
    dear = sell.price(120, Pricebook2Id=other)
    line = {"Quantity": 1, "UnitPrice": 1}
    without, deal = sell.deal(), sell.deal(Pricebook2Id=other)
    sell.make("OpportunityLineItem", **line, OpportunityId=deal, PricebookEntryId=dear)

    for opportunity, entry in ((without, sell.entry), (deal, sell.entry)):
        wrong = {**line, "OpportunityId": opportunity, "PricebookEntryId": entry}
        refused = code_of(partial(sell.make, "OpportunityLineItem", **wrong))
        assert refused == "FIELD_INTEGRITY_EXCEPTION"

    change = {"Pricebook2Id": sell.book}
    assert code_of(lambda: sell.org.Opportunity.update(deal, change)) == "FIELD_INTEGRITY_EXCEPTION"
    assert code_of(lambda: sell.org.Product2.delete(sell.product)) == "DELETE_FAILED"


def test_a_price_is_there_once_and_after_the_standard_one(sell):
    partners = sell.make("Pricebook2", Name="Partners", IsActive=True)
    silver = sell.make("Product2", Name="Silver")

    assert (
        code_of(lambda: sell.price(1, Pricebook2Id=partners, Product2Id=silver))
        == "STANDARD_PRICE_NOT_DEFINED"
    )
    assert code_of(lambda: sell.price(1, IsActive=False)) == "FIELD_INTEGRITY_EXCEPTION"
    entry = sell.price(100, Pricebook2Id=partners, UseStandardPrice=True)
    sell.org.PricebookEntry.update(sell.entry, {"UnitPrice": 110})
    held = sell.read("PricebookEntry", entry)
    assert (held["UnitPrice"], held["Name"], held["ProductCode"]) == (110, "Gold", "G-1")


def test_an_order_is_activated_with_products_and_then_stays_as_it_is(outsider, sell):
    outsider.control("POST", "order-statuses", {"name": "Freigegeben", "code": "Activated"})
    order, go = sell.order(), {"Status": "Freigegeben"}

    empty = code_of(lambda: sell.org.Order.update(order, go))
    item = sell.item(order)
    sell.org.Order.update(order, go)
    held = sell.read("Order", order)
    sell.org.Order.update(order, {"Subscription_Status__c": "active"})

    assert (empty, held["StatusCode"], held["TotalAmount"]) == ("FAILED_ACTIVATION", "Activated", 180)
    assert held["ActivatedDate"]
    assert (
        code_of(lambda: sell.org.Order.update(order, {"EffectiveDate": "2027-01-01"}))
        == "FIELD_INTEGRITY_EXCEPTION"
    )
    assert code_of(lambda: sell.item(order)) == "FIELD_INTEGRITY_EXCEPTION"
    assert code_of(lambda: sell.org.OrderItem.update(item, {"Quantity": 3})) == "FIELD_INTEGRITY_EXCEPTION"
    assert code_of(lambda: sell.org.OrderItem.delete(item)) == "DELETE_FAILED"
    assert code_of(lambda: sell.org.Order.delete(order)) == "DELETE_FAILED"


def test_a_contract_is_activated_before_its_orders(sell):
    terms = {"AccountId": sell.account, "StartDate": "2026-01-31", "ContractTerm": 13}
    contract = sell.make("Contract", **terms)
    order = sell.order(ContractId=contract)
    sell.item(order)

    early = code_of(lambda: sell.org.Order.update(order, {"Status": "Activated"}))
    sell.org.Contract.update(contract, {"Status": "Activated"})
    sell.org.Order.update(order, {"Status": "Activated"})

    held = sell.read("Contract", contract)
    assert (early, held["StatusCode"], held["EndDate"]) == ("FAILED_ACTIVATION", "Activated", "2027-02-27")
    assert (
        code_of(lambda: sell.org.Contract.update(contract, {"ContractTerm": 24}))
        == "FIELD_INTEGRITY_EXCEPTION"
    )
    assert (
        code_of(lambda: sell.order(ContractId=contract, AccountId=sell.make("Account", Name="Bee")))
        == "FIELD_INTEGRITY_EXCEPTION"
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"Quantity": 9_999_999_999, "UnitPrice": 9_999_999_999_999_999}, id="too much"),
        pytest.param({"Quantity": 0, "TotalPrice": 5}, id="none of it"),
        pytest.param({"Quantity": 1}, id="no price"),
        pytest.param({"Quantity": 1, "UnitPrice": 1, "TotalPrice": 2}, id="two prices"),
    ],
)
def test_a_product_that_makes_no_sense_is_refused_and_changes_nothing(sell, values):
    deal = sell.deal(Pricebook2Id=sell.book, Amount=5)

    code_of(
        lambda: sell.make("OpportunityLineItem", OpportunityId=deal, PricebookEntryId=sell.entry, **values)
    )

    held = sell.read("Opportunity", deal)
    assert (held["Amount"], held["HasOpportunityLineItem"]) == (5, False)


def test_each_currency_has_a_price_of_its_own(outsider, sell):
    outsider.control("POST", "currencies", {"corporate": "EUR", "others": ["USD"]})
    dollars = sell.deal(Pricebook2Id=sell.book, CurrencyIsoCode="USD")
    line = {"OpportunityId": dollars, "Quantity": 1, "UnitPrice": 1}

    in_dollars = sell.price(120, CurrencyIsoCode="USD")
    sell.make("OpportunityLineItem", **line, PricebookEntryId=in_dollars)

    again = code_of(lambda: sell.price(130, CurrencyIsoCode="USD"))
    in_euros = code_of(lambda: sell.make("OpportunityLineItem", **line, PricebookEntryId=sell.entry))
    change = code_of(lambda: sell.org.Opportunity.update(dollars, {"CurrencyIsoCode": "EUR"}))
    assert {again, in_euros, change} == {"FIELD_INTEGRITY_EXCEPTION"}
    assert sell.read("PricebookEntry", sell.entry)["CurrencyIsoCode"] == "EUR"
