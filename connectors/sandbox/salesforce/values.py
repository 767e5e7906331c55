"""This module turns a JSON value into what a field stores, or says what is wrong with it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Problem, Refused
from connectors.sandbox.salesforce.ids import full_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.salesforce.fields import Field

    Rule = Callable[[Any], Any]

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})")
EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;.]+(?:\.[^@\s<>,;.]+)+")
NUMERAL = re.compile(r"[+-]?\d{1,64}(?:\.\d{1,64})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
WHOLE_LIMIT = 2**31
TOKENS: tuple[tuple[type, str], ...] = (
    (bool, "VALUE_BOOLEAN"),
    (str, "VALUE_STRING"),
    (int, "VALUE_NUMBER_INT"),
    (Decimal, "VALUE_NUMBER_FLOAT"),
    (dict, "START_OBJECT"),
    (list, "START_ARRAY"),
)


def rule_for(field: Field, prefixes: dict[str, str]) -> Rule:
    """
    Return the function that checks one value of `field` and returns what is stored.

    `prefixes` gives the key prefix of each object. The function raises `Refused`.
    """
    maker = MAKERS.get(field.type, _text)
    rule = _reference(field, prefixes) if field.type == "reference" else maker(field)
    nillable = field.nillable or (field.defaulted and field.type == "string")

    def check(value: Any) -> Any:
        if value is None or value == "":
            if nillable:
                return None
            if field.type == "boolean":
                raise wrong_type(field, value)
            raise Refused(missing(field.name))
        return rule(value)

    return check


def missing(*names: str) -> Problem:
    """Return what is said about required fields that are left out or emptied."""
    return Problem("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)


def wrong_type(field: Field, value: object) -> Refused:
    """Return the refusal of a JSON value that is not of the field's type."""
    token = next((name for kind, name in TOKENS if isinstance(value, kind)), "VALUE_NULL")
    shown = str(value)[:100]
    return Refused(
        Problem(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{field.label}: value not of required type: {shown}",
            (field.name,),
            parser_message=(
                f"Cannot deserialize instance of {field.type} from {token} value {shown}"
                " or request may be missing a required field at [line:1, column:1]"
            ),
        )
    )


def out_of_range(field: Field, value: Decimal) -> Refused:
    """Return the refusal of a number with more digits before the point than the field has."""
    message = f"{field.label}: value outside of valid range on numeric field: {value:.15g}"
    return Refused(Problem("NUMBER_OUTSIDE_VALID_RANGE", message, (field.name,)))


def utf16_length(value: str) -> int:
    """Return the length that Salesforce counts: a character outside the basic plane counts twice."""
    return len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) // 2


def stored_moment(value: datetime) -> str:
    """Return a time as the REST API writes it, in a form that sorts."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "+0000"


def _text(field: Field) -> Rule:
    limit, choices, lowered = field.length, frozenset(field.choices), {c.lower(): c for c in field.choices}

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            raise wrong_type(field, value)
        value = CONTROL.sub("", value).strip()
        if len(value) * 2 > limit and utf16_length(value) > limit:
            message = f"{field.label}: data value too large: {value[:255]} (max length={limit})"
            raise Refused(Problem("STRING_TOO_LONG", message, (field.name,)))
        if field.restricted and value not in choices:
            if value.lower() not in lowered:
                message = f"{field.label}: bad value for restricted picklist field: {value}"
                raise Refused(Problem("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (field.name,)))
            value = lowered[value.lower()]
        if field.type == "email" and value and EMAIL.fullmatch(value) is None:
            message = f"{field.label}: invalid email address: {value}"
            raise Refused(Problem("INVALID_EMAIL_ADDRESS", message, (field.name,)))
        return value or None

    return check


def _number(field: Field) -> Rule:
    # One digit after the point is kept at least, since the REST API writes 10 as 10.0.
    step = Decimal(1).scaleb(-max(field.scale, 1))
    rounding = Decimal(1).scaleb(-field.scale)
    limit = Decimal(10) ** (field.precision - field.scale)

    def check(value: Any) -> Decimal:
        exact = _exact(value)
        if exact is None:
            raise wrong_type(field, value)
        if abs(exact) >= limit:
            raise out_of_range(field, exact)
        rounded = exact.quantize(rounding, rounding=ROUND_HALF_UP)
        if abs(rounded) >= limit:
            raise out_of_range(field, exact)
        return rounded.quantize(step)

    return check


def _exact(value: object) -> Decimal | None:
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and NUMERAL.fullmatch(value):
        return Decimal(value)
    return None


def _whole(field: Field) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(field, value)
        if not -WHOLE_LIMIT <= value < WHOLE_LIMIT:
            raise out_of_range(field, Decimal(value))
        return value

    return check


def _boolean(field: Field) -> Rule:
    def check(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        raise wrong_type(field, value)

    return check


def _day(field: Field) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str) or DAY.fullmatch(value) is None:
            raise wrong_type(field, value)
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise wrong_type(field, value) from None

    return check


def _moment(field: Field) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str) or MOMENT.fullmatch(value) is None:
            raise wrong_type(field, value)
        try:
            # A field of an administrator's keeps whole seconds; only system stamps hold milliseconds.
            return stored_moment(datetime.fromisoformat(value).replace(microsecond=0))
        except (ValueError, OverflowError):
            raise wrong_type(field, value) from None

    return check


def _reference(field: Field, prefixes: dict[str, str]) -> Rule:
    accepted = tuple(prefixes[name] for name in field.refers_to if name in prefixes)

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(field, value)
        id18 = full_id(value)
        if id18 is None or (accepted and not id18.startswith(accepted)):
            message = f"{field.label}: id value of incorrect type: {value[:100]}"
            raise Refused(Problem("MALFORMED_ID", message, (field.name,)))
        return id18

    return check


def _never(field: Field) -> Rule:
    def check(value: Any) -> Any:
        raise wrong_type(field, value)

    return check


MAKERS: dict[str, Callable[[Field], Rule]] = {
    "currency": _number,
    "double": _number,
    "percent": _number,
    "int": _whole,
    "boolean": _boolean,
    "date": _day,
    "datetime": _moment,
    "id": _never,
    "address": _never,
}
