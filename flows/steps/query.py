"""This module looks records up in Salesforce by a query whose values are bound, never pasted in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.ports import Params, Ports, Result
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.widgets import shown
from flows.steps import candidates, soql
from flows.steps.base import StepKind
from flows.steps.candidates import Record, id_of
from flows.steps.find import FieldPath
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError

Bindings = dict[str, Any]
_NOTHING: Mapping[str, Any] = {"id": None, "record": None, "records": [], "count": 0}


class QuerySettings(BaseModel):
    """What is asked, and what happens with one, none and several records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is asked.")
    soql: str = Field(
        json_schema_extra=shown("Query (SOQL)"),
        min_length=1,
        max_length=soql.LONGEST,
        description="The query in SOQL, with {name} where a value goes. Values are quoted by themselves. "
        f"Without a limit, {soql.MOST_RECORDS} records are read at most.",
    )
    values: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$")], Paths] = Field(
        json_schema_extra=shown(
            "Values in the query", offers="paths", add="Add a value", names=("Name in the query",)
        ),
        default={},
        max_length=20,
        description="Where each value is read. Where one has none, nothing is asked and nothing is found.",
    )
    several: Literal["ask", "first", "all", "fail"] = Field(
        json_schema_extra=shown(
            "If several are found",
            words={
                "ask": "Ask a person",
                "first": "Take the first",
                "all": "Take all of them",
                "fail": "Fail",
            },
        ),
        default="ask",
        description="What happens if several records are found: ask a person, take the first or all of them, "
        "or fail.",
    )
    shows: list[FieldPath] = Field(
        json_schema_extra=shown("Fields to tell records apart", more=True, add="Add a field"),
        default=["Name"],
        max_length=5,
        description="Fields by which a person tells records apart.",
    )
    may_be_none: bool = Field(
        json_schema_extra=shown("A person may say that none fits", more=True),
        default=True,
        description="Whether a person may say that no record fits.",
    )
    question: str = Field(
        json_schema_extra=shown("Question if several fit", more=True),
        default="Which record is it?",
        max_length=200,
        description="What a person is asked if several fit.",
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> QuerySettings:
        soql.limited(self.soql)
        names = soql.placeholders(self.soql)
        if unbound := [name for name in names if not self.values.get(name)]:
            raise ValueError(f"The query has no value for {', '.join(unbound)}")
        if unused := [name for name in self.values if name not in names]:
            raise ValueError(f"The query does not use {', '.join(unused)}")
        if self.several == "ask":
            missing = {"id", *(field.lower() for field in self.shows)} - soql.selected(self.soql)
            if missing:
                raise ValueError(f"So that a person can choose, the query has to select {', '.join(missing)}")
        return self


class Query(StepKind):
    """Look up records by a query of your own; a person chooses where several fit."""

    slug: ClassVar[str] = "salesforce.query"
    label: ClassVar[str] = "Look up by a query"
    exits: ClassVar[tuple[str, ...]] = ("found", "none")
    settings_model = QuerySettings
    nature: ClassVar[Nature] = "reads"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the look-up as a function over a batch."""
        query = soql.limited(settings.soql)
        lists = soql.lists(settings.soql)
        values = [_Value(name, first_of(paths), name in lists) for name, paths in settings.values.items()]

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            bound = [_bindings(values, item) for item in batch]
            found = _ask(query, bound, settings.slot, ports)
            return [
                _answer(step_id, settings, item, found.get(_key(one)) if isinstance(one, dict) else one)
                for item, one in zip(batch, bound, strict=True)
            ]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "salesforce" else [("slot", "Records are found in the slot salesforce")]


class _Value(NamedTuple):
    """A value of the query: what it is called, how it is read, and whether it stands behind IN."""

    name: str
    read: Read
    is_list: bool


def _bindings(values: Sequence[_Value], item: Item) -> Bindings | GiveUp | None:
    """Return the values of one run; None if one is missing, since null would find whatever has none."""
    bindings: Bindings = {}
    for name, read, is_list in values:
        value = read(item.context)
        if value is None or value in ("", []):
            return None
        parts = [exact(part) for part in (value if isinstance(value, list) else [value])]
        if None in parts:
            message = f"{quoted(value)} cannot stand in a query"
            return GiveUp(message, Failure("data", message, code="not_a_value", field=name))
        bindings[name] = parts if is_list or isinstance(value, list) else parts[0]
    return bindings


def exact(value: Any) -> str | int | Decimal | None:
    """Return a value as it may stand in a query; None if it may not."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return value if isinstance(value, (str, int, Decimal)) else None


def _key(bindings: Bindings) -> bytes:
    return canonical.dumps(bindings)


def _ask(
    query: str, bound: Sequence[Bindings | GiveUp | None], slot: str, ports: Ports
) -> dict[bytes, Result]:
    """Ask once for each set of values."""
    wanted = {_key(bindings): bindings for bindings in bound if isinstance(bindings, dict)}
    requests: list[Params] = [{"soql": query, "bindings": bindings} for bindings in wanted.values()]
    results = ports.call_many(slot, "query", requests) if requests else []
    return dict(zip(wanted, results, strict=True))


def _answer(step_id: str, settings: QuerySettings, item: Item, result: Result | GiveUp | None) -> Answer:
    if result is None:
        return Done(dict(_NOTHING), exit="none")
    if isinstance(result, (GiveUp, IntegrationError)):
        return result
    records: list[Record] = result["records"]
    chosen = candidates.answer(item, step_id)
    if chosen:
        records = [record for record in records if id_of(record) == chosen]
    if not records:
        return Done(dict(_NOTHING), exit="none")
    if len(records) == 1 or settings.several in ("first", "all"):
        return _found(records if settings.several == "all" else records[:1])
    if settings.several == "fail":
        message = f"{len(records)} records fit the query"
        return GiveUp(message, Failure("duplicate", message, code="several_found"))
    none = "None of these" if settings.may_be_none else ""
    return candidates.ask(settings.question, records, settings.shows, none=none)


def _found(records: Sequence[Record]) -> Done:
    output = {
        "id": id_of(records[0]) or None,
        "record": dict(records[0]),
        "records": [dict(record) for record in records],
        "count": len(records),
    }
    return Done(output, exit="found")
