"""This module tests that the demo's table tells the same from the different."""

from __future__ import annotations

from integrator.management.comparison import compare, table

PAID = {
    "payment_intent": "pi_1",
    "ending": "paid",
    "status": "succeeded",
    "amount": 1999,
    "currency": "usd",
    "order_id": "order-1",
}
RECORD = {
    "Status__c": "Completed",
    "Amount__c": 19.99,
    "Currency__c": "USD",
    "Order_ID__c": "order-1",
    "Failure_Code__c": None,
    "Fee__c": 0.88,
}


def test_a_record_as_expected_is_the_same():
    (row,) = compare([PAID], {"pi_1": [RECORD]})

    assert row.same


def test_every_difference_is_one():
    others = [{"Status__c": "Failed"}, {"Amount__c": 20}, {"Currency__c": "EUR"}, {"Fee__c": None}]

    rows = [next(compare([PAID], {"pi_1": [RECORD | other]})) for other in others]

    assert [row.same for row in rows] == [False] * 4


def test_a_missing_and_a_doubled_record_are_differences():
    missing, doubled = next(compare([PAID], {})), next(compare([PAID], {"pi_1": [RECORD, RECORD]}))

    assert missing.happened == "0 records"
    assert doubled.happened == "2 records"


def test_amounts_follow_the_currency():
    yen = PAID | {"currency": "jpy", "amount": 1200}
    record = RECORD | {"Currency__c": "JPY", "Amount__c": 1200, "Fee__c": None}

    assert next(compare([yen], {"pi_1": [record]})).same


def test_the_table_shows_what_happened_only_where_it_differs():
    lines = list(table(list(compare([PAID], {"pi_1": [RECORD | {"Amount__c": 20}]}))))

    assert "DIFFERENT: Completed 20 USD" in lines[1]
