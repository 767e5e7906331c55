"""What a subscription brings in a month is exact, or not known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flows.mapping.apply import compile_mapping
from flows.mapping.recurring import monthly
from flows.mapping.spec import Mapping

TIERED = {"unit_amount": None, "unit_amount_decimal": None, "billing_scheme": "tiered"}


def item(
    amount: int | None, interval: str = "month", count: int = 1, *, quantity: Any = 1, **more: Any
) -> Any:
    recurring = {"interval": interval, "interval_count": count, "usage_type": more.pop("usage", "licensed")}
    discounts = more.pop("discounts", [])
    price = {"unit_amount": amount, "currency": "usd", "recurring": recurring, **more}
    return {"price": price, "quantity": quantity, "discounts": discounts}


def coupon(duration: str = "forever", **off: Any) -> dict[str, Any]:
    return {"source": {"type": "coupon", "coupon": {"duration": duration, **off}}}


@pytest.mark.parametrize(
    ("items", "found"),
    [
        pytest.param([item(4900, quantity=3)], 14700, id="months"),
        pytest.param([item(30000, "month", 3)], 10000, id="a quarter"),
        pytest.param([item(10000, "year")], 833, id="a year"),
        pytest.param([item(10000, "year", 2)], 417, id="two years"),
        pytest.param([item(1000, "week")], 4333, id="52 weeks are a year"),
        pytest.param([item(1000, "week", 2)], 2167, id="every other week"),
        pytest.param([item(100, "day")], 3042, id="365 days are a year"),
        pytest.param([item(10, "year"), item(20, "year")], 2, id="rounded once: 30 / 12 is half way to 3"),
        pytest.param([item(10, "year")] * 3 + [item(100)], 102, id="rounded once, not thrice"),
        pytest.param([item(None, unit_amount_decimal="0.05", quantity=1000)], 50, id="parts of a cent"),
        pytest.param([item(500, usage="metered", quantity=None), item(100)], 100, id="use is not known"),
        pytest.param(
            [item(700, quantity=11, transform_quantity={"divide_by": 5, "round": "up"})], 2100, id="packs"
        ),
        pytest.param(
            [item(None, **{k: v for k, v in TIERED.items() if k != "unit_amount"})], None, id="tiers"
        ),
        pytest.param([item(100, "fortnight")], None, id="an interval that is new"),
        pytest.param([item(100, "month", 0)], None, id="no count"),
        pytest.param([item(100, quantity=None)], None, id="no quantity"),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_each_interval_counts_for_a_month(items: list[Any], found: int | None) -> None:
    assert monthly(items, []) == found


@pytest.mark.parametrize(
    ("discounts", "found"),
    [
        pytest.param([coupon(percent_off=12.5)], 8750, id="percent"),
        pytest.param([coupon("repeating", amount_off=250)], 9750, id="an amount of each invoice"),
        pytest.param([coupon(percent_off=50), coupon(amount_off=1000)], 4000, id="one after the other"),
        pytest.param([coupon("once", percent_off=50)], 10000, id="once is no month"),
        pytest.param([coupon(amount_off=99999)], 0, id="never below nothing"),
        pytest.param([{"coupon": {"duration": "forever", "percent_off": 10}}], 9000, id="as it was before"),
        pytest.param(["di_1"], None, id="not read along"),
        pytest.param([{"source": {"coupon": "half"}}], None, id="whose coupon was not read along"),
        pytest.param([coupon()], None, id="of no kind that is known"),
    ],
)
def test_discounts_that_are_known_are_taken_off(discounts: list[Any], found: int | None) -> None:
    assert monthly([item(10000)], discounts) == found


def test_an_amount_off_counts_as_often_as_invoices_come() -> None:
    assert monthly([item(120000, "year")], [coupon(amount_off=1200)]) == 9900
    assert monthly([item(120000, "year"), item(100)], [coupon(amount_off=1200)]) is None
    assert monthly([item(1000, discounts=[coupon(percent_off=10)]), item(1000)], []) == 1900


@pytest.mark.parametrize(
    ("currency", "mrr"),
    [("usd", Decimal("1.01")), ("jpy", Decimal(101)), ("kwd", Decimal("0.101"))],
)
def test_a_field_gets_it_with_the_decimals_of_its_currency(currency: str, mrr: Decimal) -> None:
    line = {
        "field": "MRR__c",
        "chips": [
            {"chip": "expression", "text": "money.monthly(subscription.items.data, subscription.discounts)"},
            {"chip": "money", "currency": ["subscription.currency"]},
        ],
    }
    mapping = Mapping.model_validate({"target": "Subscription_Contract__c", "lines": [line]})
    subscription = {"currency": currency, "items": {"data": [item(1212, "year")]}, "discounts": []}

    mapped = compile_mapping(mapping).apply({"subscription": subscription})

    assert mapped.record == {"MRR__c": mrr}
