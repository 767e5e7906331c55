"""This module simulates balance transactions, which arrive some time after their charge."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import money
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = {
    **PAGE,
    "created": "range",
    "currency": "id",
    "payout": "unsimulated",
    "source": "id",
    "type": "id",
}
NOTHING: Spec = {}
DAY = 86_400
SHARE, FIXED = Decimal("0.029"), 30  # 2.9 % and 30 cents, in the currency of the settlement


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the balance transaction.

    :raises ApiError: 404
    """
    return today(caller, caller.find(caller.state.balance_transactions, object_id))


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of balance transactions."""
    equal = ("currency", "source", "type")
    found = page(
        caller, caller.state.balance_transactions, values, url="/v1/balance_transactions", equal=equal
    )
    found["data"] = [today(caller, transaction) for transaction in found["data"]]
    return found


def settle_later(caller: Caller, charge: dict[str, Any]) -> None:
    """
    Give a captured charge its balance transaction after the delay in force.

    Payment intents capture asynchronously since API version 2024-04-10: the fee comes with `charge.updated`.
    """

    def settle() -> None:
        by_itself = caller.automatic()
        transaction = enter(by_itself, _of_charge(by_itself, charge))
        charge["balance_transaction"] = transaction["id"]
        emit(by_itself, Occurrence("charge.updated", charge, {"balance_transaction": None}))

    caller.state.agenda.after(caller.state.settings.balance_delay, settle)


@dataclass(frozen=True, slots=True)
class Entry:
    """What moves money on the account: an amount in the customer's currency, with its sign."""

    source: str
    amount: int
    currency: str
    type: str
    category: str
    description: str | None = None
    fee: int = 0  # in the currency of the settlement


def enter(caller: Caller, entry: Entry) -> dict[str, Any]:
    """Keep the balance transaction of an entry and return it."""
    currency = caller.state.settle_in
    amount = money.convert(entry.amount, entry.currency, currency)
    foreign = entry.currency != currency
    transaction = {
        "id": caller.state.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": (caller.now // DAY + 2) * DAY,
        "balance_type": "payments",
        "created": caller.now,
        "currency": currency,
        "description": entry.description,
        "exchange_rate": _short(money.rate(entry.currency, currency)) if foreign else None,
        "fee": entry.fee,
        "fee_details": _fee_details(entry.fee, currency),
        "livemode": caller.livemode,
        "net": amount - entry.fee,
        "reporting_category": entry.category,
        "source": entry.source,
        "status": "pending",
        "type": entry.type,
    }
    return caller.state.balance_transactions.add(transaction)


def _of_charge(caller: Caller, charge: dict[str, Any]) -> Entry:
    amount, currency = charge["amount_captured"], charge["currency"]
    settled = money.convert(amount, currency, caller.state.settle_in)
    fee = int((settled * SHARE).to_integral_value(rounding=ROUND_HALF_EVEN)) + FIXED
    return Entry(charge["id"], amount, currency, "charge", "charge", charge["description"], fee)


def _fee_details(fee: int, currency: str) -> list[dict[str, Any]]:
    if not fee:
        return []
    detail = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return [detail]


def _short(rate: Decimal) -> float:
    """The API prints the rate, and only the rate, as a number with a point."""
    return float(round(rate, 6))


def today(caller: Caller, transaction: dict[str, Any]) -> dict[str, Any]:
    """Return it as the API shows it now: available once its day has come, without our mark of the mode."""
    status = "available" if caller.now >= transaction["available_on"] else "pending"
    shown = {**transaction, "status": status}
    del shown["livemode"]
    return shown
