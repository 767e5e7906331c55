"""This module compares what the demo's payments should have become with what stands in Salesforce."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# What a person expects, written down without the product's own tables so that it can contradict them.
STATUS = {
    "succeeded": "Completed",
    "requires_payment_method": "Failed",
    "canceled": "Canceled",
    "requires_capture": "Pending",
    "processing": "Pending",
}
DECIMALS = {"jpy": 0, "kwd": 3}
DECLINED = {"declined", "retried"}  # the latter with a second card afterwards
SETTLED_IN = "usd"  # the simulated account's; a fee in another currency than the payment's is left out


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a payment, what it should be and what it is."""

    payment: str
    ending: str
    expected: str
    happened: str

    @property
    def same(self) -> bool:
        """Whether what happened is what was expected."""
        return self.expected == self.happened


def compare(expected: list[dict[str, Any]], records: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Row]:
    """Yield a row a payment; `records` are the `Payment__c` rows by external id."""
    for payment in expected:
        found = records.get(payment["payment_intent"], [])
        yield Row(
            payment=payment["payment_intent"],
            ending=payment["ending"],
            expected=_expectation(payment),
            happened=_description(found[0]) if len(found) == 1 else f"{len(found)} records",
        )


def declines(expected: list[dict[str, Any]]) -> int:
    """Return how often dunning should have been started: once for each card that was declined."""
    return sum(payment["ending"] in DECLINED for payment in expected)


def _expectation(payment: Mapping[str, Any]) -> str:
    amount = Decimal(payment["amount"]).scaleb(-DECIMALS.get(payment["currency"], 2))
    parts = [
        STATUS[payment["status"]],
        f"{amount.normalize():f}",
        payment["currency"].upper(),
        payment["order_id"],
    ]
    if payment["status"] == "requires_payment_method":
        parts.append("with reason")
    if payment["status"] == "succeeded" and payment["currency"] == SETTLED_IN:
        parts.append("with fee")
    return " ".join(parts)


def _description(record: Mapping[str, Any]) -> str:
    amount = Decimal(str(record.get("Amount__c")))
    parts = [
        record.get("Status__c"),
        f"{amount.normalize():f}",
        record.get("Currency__c"),
        record.get("Order_ID__c"),
    ]
    if record.get("Failure_Code__c"):
        parts.append("with reason")
    if record.get("Fee__c") is not None:
        parts.append("with fee")
    return " ".join(map(str, parts))


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table for the terminal."""
    cells = [("PAYMENT", "ENDING", "EXPECTED", "HAPPENED")]
    for row in rows:
        happened = "the same" if row.same else f"DIFFERENT: {row.happened}"
        cells.append((row.payment, row.ending, row.expected, happened))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
