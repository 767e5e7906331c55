"""This module turns the values that a run has into what the parameters of Stripe's writes take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.stripe.parameters import Parameter
from flows.mapping.chip import text_of
from flows.mapping.failure import MappingFailed, quoted
from integrator.kernel.money import CURRENCIES, UnknownCurrency, currency_of

# https://docs.stripe.com/api/metadata
LONGEST_KEY, LONGEST_VALUE, MOST_KEYS = 40, 500, 50
_LARGEST = 10**15  # far above any amount, number of pieces or moment


def fitted(parameter: Parameter, value: Any, name: str) -> Any:
    """
    Return `value` as `parameter`, which the flow calls `name`, takes it.

    :raises MappingFailed: if it cannot be that
    """
    if isinstance(value, str) and (value in parameter.values or (value == "" and parameter.clears)):
        return value
    if parameter.type == "enum" and not parameter.open:
        said = f"{quoted(value)} is none of {', '.join(parameter.values)}"
        raise MappingFailed(name, "not_a_choice", said)
    fit: Callable[[Any, str], Any] = _FITS.get(parameter.type) or text_of
    return fit(value, name)


def _amount(value: Any, name: str) -> int:
    """Return an amount as it is: one with decimals may be meant in another unit, and is never guessed at."""
    if type(value) is int and abs(value) < _LARGEST:
        return value
    said = f"{quoted(_shown(value))} is no amount in the currency's smallest unit, such as cents"
    raise MappingFailed(name, "not_a_number", said)


def _whole(value: Any, name: str) -> int:
    number = _decimal(value)
    if number is None or number != int(number):
        raise MappingFailed(name, "not_a_number", f"{quoted(_shown(value))} is not a whole number")
    return int(number)


def _number(value: Any, name: str) -> str:
    number = _decimal(value)
    if number is None:
        raise MappingFailed(name, "not_a_number", f"{quoted(_shown(value))} is not a number")
    text = f"{number:f}"
    # As Stripe writes it: 2000.0 would differ for ever from what it has.
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: Any) -> Decimal | None:
    """Return a number of a size that Stripe may take, or None."""
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) > _LARGEST):
        return None
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError:
        return None
    if number.is_zero():
        return Decimal(0)  # written out, one with a hundred thousand decimals would be as long
    return number if number.is_finite() and -20 < number.adjusted() < 16 else None


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _moment(value: Any, name: str) -> int:
    if type(value) is int and abs(value) < _LARGEST:
        return value
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        said = f"{quoted(_shown(value))} is neither a Unix time nor a date, such as 2026-11-24"
        raise MappingFailed(name, "not_a_time", said) from None
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    found = {"true": True, "false": False}.get(text_of(value, name).strip().lower())
    if found is None:
        raise MappingFailed(name, "not_a_boolean", f"{quoted(_shown(value))} is neither true nor false")
    return found


def _currency(value: Any, name: str) -> str:
    text = text_of(value, name).strip().lower()
    try:
        currency_of(text)
    except UnknownCurrency as unknown:
        raise MappingFailed(name, "unknown_currency", str(unknown)) from None
    return text


def _map(value: Any, name: str) -> Any:
    said = f"{quoted(_shown(value))} is no group of values: give its parts, such as {name}.order_id"
    raise MappingFailed(name, "not_a_value", said)


_FITS: Mapping[str, Callable[[Any, str], Any]] = {
    "amount": _amount,
    "integer": _whole,
    "timestamp": _moment,
    "boolean": _truth,
    "number": _number,
    "currency": _currency,
    "map": _map,
}

_AMOUNTS = ("amount", "unit_amount")


def check(params: Any, path: str = "") -> None:
    """
    Make sure that amounts are multiples that Stripe accepts of their currency, and metadata fits.

    :raises MappingFailed: for what Stripe would refuse
    """
    for part in params if isinstance(params, list) else ():
        check(part, path)
    if not isinstance(params, Mapping):
        return
    currency = params.get("currency")
    if isinstance(currency, str):
        for name in _AMOUNTS:
            _check_step(params.get(name), currency, f"{path}{name}")
    for name, part in params.items():
        if name == "metadata" and isinstance(part, Mapping):
            _check_metadata(part, f"{path}metadata")
        else:
            check(part, f"{path}{name}.")


def _check_step(amount: Any, currency: str, name: str) -> None:
    known = CURRENCIES.get(currency.upper())
    if known is not None and type(amount) is int and amount % known.step:
        said = f"{amount} {currency.upper()} is not accepted. {known.reason}"
        raise MappingFailed(name, "invalid_charge_amount_no_decimal_compatible", said)


def _check_metadata(metadata: Mapping[str, Any], name: str) -> None:
    if len(metadata) >= MOST_KEYS:  # one more is the marker's
        said = f"An object has at most {MOST_KEYS} metadata keys, ours included"
        raise MappingFailed(name, "metadata_limit", said)
    for key, value in metadata.items():
        if len(key) > LONGEST_KEY or "[" in key or "]" in key:
            said = (
                f"A metadata key has at most {LONGEST_KEY} characters and no brackets, unlike {quoted(key)}"
            )
            raise MappingFailed(f"{name}.{key}", "metadata_limit", said)
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            said = f"A metadata value has at most {LONGEST_VALUE} characters, this one has {len(value)}"
            raise MappingFailed(f"{name}.{key}", "metadata_limit", said)
