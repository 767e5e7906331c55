"""
This module works out what a subscription brings in a month, exactly.

Intervals: https://docs.stripe.com/api/prices/object#price_object-recurring. Discounts:
https://docs.stripe.com/api/discounts/object and https://docs.stripe.com/api/coupons/object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

# How often an interval comes in a month. A year has 12 months, 52 weeks or 365 days.
_IN_A_MONTH: Mapping[str, Fraction] = {
    "day": Fraction(365, 12),
    "week": Fraction(52, 12),
    "month": Fraction(1),
    "year": Fraction(1, 12),
}
_LONGEST = 40  # digits of a decimal amount: Stripe has 12 behind the point
_FARTHEST = 30  # decimal places either way: "1E+999999999" would be written out in digits


class _NotKnown(Exception):
    """What the subscription brings cannot be told from what Stripe has said."""


def monthly(items: Sequence[Any], discounts: Sequence[Any]) -> int | None:
    """
    Return what `items` of a subscription bring in a month less its `discounts`, in minor units.

    The sum is rounded once, half to even. Use that is metered brings nothing that is known before, and a
    coupon that is given once takes nothing from the months after. None where it is not known: with prices in
    tiers, and with discounts that were not read along.
    """
    try:
        total = sum((_of_item(item) for item in items), Fraction(0))
        factors = {_factor(_price(item)) for item in items if not _is_metered(item)}
        return round(_reduced(total, discounts, factors))
    except _NotKnown:
        return None


def _of_item(item: Any) -> Fraction:
    if _is_metered(item):
        return Fraction(0)
    price = _price(item)
    factor, quantity = _factor(price), item.get("quantity")
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise _NotKnown
    total = _amount(price) * _packages(quantity, price) * factor
    return _reduced(total, item.get("discounts") or [], {factor})


def _price(item: Any) -> Mapping[str, Any]:
    price = item.get("price") if isinstance(item, Mapping) else None
    if not isinstance(price, Mapping) or not isinstance(price.get("recurring"), Mapping):
        raise _NotKnown
    return price


def _is_metered(item: Any) -> bool:
    return bool(_price(item)["recurring"].get("usage_type") == "metered")


def _factor(price: Mapping[str, Any]) -> Fraction:
    recurring = price["recurring"]
    interval, count = recurring.get("interval"), recurring.get("interval_count", 1)
    if interval not in _IN_A_MONTH or isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise _NotKnown
    return _IN_A_MONTH[interval] / count


def _amount(price: Mapping[str, Any]) -> Fraction:
    """Return the amount of a unit; parts of a cent stand in the decimal text alone."""
    for name in ("unit_amount", "unit_amount_decimal"):
        if price.get(name) is not None:
            return _number(price[name])
    raise _NotKnown  # tiers


def _packages(quantity: int, price: Mapping[str, Any]) -> int:
    """Return how many are charged, where so many are sold together."""
    packs = price.get("transform_quantity")
    if not isinstance(packs, Mapping):
        return quantity
    size = packs.get("divide_by")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise _NotKnown
    return -(-quantity // size) if packs.get("round") == "up" else quantity // size


def _reduced(total: Fraction, discounts: Sequence[Any], factors: set[Fraction]) -> Fraction:
    """Return what is left of a monthly `total`; an amount is taken off as often as invoices come."""
    for discount in discounts:
        coupon = _coupon(discount)
        if coupon.get("duration") == "once":
            continue
        if coupon.get("percent_off") is not None:
            total -= total * _number(coupon["percent_off"]) / 100
        elif coupon.get("amount_off") is not None and len(factors) == 1:
            total -= _number(coupon["amount_off"]) * next(iter(factors))
        else:
            raise _NotKnown
    return max(total, Fraction(0))


def _coupon(discount: Any) -> Mapping[str, Any]:
    """Return the coupon of a discount. Since API version 2025-09-30 it stands under the discount's source."""
    if isinstance(discount, Mapping):
        source = discount.get("source")
        for holder in (source if isinstance(source, Mapping) else {}, discount):
            if isinstance(coupon := holder.get("coupon"), Mapping):
                return coupon
    raise _NotKnown


def _number(value: Any) -> Fraction:
    """Return a number of Stripe exactly; a float is what its digits say."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise _NotKnown
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _NotKnown from None
    digits = len(number.as_tuple().digits)
    if not number.is_finite() or digits > _LONGEST or abs(number.adjusted()) > _FARTHEST:
        raise _NotKnown
    return Fraction(number)
