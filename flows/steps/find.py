"""This module finds the record in Salesforce that belongs to what the run is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps import candidates
from flows.steps.base import SalesforceObject, StepKind
from flows.steps.candidates import Record, id_of, value_of
from flows.steps.ids import LONGEST, about, record_id_in
from integrator.kernel.errors import IntegrationError, Refused

FIELD_PATH = r"^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}$"

FieldPath = Annotated[str, StringConstraints(pattern=FIELD_PATH)]


class ByField(BaseModel):
    """Look for records whose field has a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    kind: Literal["id", "external_id", "equal"] = Field(
        json_schema_extra=shown(
            "Found by", words={"id": "Record id", "external_id": "External ID", "equal": "An equal value"}
        ),
        description="By the record's id, by an external id letter by letter, or by an equal value, in which "
        "capitals do not matter.",
    )
    field: FieldPath = Field(
        json_schema_extra=shown("Field", offers="fields", of="object", unless={"kind": ["id"]}),
        default="Id",
        description="API name of the field that is compared.",
    )
    sources: Paths = Field(
        json_schema_extra=shown("Read from", offers="paths", add="Add a fallback"),
        alias="from",
        min_length=1,
        description="Where the value is read.",
    )


class ByLink(BaseModel):
    """Take the record that is linked with a Stripe object already."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    kind: Literal["link"] = Field(
        json_schema_extra=shown("Found by", words={"link": "Existing link"}),
        description="By an existing link.",
    )
    sources: Paths = Field(
        json_schema_extra=shown("Read from", offers="paths", add="Add a fallback"),
        default=[],
        alias="from",
        description="Where the Stripe id is read. Without it, it is the object that the run is about.",
    )


def _shape(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "link" if kind == "link" else "field"


Way = Annotated[
    Annotated[ByField, Tag("field")] | Annotated[ByLink, Tag("link")],
    Discriminator(_shape),
]


class FindSettings(BaseModel):
    """Which record is looked for, and by what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is asked.")
    object: SalesforceObject
    by: list[Way] = Field(
        json_schema_extra=shown("Ways to find it", add="Add a way"),
        min_length=1,
        max_length=10,
        description="Ways to find it, the surest first. The first that finds a record decides; if it finds "
        "several, a person is asked.",
    )
    fields: list[FieldPath] = Field(
        json_schema_extra=shown("Fields for later steps", offers="fields", of="object", add="Add a field"),
        default=[],
        max_length=30,
        description="Fields that later steps read, beside the id.",
    )
    shows: list[FieldPath] = Field(
        json_schema_extra=shown(
            "Fields to tell records apart", offers="fields", of="object", more=True, add="Add a field"
        ),
        default=["Name"],
        max_length=5,
        description="Fields by which a person tells records apart.",
    )
    question: str = Field(
        json_schema_extra=shown("Question if several fit", more=True),
        default="Which record is it?",
        max_length=200,
        description="What a person is asked if several fit.",
    )


class Find(StepKind):
    """Find a record by the surest way that finds one; a person chooses where several fit."""

    slug: ClassVar[str] = "salesforce.find"
    label: ClassVar[str] = "Find a record"
    exits: ClassVar[tuple[str, ...]] = ("found", "none")
    settings_model = FindSettings
    nature: ClassVar[Nature] = "reads"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the search as a function over a batch."""
        looks = [_look(way) for way in settings.by]
        return lambda batch, ports: _Finding(step_id, settings, ports).find(batch, looks)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "salesforce" else [("slot", "Records are found in the slot salesforce")]


@dataclass(frozen=True, slots=True)
class _Look:
    """One way to look for a record, compiled."""

    name: str  # what a trace calls it
    field: str
    read: Callable[[Item], Any] = lambda _item: None
    exact: bool = False  # capitals matter
    linked: bool = False  # what is read is the id of a Stripe object, whose link is taken

    @property
    def by_id(self) -> bool:
        """Tell whether the record's own id is looked for."""
        return self.field == "Id"


_CHOSEN = _Look("a person", "Id")


def _look(way: ByField | ByLink) -> _Look:
    if isinstance(way, ByLink):
        return _Look("link", "Id", about(way.sources), linked=True)
    read = first_of(way.sources)
    field = "Id" if way.kind == "id" else way.field
    return _Look(field, field, lambda item: read(item.context), exact=way.kind == "external_id")


class _Finding:
    """One batch of searches."""

    def __init__(self, step_id: str, settings: FindSettings, ports: Ports) -> None:
        self._step_id = step_id
        self._settings = settings
        self._ports = ports
        self._answers: dict[int, Answer] = {}

    def find(self, batch: Sequence[Item], looks: Sequence[_Look]) -> list[Answer]:
        self._take(_CHOSEN, dict(self._chosen(batch)))
        for look in looks:
            left = (place for place in range(len(batch)) if place not in self._answers)
            self._take(look, {place: _text(look.read(batch[place])) for place in left})
        return [
            self._answers.get(place, Done({"id": None, "record": None}, exit="none"))
            for place in range(len(batch))
        ]

    def _chosen(self, batch: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """Yield the records that people chose; where they said that none fits, that is the answer."""
        for place, item in enumerate(batch):
            chosen = candidates.answer(item, self._step_id)
            if chosen == candidates.NONE:
                self._answers[place] = Done({"id": None, "record": None, "by": "a person"}, exit="none")
            elif chosen:
                yield place, chosen

    def _take(self, look: _Look, wanted: Mapping[int, str]) -> None:
        """Answer those of `wanted`, by their places, for which `look` finds a record."""
        keys = self._keys(look, wanted)
        found = self._search(look.field, dict.fromkeys(keys.values()))
        for place, key in keys.items():
            records = found[key]
            if isinstance(records, IntegrationError):
                self._answers[place] = records
                continue
            fitting = _fitting(records, look, key)
            if len(fitting) == 1:
                self._answers[place] = _found(fitting[0], look, key)
            elif fitting:
                question = f"{self._settings.question} {len(fitting)} records of {self._settings.object} fit."
                self._answers[place] = candidates.ask(
                    question, fitting, self._settings.shows, none="None of these"
                )

    def _keys(self, look: _Look, wanted: Mapping[int, str]) -> dict[int, str]:
        """Return what is looked for, by place, without those places that have nothing to look for."""
        if look.linked:
            ids = list(dict.fromkeys(key for key in wanted.values() if key))
            linked = self._ports.links(self._settings.object, ids) if ids else {}
            wanted = {place: linked.get(key, "") for place, key in wanted.items()}
        if look.by_id:
            wanted = {place: record_id_in(key) for place, key in wanted.items()}
        return {place: key for place, key in wanted.items() if key}

    def _search(self, field: str, keys: Iterable[str]) -> dict[str, Sequence[Record] | IntegrationError]:
        """Ask for all `keys` in one go; one by one if they are refused together, to find the culprit."""
        values = list(keys)
        if not values:
            return {}
        (result,) = self._ports.call_many(self._settings.slot, "find", [self._request(field, values)])
        if isinstance(result, Refused) and len(values) > 1:
            requests = [self._request(field, [value]) for value in values]
            results = self._ports.call_many(self._settings.slot, "find", requests)
        else:
            results = [result] * len(values)
        indexes: dict[int, dict[str, list[Record]]] = {}
        found: dict[str, Sequence[Record] | IntegrationError] = {}
        for value, one in zip(values, results, strict=True):
            if isinstance(one, IntegrationError):
                found[value] = one
                continue
            if id(one) not in indexes:  # one answer may be that of all values
                indexes[id(one)] = _by_value(one["records"], field)
            found[value] = indexes[id(one)].get(value.casefold(), [])
        return found

    def _request(self, field: str, values: Sequence[str]) -> dict[str, Any]:
        names = dict.fromkeys(["Id", *self._settings.fields, *self._settings.shows])
        return {
            "object": self._settings.object,
            "field": field,
            "values": list(values),
            "fields": list(names),
        }


def _text(value: Any) -> str:
    """Return what may be looked for as text; what people type into Stripe may have blanks around."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value).strip()
    return text if len(text) <= LONGEST else ""


def _found(record: Record, look: _Look, key: str) -> Done:
    output = {"id": id_of(record), "record": dict(record), "by": look.name}
    return Done(output, exit="found", seen={look.name: key})


def _by_value(records: Sequence[Record], field: str) -> dict[str, list[Record]]:
    """Return `records` by the value of `field`, in which capitals do not matter."""
    index: dict[str, list[Record]] = {}
    for record in records:
        index.setdefault(str(value_of(record, field)).casefold(), []).append(record)
    return index


def _fitting(records: Sequence[Record], look: _Look, key: str) -> list[Record]:
    """Return those of `records`, whose field has the value `key` but for capitals, that are meant."""
    same = [record for record in records if value_of(record, look.field) == key]
    return same if look.exact and same else list(records)
