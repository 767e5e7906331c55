"""This module holds the functions of expressions that are ours: of money, times, texts and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.mapping import instants
from flows.mapping import text as texts
from flows.mapping.cel_types import Type, library, told
from flows.mapping.composing import in_address, only_digits, split_name
from flows.mapping.failure import MappingFailed
from flows.mapping.recurring import monthly
from integrator.kernel.money import NotRepresentable, UnknownCurrency, to_major, to_minor

LONGEST_RESULT = 32_768  # characters of a text that a function makes
MOST_PARTS = 1_000  # elements of a list that a function makes

_T = Type
_LIST = _T.LIST
_SCALARS = (_T.STRING, _T.INT, _T.BOOL, _T.DOUBLE, _T.NULL)


class Wrong(ValueError):
    """A function cannot work with what it was given; `code` stands in `flows.error_catalogue`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}|{message}")


@dataclass(frozen=True, slots=True)
class Function:
    """A function as people read of it, and as CEL calls it: one implementation for each list of types."""

    name: str
    signature: str  # how it is written, with what it gives
    help: str
    example: str
    gives: Type
    takes: tuple[tuple[Type, ...], ...]
    call: Callable[..., Any]


def _major(amount: int, currency: str) -> str:
    try:
        return format(to_major(amount, currency), "f")
    except UnknownCurrency:
        raise _unknown(currency) from None


def _minor(amount: str, currency: str) -> int:
    try:
        return to_minor(Decimal(amount), currency)
    except UnknownCurrency:
        raise _unknown(currency) from None
    except (InvalidOperation, NotRepresentable):
        message = "The text is no amount that this currency can hold without rounding"
        raise Wrong("not_a_number", message) from None


def _unknown(currency: str) -> Wrong:
    return Wrong("unknown_currency", f"The decimals of {currency[:20]!r} are not known")


def _storable(seconds: int) -> int:
    if not instants.is_storable(seconds):
        raise Wrong("out_of_range_date", "The time lies outside of the years 1700 to 4000")
    return seconds


def _from_unix(seconds: int) -> datetime:
    return datetime.fromtimestamp(_storable(seconds), UTC)


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _iso(seconds: int) -> str:
    return instants.iso(_storable(seconds))


def _date(seconds: int, zone: str = "UTC") -> str:
    return instants.day(_storable(seconds), _zone(zone))


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong("expression_failed", f"There is no time zone {name[:40]}") from None


def _short(text: str) -> str:
    if len(text) > LONGEST_RESULT:
        raise _too_long()
    return text


def _too_long() -> Wrong:
    return Wrong("too_costly", f"A text of more than {LONGEST_RESULT:,} characters would come of it")


def _cut(text: str, longest: int) -> str:
    if longest < 1:
        raise Wrong("expression_failed", "A text is cut to a length of 1 or more")
    return texts.cut(text, longest)


def _fit(text: str, longest: int) -> str:
    size = texts.length(text)
    if size > longest:
        raise Wrong("too_long", f"The text has {size} characters, {longest} are allowed")
    return text


def _pad(text: str, length: int, fill: str) -> str:
    if len(fill) != 1 or length > LONGEST_RESULT:
        raise Wrong(
            "expression_failed", f"A text is filled up with one character, to {LONGEST_RESULT:,} at most"
        )
    return text.rjust(length, fill)


def _replace(text: str, old: str, new: str) -> str:
    if len(text) + text.count(old) * len(new) > LONGEST_RESULT:
        raise _too_long()
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise Wrong("expression_failed", "A text is split at one character or more")
    parts = text.split(separator)
    if len(parts) > MOST_PARTS:
        raise Wrong("too_costly", f"The text falls into more than {MOST_PARTS:,} parts")
    return parts


def _join(parts: Sequence[Any], separator: str) -> str:
    words = [_word(part) for part in parts if part is not None]
    words = [word for word in words if word.strip()]
    if sum(map(len, words)) + len(words) * len(separator) > LONGEST_RESULT:
        raise _too_long()
    return separator.join(words)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Wrong("not_a_value", "A list of texts holds an object or a list")


def _flag(value: Any) -> bool:
    found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
        _word(value).strip().lower()
    )
    if found is None:
        raise Wrong("not_a_boolean", "The text is neither true nor false")
    return found


def _pick(table: Mapping[Any, Any], key: Any, *otherwise: Any) -> Any:
    key = _word(key)
    if key in table:
        return table[key]
    if not otherwise:
        raise Wrong("unseen_value", f"{key[:60]!r} is not in the table")
    return otherwise[0]


def _address(address: Mapping[str, Any], part: str) -> str:
    if part not in _PARTS:
        raise Wrong("expression_failed", f"An address has no part {part[:40]}")
    try:
        return _short(in_address(address, part, part))
    except MappingFailed as failed:
        raise Wrong(failed.code, str(failed)) from None


_PARTS = frozenset({"street", "city", "state", "postal_code", "country", "one_line"})


def _read(rows: Sequence[tuple[Any, ...]]) -> dict[str, Function]:
    made = (Function(*row) for row in rows)
    return {function.name: function for function in made}


_KEYED = tuple((_T.MAP, key) for key in (_T.STRING, _T.INT, _T.BOOL))

# fmt: off
FUNCTIONS: Final[Mapping[str, Function]] = _read([
    ("money.major", "money.major(amount, currency) -> text",
     "An amount in minor units as an exact decimal text.",
     "money.major(charge.amount, charge.currency)", _T.STRING, ((_T.INT, _T.STRING),), _major),
    ("money.minor", "money.minor(text, currency) -> whole number",
     "A decimal text in minor units. It is never rounded.",
     "money.minor('19.99', charge.currency)", _T.INT, ((_T.STRING, _T.STRING),), _minor),
    ("money.monthly", "money.monthly(items, discounts) -> whole number",
     "What the items of a subscription bring in a month, in minor units. Null where that is not known.",
     "money.monthly(subscription.items.data, [])", _T.DYN, ((_LIST, _LIST),), monthly),
    ("time.iso", "time.iso(seconds) -> text",
     "A Unix time as date and time in UTC.",
     "time.iso(charge.created)", _T.STRING, ((_T.INT,),), _iso),
    ("time.date", "time.date(seconds, zone) -> text",
     "The day of a Unix time, in UTC or in the zone that is named.",
     "time.date(charge.created, 'Europe/Berlin')", _T.STRING, ((_T.INT,), (_T.INT, _T.STRING)), _date),
    ("time.from_unix", "time.from_unix(seconds) -> time",
     "A Unix time to count with.",
     "time.from_unix(charge.created) + duration('24h')", _T.TIMESTAMP, ((_T.INT,),), _from_unix),
    ("time.unix", "time.unix(time) -> whole number",
     "A time as seconds since 1970.",
     "time.unix(timestamp('2026-11-29T16:00:00Z'))", _T.INT, ((_T.TIMESTAMP,),), _unix),
    ("text.upper", "text.upper(text) -> text",
     "The text in capitals.",
     "text.upper(charge.currency)", _T.STRING, ((_T.STRING,),), lambda text: _short(text.upper())),
    ("text.lower", "text.lower(text) -> text",
     "The text in small letters.",
     "text.lower(charge.currency)", _T.STRING, ((_T.STRING,),), lambda text: _short(text.lower())),
    ("text.trim", "text.trim(text) -> text",
     "The text without blanks at both ends.",
     "text.trim(charge.description)", _T.STRING, ((_T.STRING,),), str.strip),
    ("text.cut", "text.cut(text, length) -> text",
     "As much of the text as a field of that length holds.",
     "text.cut(charge.description, 80)", _T.STRING, ((_T.STRING, _T.INT),), _cut),
    ("text.fit", "text.fit(text, length) -> text",
     "The text; it is a failure if a field of that length does not hold it.",
     "text.fit(charge.description, 80)", _T.STRING, ((_T.STRING, _T.INT),), _fit),
    ("text.pad", "text.pad(text, length, fill) -> text",
     "The text filled up in front to a length.",
     "text.pad(string(charge.amount), 10, '0')", _T.STRING, ((_T.STRING, _T.INT, _T.STRING),), _pad),
    ("text.replace", "text.replace(text, old, new) -> text",
     "The text with one part exchanged for another.",
     "text.replace(charge.id, 'ch_', '')", _T.STRING, ((_T.STRING, _T.STRING, _T.STRING),), _replace),
    ("text.split", "text.split(text, separator) -> list",
     "The parts of a text.",
     "text.split(charge.description, ' ')[0]", _T.TEXTS, ((_T.STRING, _T.STRING),), _split),
    ("text.join", "text.join(list, separator) -> text",
     "The values of a list as one text. Empty ones are left out.",
     "text.join([charge.currency, charge.id], ' ')", _T.STRING, ((_LIST, _T.STRING),), _join),
    ("text.digits", "text.digits(text) -> text",
     "The digits of a text.",
     "text.digits(charge.id)", _T.STRING, ((_T.STRING,),), only_digits),
    ("text.first_name", "text.first_name(name) -> text",
     "The first name in a whole name.",
     "text.first_name('Ada Lovelace')", _T.STRING, ((_T.STRING,),), lambda name: split_name(name)[0]),
    ("text.last_name", "text.last_name(name) -> text",
     "The last name in a whole name.",
     "text.last_name('Ada Lovelace')", _T.STRING, ((_T.STRING,),), lambda name: split_name(name)[1]),
    ("text.address", "text.address(address, part) -> text",
     "The street, city, state, postal_code, country or one_line of an address.",
     "text.address(charge.billing_details.address, 'city')", _T.STRING, ((_T.MAP, _T.STRING),), _address),
    ("flag", "flag(value) -> true or false",
     "True for yes, true and 1; false for no, false and 0.",
     "flag('yes')", _T.BOOL, ((_T.STRING,), (_T.INT,), (_T.BOOL,)), _flag),
    ("pick", "pick(table, key, otherwise) -> value",
     "What a table has under a key. Without otherwise, a key that is not in it is a failure.",
     "pick({'succeeded': 'Completed'}, charge.status, 'Failed')", _T.DYN,
     (*_KEYED, *((*keyed, other) for keyed in _KEYED for other in _SCALARS)), _pick),
])

# Written like a function, but it is a way to name a path.
METADATA: Final = Function(
    "metadata", "metadata(object, key) -> text or null",
    "The value of a metadata key of an object; null where it is not set.",
    "metadata(charge, 'order_id')", _T.DYN, (), dict,
)
# fmt: on

# What comes with the language, for those who look for it: https://github.com/google/cel-spec
STANDARD: Final[Mapping[str, str]] = {
    "has": "has(object.name) -> true or false",
    "size": "size(text or list) -> whole number",
    "string": "string(value) -> text",
    "int": "int(value) -> whole number",
    "double": "double(value) -> number",
    "timestamp": "timestamp(text) -> time",
    "duration": "duration(text) -> span of time",
    "math.greatest": "math.greatest(a, b) -> number",
    "math.least": "math.least(a, b) -> number",
    "math.abs": "math.abs(number) -> number",
    "optional.of": "optional.of(value) -> value that may be missing",
    "optional.none": "optional.none() -> no value",
}
GROUPS: Final = frozenset(name.partition(".")[0] for name in (*FUNCTIONS, *STANDARD) if "." in name)


def is_function(name: str) -> bool:
    """Tell whether `name` with its dots is that of a function, and not a path with a method behind it."""
    return name in FUNCTIONS or name.partition(".")[0] in ("math", "optional")


@cache
def declarations() -> tuple[Any, ...]:
    """Return the functions as CEL takes them."""
    return tuple(library().FunctionDecl(one.name, _overloads(one)) for one in FUNCTIONS.values())


def _overloads(function: Function) -> list[Any]:
    gives = told(function.gives)
    return [
        library().Overload(f"{function.name}_{number}", gives, list(map(told, types)), impl=function.call)
        for number, types in enumerate(function.takes)
    ]
