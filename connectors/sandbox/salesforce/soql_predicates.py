"""This module turns one comparison of a query into a function of a record's value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.obstacles import COMPARE
from connectors.sandbox.salesforce.soql_dates import bounds
from connectors.sandbox.salesforce.soql_syntax import Day, Moment, Span, Text
from connectors.sandbox.salesforce.values import stored_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.soql_syntax import Compare, Literal

    Test = Callable[[Any], bool]

TEXTS = frozenset({"string", "textarea", "email", "phone", "url", "picklist"})
IDS = frozenset({"id", "reference"})
NUMBERS = frozenset({"currency", "double", "percent", "int"})
TIMES = frozenset({"date", "datetime"})
WANTED: tuple[tuple[frozenset[str], tuple[type, ...]], ...] = (
    (TEXTS, (Text,)),
    (IDS, (Text,)),
    (NUMBERS, (Decimal,)),
    (frozenset({"boolean"}), (bool,)),
    (frozenset({"date"}), (Day,)),
    (frozenset({"datetime"}), (Moment,)),
)


def _stored(field: Field, value: Literal) -> Any:
    """
    Return a literal in the form that the field stores, text without its case unless the field minds it.

    :raises Refused: if the literal is not of the field's type
    """
    if value is None:
        return None
    wanted = next((types for names, types in WANTED if field.type in names), ())
    if not isinstance(value, wanted):
        quotes = "should be enclosed in quotes" if Text in wanted else "should not be enclosed in quotes"
        message = (
            f"value of filter criterion for field '{field.name}' must be of type {field.type} and {quotes}"
        )
        raise refused("INVALID_FIELD", message)
    if isinstance(value, Moment):
        return _moment(value)
    if isinstance(value, Day):
        return value.value
    if not isinstance(value, Text):
        return value
    if field.type in IDS:
        id18 = full_id(value.value)
        if id18 is None and value.value:
            raise refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value.value}")
        return id18
    return folded(field, value.value) if value.value else None


def _moment(value: Moment) -> str:
    try:
        return stored_moment(datetime.fromisoformat(value.value).astimezone(UTC))
    except (ValueError, OverflowError):
        raise refused("MALFORMED_QUERY", f"Invalid dateTime: {value.value}") from None


def folded(field: Field, value: Any) -> Any:
    """Return a value as it is compared: text without its case, unless the field minds it."""
    return value.casefold() if isinstance(value, str) and _ignores_case(field) else value


def _ignores_case(field: Field) -> bool:
    return field.type in TEXTS and not field.case_sensitive


def comparison(field: Field, condition: Compare, *, now: datetime) -> Test:
    """
    Return a comparison as a function of the field's value; `now` is what TODAY and the like count from.

    :raises Refused: if the literal or the operator does not fit the field
    """
    if condition.operator == "like":
        return _like(field, condition)
    operator = condition.operator
    if isinstance(condition.value, Span):
        return _within(field, operator, condition.value, now)
    wanted = _stored(field, condition.value)
    if operator not in {"=", "!="} and (wanted is None or field.type == "boolean"):
        raise refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field: {operator}")
    compare = COMPARE[operator]
    if operator in {"=", "!="}:
        return lambda held: compare(folded(field, held), wanted)
    return lambda held: held is not None and compare(folded(field, held), wanted)


def among(field: Field, values: Iterable[Literal], *, negated: bool) -> Test:
    """
    Return IN, or NOT IN, as a function of the field's value.

    :raises Refused: if a literal does not fit the field
    """
    wanted = frozenset(_stored(field, value) for value in values)
    return lambda held: (folded(field, held) in wanted) is not negated


def _within(field: Field, operator: str, span: Span, now: datetime) -> Test:
    """Return a comparison with a stretch of days: before it, in it, or after it."""
    if field.type not in TIMES:
        message = f"value of filter criterion for field '{field.name}' must be of type {field.type}"
        raise refused("INVALID_FIELD", message)
    first, after = bounds(span, now)
    whole = field.type == "datetime"
    start, end = (stored_moment(each) if whole else each.date().isoformat() for each in (first, after))
    tests: dict[str, Test] = {
        "=": lambda held: start <= held < end,
        "!=": lambda held: not start <= held < end,
        "<": lambda held: held < start,
        "<=": lambda held: held < end,
        ">": lambda held: held >= end,
        ">=": lambda held: held >= start,
    }
    test = tests[operator]
    return lambda held: held is not None and test(held)


def _like(field: Field, condition: Compare) -> Test:
    if field.type not in TEXTS or not isinstance(condition.value, Text):
        raise refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field: like")
    flags = re.DOTALL | (re.IGNORECASE if _ignores_case(field) else 0)
    pattern = re.compile(_wildcards(condition.value.pattern), flags)
    return lambda held: held is not None and pattern.fullmatch(held) is not None


def _wildcards(pattern: str) -> str:
    r"""Return a LIKE pattern as a regular expression; `\%`, `\_` and `\\` stand for themselves."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    meanings = {"%": ".*", "_": "."}
    return "".join(meanings.get(part) or re.escape(part[-1]) for part in parts)
