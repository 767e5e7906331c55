"""This module holds the chips: the small changes that a mapping line makes to a value."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.mapping import instants
from flows.mapping import text as texts
from flows.mapping.chip import Chip, Transform, text_of
from flows.mapping.composing import Address, Digits, Join, SplitName, TextTemplate
from flows.mapping.computing import Expression
from flows.mapping.conditions import Condition, Scalar, compile_condition, paths_of
from flows.mapping.failure import MappingFailed, Note, Notes, quoted
from flows.mapping.reading import Context, Paths, first_of
from flows.mapping.widgets import called, shown
from integrator.kernel.money import UnknownCurrency, to_major
from integrator.kernel.paths import quote


class Money(Chip):
    """Turn an amount in minor units, as Stripe counts, into an exact decimal amount."""

    label: ClassVar[str] = "Amount"

    chip: Literal["money"]
    currency: Paths = Field(
        json_schema_extra=shown("Currency", offers="paths", of="read", add="Add a fallback"),
        min_length=1,
        description="Where the amount's currency is read.",
    )
    same_currency_as: Paths = Field(
        json_schema_extra=shown(
            "Only if the currency is", offers="paths", of="read", more=True, add="Add a fallback"
        ),
        default=[],
        description="Leave the field empty unless this currency is the same: fees are in the currency "
        "that the account is settled in.",
    )

    def reads(self) -> list[str]:
        """Return the paths of the currencies."""
        return [*self.currency, *self.same_currency_as]

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        read_currency = first_of(self.currency)
        read_other = first_of(self.same_currency_as) if self.same_currency_as else None

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            if type(value) is not int:
                raise MappingFailed(field, "not_a_number", f"{quoted(value)} is not a whole number")
            currency = read_currency(context)
            if read_other is not None and not _same_currency(currency, read_other(context)):
                note = f"The amount is in {quoted(currency)}, not in the currency of the payment"
                notes.append(Note(field, "other_currency", note))
                return None
            try:
                return to_major(value, currency)
            except UnknownCurrency:
                message = f"The decimals of {quoted(currency)} are not known"
                raise MappingFailed(field, "unknown_currency", message) from None

        return transform


class UnixTime(Chip):
    """Turn a Unix time, as Stripe writes it, into a date and time in UTC or into a date."""

    label: ClassVar[str] = "Date and time"

    chip: Literal["unix_time"]
    result: Literal["datetime", "date"] = Field(
        json_schema_extra=shown("Result", words={"datetime": "A date and time", "date": "A date"}),
        default="datetime",
        description="What the field holds.",
    )
    zone: str = Field(
        json_schema_extra=shown("Time zone", offers="zones"),
        default="UTC",
        description="The time zone that a date is meant in.",
    )

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"There is no time zone {zone}") from None
        return zone

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        zone = ZoneInfo(self.zone)
        wants_date = self.result == "date"

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            if type(value) is not int:
                raise MappingFailed(field, "not_a_number", f"{quoted(value)} is not a Unix time")
            if not instants.is_storable(value):
                message = f"{quoted(value)} lies outside of the years 1700 to 4000"
                raise MappingFailed(field, "out_of_range_date", message)
            return instants.day(value, zone) if wants_date else instants.iso(value)

        return transform


class ValueOf(BaseModel):
    """A fixed value for everything that a value map does not know."""

    model_config = ConfigDict(json_schema_extra=called("A fixed value"), extra="forbid", frozen=True)

    value: Scalar = Field(json_schema_extra=shown("Value"), description="The value that is written.")


class ValueMap(Chip):
    """Exchange values by a table, and show those that are not in it."""

    label: ClassVar[str] = "Value map"

    chip: Literal["value_map"]
    map: dict[str, Scalar] = Field(
        json_schema_extra=shown("Values", add="Add a value", names=("Value of Stripe",)),
        min_length=1,
        description="What each value becomes.",
    )
    otherwise: Literal["fail", "keep"] | ValueOf = Field(
        json_schema_extra=shown(
            "Any other value",
            ask="Any other value",
            words={"fail": "Refuse the record", "keep": "Keep it as it is"},
        ),
        default="fail",
        description="What happens to a value that is not in the table.",
    )

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        table, otherwise = dict(self.map), self.otherwise

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            key = value if type(value) is str else text_of(value, field)
            if key in table:
                return table[key]
            message = f"{quoted(value)} is not in the value map"
            if otherwise == "fail":
                raise MappingFailed(field, "unseen_value", message)
            notes.append(Note(field, "unseen_value", message))
            return otherwise.value if isinstance(otherwise, ValueOf) else value

        return transform


class Metadata(Chip):
    """Take the value of a metadata key where there is no value yet."""

    label: ClassVar[str] = "Metadata"
    takes_empty: ClassVar[bool] = True

    chip: Literal["metadata"]
    of: Paths = Field(
        json_schema_extra=shown("Metadata of", offers="paths", of="read", add="Add a fallback"),
        min_length=1,
        description="The objects whose metadata is read; the first that has the key.",
    )
    key: str = Field(
        json_schema_extra=shown("Key"),
        min_length=1,
        max_length=40,
        description="The metadata key, letter by letter.",
    )

    def sources(self) -> list[str]:
        """Return the paths of the key."""
        return [f"{owner}.metadata{quote(self.key)}" for owner in self.of]

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        read = first_of(self.sources())
        return lambda value, context, _notes: read(context) if value is None else value


class Text(Chip):
    """Tidy text: trim it, change its case, cut it to the field's length."""

    label: ClassVar[str] = "Text"

    chip: Literal["text"]
    trim: bool = Field(
        json_schema_extra=shown("Trim"), default=False, description="Remove spaces at both ends."
    )
    case: Literal["upper", "lower"] | None = Field(
        json_schema_extra=shown("Case", words={"upper": "Capitals", "lower": "Small letters"}),
        default=None,
        description="Write it in capitals, or in small letters.",
    )
    max_length: int | None = Field(
        json_schema_extra=shown("Longest"),
        default=None,
        ge=1,
        le=131_072,
        description="The length of the field, as Salesforce counts: in UTF-16 units.",
    )
    truncate: bool = Field(
        json_schema_extra=shown("Cut longer text"),
        default=False,
        description="Cut longer text, with a note, instead of refusing it.",
    )

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        trim, case, longest, truncate = self.trim, self.case, self.max_length, self.truncate

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            text = clean_text(value if type(value) is str else text_of(value, field), field, notes)
            if trim:
                text = text.strip()
            if case is not None:
                text = text.upper() if case == "upper" else text.lower()
            if longest is not None and len(text) * 2 > longest:
                text = _within(text, longest, truncate, field, notes)
            return text or None

        return transform


class Constant(Chip):
    """Write a fixed value, whatever Stripe says."""

    label: ClassVar[str] = "Fixed value"
    takes_empty: ClassVar[bool] = True

    chip: Literal["constant"]
    value: Scalar = Field(json_schema_extra=shown("Value"), description="What is written.")

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        constant = self.value
        return lambda _value, _context, _notes: constant


class Default(Chip):
    """Write a fixed value where Stripe has none."""

    label: ClassVar[str] = "Default"
    takes_empty: ClassVar[bool] = True

    chip: Literal["default"]
    value: Scalar = Field(json_schema_extra=shown("Value"), description="What is written instead.")

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        default = self.value
        return lambda value, _context, _notes: default if value is None else value


class When(Chip):
    """Use another value while a condition holds; null makes the field empty."""

    label: ClassVar[str] = "When"
    takes_empty: ClassVar[bool] = True

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    chip: Literal["when"]
    condition: Condition = Field(
        json_schema_extra=shown("While", ask="What must hold"), alias="if", description="The condition."
    )
    use: Scalar = Field(
        json_schema_extra=shown("Value to use"), description="The value that is used while it holds."
    )

    def reads(self) -> list[str]:
        """Return every path that the condition looks at."""
        return paths_of(self.condition)

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        holds, use = compile_condition(self.condition), self.use
        return lambda value, context, _notes: use if holds(context) else value


class Boolean(Chip):
    """Turn yes and no, true and false, 1 and 0 into a checkbox."""

    label: ClassVar[str] = "Checkbox"

    chip: Literal["boolean"]

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            if value is True or value is False:
                return value
            found = _BOOLEANS.get(text_of(value, field).strip().lower())
            if found is None:
                raise MappingFailed(field, "not_a_boolean", f"{quoted(value)} is neither true nor false")
            return found

        return transform


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

OURS: tuple[type[Chip], ...] = (
    Money,
    UnixTime,
    ValueMap,
    Metadata,
    Text,
    Constant,
    Default,
    When,
    Boolean,
    Join,
    TextTemplate,
    SplitName,
    Address,
    Digits,
    Expression,
)


@cache
def load() -> dict[str, type[Chip]]:
    """
    Return every chip by name, those of installed packages included.

    :raises ValueError: if two chips claim the same name
    """
    installed = [point.load() for point in entry_points(group="integrator.transforms")]
    chips: dict[str, type[Chip]] = {}
    for chip in (*OURS, *installed):
        (name,) = chip.model_fields["chip"].annotation.__args__
        if name in chips:
            raise ValueError(f"Two chips are called {name!r}")
        chips[name] = chip
    return chips


def clean_text(text: str, field: str, notes: Notes) -> str:
    """Return `text` without what Salesforce cannot store, and note it where something was replaced."""
    cleaned = texts.clean(text)
    if cleaned is not text and cleaned != text:
        notes.append(Note(field, "replaced_characters", "Control characters in the text were replaced"))
    return cleaned


def _within(text: str, longest: int, truncate: bool, field: str, notes: Notes) -> str:
    size = texts.length(text)
    if size <= longest:
        return text
    if not truncate:
        message = f"The text has {size} characters, {longest} are allowed"
        raise MappingFailed(field, "too_long", message)
    notes.append(Note(field, "truncated", f"The text was cut from {size} to {longest} characters"))
    return texts.cut(text, longest)


def _same_currency(one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and one.upper() == other.upper()
