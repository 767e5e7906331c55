"""
This module turns amounts in a currency's minor unit, as Stripe counts them, into exact major units and back.

The exponents are Stripe's, not ISO 4217's: the two differ (ISK and UGX have no minor unit in ISO, but
two decimals in Stripe's API). Source: https://docs.stripe.com/currencies
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


class UnknownCurrency(ValueError):
    """The currency is not in the table. Two decimals are never assumed."""

    def __init__(self, currency: object) -> None:
        super().__init__(f"{currency!r} is not a currency that this product knows the decimals of")
        self.currency = currency


class NotRepresentable(ValueError):
    """The amount cannot be said in the currency's minor unit, as Stripe accepts it, without rounding."""


@dataclass(frozen=True, slots=True)
class Currency:
    """How Stripe counts one currency."""

    exponent: int  # decimals of the API's integer amounts
    step: int = 1  # an amount sent to Stripe must be a multiple of this
    payout_step: int = 1  # as above, for payouts
    reason: str = ""


_TWO = Currency(2)
_ZERO = Currency(0, reason="There is no minor unit: 500 means 500.")
_THREE = Currency(
    3,
    step=10,
    payout_step=10,
    reason="Amounts are thousandths, and card networks want the last digit to be 0.",
)
_WHOLE = "The currency has no decimals in daily life, but the API keeps two for compatibility, always 00."
_WHOLE_PAYOUTS = "Charges have two decimals; payouts are made in whole units only."

_MOST_DIGITS = 40  # far above any amount, far below what would burn time and memory ("1E+999999")

_TWO_DECIMALS = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG IDR ILS
    INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN
    NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SLL SOS SRD STD STN
    SZL THB TJS TOP TRY TTD TZS UAH USD UYU UZS WST XCD XCG YER ZAR ZMW
"""
_NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD JOD KWD OMR TND"

CURRENCIES: dict[str, Currency] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), _TWO),
    **dict.fromkeys(_NO_DECIMALS.split(), _ZERO),
    **dict.fromkeys(_THREE_DECIMALS.split(), _THREE),
    "ISK": Currency(2, step=100, payout_step=100, reason=_WHOLE),
    "UGX": Currency(2, step=100, payout_step=100, reason=_WHOLE),
    "HUF": Currency(2, payout_step=100, reason=_WHOLE_PAYOUTS),
    "TWD": Currency(2, payout_step=100, reason=_WHOLE_PAYOUTS),
}


def currency_of(code: str) -> Currency:
    """
    Return how Stripe counts the currency called `code`, in either case.

    :raises UnknownCurrency: if the table has no such code
    """
    found = CURRENCIES.get(code.upper()) if isinstance(code, str) else None
    if found is None:
        raise UnknownCurrency(code)
    return found


def to_major(minor: int, currency: str) -> Decimal:
    """
    Return `minor` as an exact amount with the currency's number of decimals: 1999 USD is 19.99.

    :raises UnknownCurrency: if the table has no such currency
    :raises TypeError: if `minor` is not an integer
    """
    if not isinstance(minor, int) or isinstance(minor, bool):
        raise TypeError(f"An amount in minor units is an integer, not {type(minor).__name__}")
    exponent = currency_of(currency).exponent
    # Built from its digits, because arithmetic would round to the context's precision.
    sign, digits, _ = Decimal(minor).as_tuple()
    return Decimal((sign, digits, -exponent))


def to_minor(major: Decimal, currency: str, *, payout: bool = False) -> int:
    """
    Return `major` in minor units, in the multiples that Stripe accepts: 19.99 USD is 1999.

    :raises UnknownCurrency: if the table has no such currency
    :raises NotRepresentable: if that would need rounding, or `major` is not a finite number
    :raises TypeError: if `major` is not a Decimal
    """
    if not isinstance(major, Decimal):
        raise TypeError(f"An amount is a Decimal, not {type(major).__name__}")
    known = currency_of(currency)
    sign, digits, exponent = major.as_tuple()
    if not isinstance(exponent, int):
        raise NotRepresentable(f"{major} is not a finite amount")
    shift = exponent + known.exponent
    if abs(shift) + len(digits) > _MOST_DIGITS:
        raise NotRepresentable(f"An amount of more than {_MOST_DIGITS} digits is not an amount")
    value = int("".join(map(str, digits)))
    power: int = 10 ** abs(shift)
    value, lost = (value * power, 0) if shift >= 0 else divmod(value, power)
    if lost:
        raise NotRepresentable(f"{major} has more decimals than {currency.upper()} has")
    step = known.payout_step if payout else known.step
    if value % step:
        raise NotRepresentable(f"{major} {currency.upper()}: {known.reason}")
    return -value if sign else value
