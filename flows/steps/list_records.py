"""This module reads several records from Salesforce by conditions that people choose, as a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.ports import Params, Ports, Result
from flows.mapping.failure import quoted
from flows.mapping.reading import Read
from flows.mapping.widgets import shown
from flows.steps import listing
from flows.steps.base import SalesforceObject, StepKind
from flows.steps.find import FieldPath
from flows.steps.moments import Zone, day_of, moment_of
from flows.steps.query import exact
from flows.steps.together import Together
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError

# Comparison -> how SOQL says it, with {} for the value.
# https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_comparisonoperators.htm
_OPERATORS: Mapping[str, str] = {
    "equal": "= {}",
    "not_equal": "!= {}",
    "in": "IN {}",
    "not_in": "NOT IN {}",
    "greater": "> {}",
    "at_least": ">= {}",
    "less": "< {}",
    "at_most": "<= {}",
    "starts_with": "LIKE '{}%'",
    "contains": "LIKE '%{}%'",
    "empty": "= NULL",
    "present": "!= NULL",
}
_WITHOUT_A_VALUE = frozenset({"empty", "present"})
_OF_A_LIST = frozenset({"in", "not_in"})
_OF_A_TEXT = frozenset({"starts_with", "contains"})
MOST_VALUES = 200  # behind "is one of"; the whole query has to fit into an address
_WORDS: Mapping[str, str] = {
    "equal": "is",
    "not_equal": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "greater": "is more than, or after",
    "at_least": "is at least, or not before",
    "less": "is less than, or before",
    "at_most": "is at most, or not after",
    "starts_with": "starts with",
    "contains": "contains",
    "empty": "is empty",
    "present": "is not empty",
}


class RecordFilter(BaseModel):
    """One condition on the records."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    field: FieldPath = Field(
        json_schema_extra=shown("Field", offers="fields", of="/object"),
        description="API name of the field, or of one of a record that is referred to, such as Account.Name.",
    )
    operator: Literal[
        "equal", "not_equal", "in", "not_in", "greater", "at_least", "less", "at_most",
        "starts_with", "contains", "empty", "present",
    ] = Field(
        json_schema_extra=shown("Comparison", words=_WORDS),
        default="equal",
        alias="is",
        description="How the field is compared.",
    )  # fmt: skip
    sources: listing.Sources = Field(default=[], alias="from")
    value: listing.Fixed = None
    holds: Literal["value", "date", "moment"] = Field(
        json_schema_extra=shown(
            "The field holds",
            more=True,
            words={"value": "A text, a number or yes and no", "date": "A date", "moment": "A date and time"},
        ),
        default="value",
        description="Salesforce writes dates and times in a query in a way of their own. Unix times, dates "
        "and dates with a time are made what the field needs.",
    )

    @property
    def needs_a_value(self) -> bool:
        """Tell whether the comparison is one with a value."""
        return self.operator not in _WITHOUT_A_VALUE

    @model_validator(mode="after")
    def _fits(self) -> RecordFilter:
        if self.needs_a_value:
            listing.is_one_of_them(self.sources, self.value)
        if isinstance(self.value, list) and self.value and self.operator not in _OF_A_LIST:
            raise ValueError(f"{_WORDS[self.operator].capitalize()} needs one value, not a list")
        if self.operator in _OF_A_TEXT and self.holds != "value":
            raise ValueError("Only texts start with something or contain it")
        return self


class ListRecordsSettings(BaseModel):
    """Which records are read, in which order, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is asked.")
    object: SalesforceObject
    where: list[RecordFilter] = Field(
        json_schema_extra=shown("Conditions", add="Add a condition"),
        default=[],
        max_length=20,
        description="What the records have to fulfil. Without a condition, all of them are read.",
    )
    match: Literal["all", "any"] = Field(
        json_schema_extra=shown(
            "Of the conditions", words={"all": "All have to hold", "any": "One has to hold"}, more=True
        ),
        default="all",
        description="Whether all conditions have to hold, or one of them.",
    )
    fields: list[FieldPath] = Field(
        json_schema_extra=shown("Fields for later steps", offers="fields", of="object", add="Add a field"),
        default=["Name"],
        max_length=50,
        description="Fields that later steps read, beside the id.",
    )
    order_by: str = Field(
        json_schema_extra=shown("Ordered by", offers="fields", of="object"),
        default="",
        pattern=r"^([A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4})?$",
        description="The field that they are ordered by; without one, by their id.",
    )
    descending: bool = Field(
        json_schema_extra=shown("The last or largest first"),
        default=False,
        description="Whether the order is turned round.",
    )
    limit: listing.Limit = 200
    beyond: listing.Beyond = "exit"
    zone: Zone = "UTC"

    @property
    def soql(self) -> str:
        """Return the query, with a place in braces for each value."""
        return f"{self._selected()} LIMIT {self.most}"

    @property
    def most(self) -> int:
        """Return how many records are asked for: one more than there may be, where that matters."""
        return self.limit + (self.beyond != "first")

    def together(self) -> Together | None:
        """Return how many runs ask at once, where each looks for records that name another by its id."""
        at = next((at for at, one in enumerate(self.where) if _may_be_an_id(one)), None)
        if at is None or (self.match == "any" and len(self.where) > 1):
            return None
        field = self.where[at].field
        extra = field.lower() not in {name.lower() for name in ("Id", *self.fields)}
        several = self._selected(field if extra else "", among=at)
        return Together(
            single=self.soql, several=several, name=f"v{at}", field=field, extra=extra, most=self.most
        )

    def _selected(self, more: str = "", *, among: int | None = None) -> str:
        """Return the query without its limit, with a field `more`, and one condition on a list of values."""
        names: dict[str, str] = {}
        for name in ("Id", *self.fields, *([more] if more else [])):
            names.setdefault(name.lower(), name)  # which may stand once only
        parts = ["SELECT", ", ".join(names.values()), "FROM", self.object]
        if self.where:
            joint = " AND " if self.match == "all" else " OR "
            conditions = (_condition(one, at, among=at == among) for at, one in enumerate(self.where))
            parts.append(f"WHERE {joint.join(conditions)}")
        direction = " DESC" if self.descending else ""
        order = [f"{self.order_by}{direction} NULLS LAST"] if self.order_by else []
        if self.order_by.lower() != "id":
            order.append(f"Id{direction}")  # so that equal ones have an order too
        parts.append(f"ORDER BY {', '.join(order)}")
        return " ".join(parts)


class ListRecords(StepKind):
    """Read the records that fulfil conditions, as a list that a for-each goes through."""

    slug: ClassVar[str] = "salesforce.list"
    label: ClassVar[str] = "List records"
    exits: ClassVar[tuple[str, ...]] = ("found", "none", listing.TOO_MANY)
    settings_model = ListRecordsSettings
    nature: ClassVar[Nature] = "reads"

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits: one for too many records only where the run goes another way then."""
        return listing.exits_of(settings.beyond)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the reading as a function over a batch."""
        query: str = settings.soql
        together: Together | None = settings.together()
        values = [
            _Bound.of(f"v{at}", one, settings.zone)
            for at, one in enumerate(settings.where)
            if one.needs_a_value
        ]

        def ask(requests: Sequence[Params], ports: Ports) -> list[Result]:
            return list(ports.call_many(settings.slot, "query", requests)) if requests else []

        def asked(wanted: Sequence[Mapping[str, Any]], ports: Ports) -> list[Result]:
            if together is not None:
                return together.ask(wanted, lambda requests: ask(requests, ports))
            return ask([{"soql": query, "bindings": one} for one in wanted], ports)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            bound = [_bindings(values, item) for item in batch]
            wanted = {canonical.dumps(one): one for one in bound if isinstance(one, dict)}
            found = dict(zip(wanted, asked(list(wanted.values()), ports), strict=True))
            return [
                _answer(settings, found[canonical.dumps(one)] if isinstance(one, dict) else one)
                for one in bound
            ]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "salesforce" else [("slot", "Records are read in the slot salesforce")]


def _may_be_an_id(one: RecordFilter) -> bool:
    """Tell whether a condition is that a field of the record itself is what was read of each run."""
    return one.operator == "equal" and one.holds == "value" and bool(one.sources) and "." not in one.field


def _condition(one: RecordFilter, at: int, *, among: bool = False) -> str:
    place = f"{{v{at}:like}}" if one.operator in _OF_A_TEXT else f"{{v{at}}}"
    if among:
        return f"{one.field} IN {place}"
    return f"{one.field} {_OPERATORS[one.operator].format(place)}"


class _Bound(NamedTuple):
    """A value of the query: what it is called, how it is read and made fit."""

    name: str
    field: str
    read: Read
    fit: Callable[[Any], Any]
    is_list: bool

    @classmethod
    def of(cls, name: str, one: RecordFilter, zone: str) -> _Bound:
        """Return how the value of the condition `one` is read."""
        where = ZoneInfo(zone)
        fits: Mapping[str, Callable[[Any], Any]] = {
            "value": _text if one.operator in _OF_A_TEXT else exact,
            "date": lambda value: day_of(value, where),
            "moment": lambda value: moment_of(value, where),
        }
        read = listing.reader(one.sources, one.value)
        return cls(name, one.field, read, fits[one.holds], one.operator in _OF_A_LIST)


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) else None


def _bindings(values: Sequence[_Bound], item: Item) -> dict[str, Any] | GiveUp | None:
    """Return the values of one run; None if one is missing, since null would find whatever has none."""
    bindings: dict[str, Any] = {}
    for name, field, read, fit, is_list in values:
        value = read(item.context)
        if value is None:
            return None
        parts = list(dict.fromkeys(map(fit, value))) if isinstance(value, list) else [fit(value)]
        if None in parts or (len(parts) > 1 and not is_list):
            message = f"{quoted(value)} cannot be compared with {field}"
            return GiveUp(message, Failure("data", message, code="not_a_value", field=field))
        if len(parts) > MOST_VALUES:
            message = f"{field} is compared with more than {MOST_VALUES} values"
            return GiveUp(message, Failure("too_large", message, code="too_many", field=field))
        bindings[name] = parts if is_list else parts[0]
    return bindings


def _answer(settings: ListRecordsSettings, result: Any) -> Answer:
    if result is None:
        return Done(listing.nothing("record"), exit="none")
    if isinstance(result, (GiveUp, IntegrationError)):
        return result
    return listing.answer(result["records"], "record", key="Id", limit=settings.limit, beyond=settings.beyond)
