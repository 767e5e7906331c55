"""This module holds Stripe's rules of money: currencies, decimals, smallest and largest amounts, rates."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from connectors.sandbox.stripe.errors import ApiError, invalid

# https://docs.stripe.com/currencies
SUPPORTED = frozenset((
    "usd", "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt",
    "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf", "chf",
    "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk", "dop", "dzd", "egp", "etb", "eur", "fjd",
    "fkp", "gbp", "gel", "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl", "htg", "huf", "idr", "ils",
    "inr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf", "krw", "kwd", "kyd", "kzt", "lak",
    "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk", "mnt", "mop", "mur", "mvr", "mwk",
    "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "omr", "pab", "pen", "pgk", "php",
    "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub", "rwf", "sar", "sbd", "scr", "sek", "sgd", "shp",
    "sle", "sos", "srd", "std", "szl", "thb", "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah",
    "ugx", "uyu", "uzs", "vnd", "vuv", "wst", "xaf", "xcd", "xof", "xpf", "yer", "zar", "zmw",
))  # fmt: skip
NO_DECIMALS = frozenset((
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof",
    "xpf",
))  # fmt: skip
THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
WHOLE_UNITS = frozenset({"isk", "ugx"})  # two decimals in the API, but both must be 0
SMALLEST = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50,
    "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500,
    "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip
LARGEST = 99_999_999  # eight digits
# US dollars for one unit: the sandbox's own rates, fixed so that a checker can compute them again.
RATES = {
    "aud": "0.66", "bhd": "2.65", "brl": "0.18", "cad": "0.73", "chf": "1.13", "dkk": "0.145",
    "eur": "1.08", "gbp": "1.27", "huf": "0.0027", "inr": "0.012", "isk": "0.0072", "jod": "1.41",
    "jpy": "0.0067", "krw": "0.00073", "kwd": "3.25", "nok": "0.092", "omr": "2.60", "pln": "0.25",
    "sek": "0.095", "tnd": "0.32", "twd": "0.031", "ugx": "0.00027", "usd": "1",
}  # fmt: skip
OTHER_RATE = "0.1"


def decimals(currency: str) -> int:
    """Return how many decimals an amount in this currency has in the API."""
    if currency in NO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def check_currency(currency: str, *, param: str = "currency") -> str:
    """
    Return the currency in lower case.

    :raises ApiError: if Stripe does not take it
    """
    lower = currency.lower()
    if lower not in SUPPORTED:
        known = ", ".join(sorted(SUPPORTED))
        raise invalid(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", param=param
        )
    return lower


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """
    Refuse an amount that Stripe would refuse.

    :raises ApiError: amount_too_small, amount_too_large, invalid_charge_amount and its no-decimals variant
    """
    if amount < 1:
        code = "parameter_invalid_integer"
        raise invalid("This value must be greater than or equal to 1.", param=param, code=code)
    if amount > LARGEST:
        most = f"{units(LARGEST, currency)} {currency}"
        raise invalid(f"Amount must be no more than {most}", param=param, code="amount_too_large")
    if currency in WHOLE_UNITS and amount % 100:
        raise invalid(
            f"Invalid amount. {currency.upper()} is effectively zero-decimal: it takes multiples of 100.",
            param=param,
            code="invalid_charge_amount_no_decimal_compatible",
        )
    if currency in THREE_DECIMALS and amount % 10:
        raise invalid(
            f"Invalid amount: the last digit of an amount in {currency} must be 0.",
            param=param,
            code="invalid_charge_amount",
        )
    if amount < smallest(currency):
        least = f"{units(smallest(currency), currency)} {currency}"
        raise ApiError(400, f"Amount must be at least {least}", param=param, code="amount_too_small")


def smallest(currency: str) -> int:
    """Return the smallest amount: Stripe's table, else half a dollar's worth."""
    return SMALLEST.get(currency) or convert(50, "usd", currency)


def rate(source: str, target: str) -> Decimal:
    """Return how many units of `target` one unit of `source` is worth."""
    return Decimal(RATES.get(source, OTHER_RATE)) / Decimal(RATES.get(target, OTHER_RATE))


def convert(amount: int, source: str, target: str) -> int:
    """Return a minor amount in another currency, rounded half to even."""
    scale = Decimal(10) ** (decimals(target) - decimals(source))
    return int((amount * rate(source, target) * scale).to_integral_value(rounding=ROUND_HALF_EVEN))


def units(amount: int, currency: str) -> str:
    """Return a minor amount as people write it."""
    return f"{Decimal(amount).scaleb(-decimals(currency)):,f}"
