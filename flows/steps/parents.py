"""This module saves the parents that a refused record lacks: the customer of a charge that came first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.stripe.places import PLACES
from flows import error_catalogue
from flows.engine.item import Item, Write
from flows.engine.kind import Answer
from flows.engine.ports import Params, Ports, Result
from flows.mapping.apply import CompiledMapping, compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.spec import API_NAME, MappingLine, written_field
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.widgets import shown
from flows.steps.fetched import source_of
from flows.steps.ids import id_in
from flows.steps.pending import not_known_yet
from flows.steps.saving import another_writes, nested, settle
from flows.steps.values import unmapped
from integrator.kernel.errors import IntegrationError

STRIPE = "stripe"  # the slot that parents are read from


class Parent(BaseModel):
    """A record that the saved one refers to, and how it is made where it is not in the org yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(
        json_schema_extra=shown("Relation", offers="relations", of="/object"),
        pattern=API_NAME,
        description="The relation, such as Stripe_Customer__r.",
    )
    object: str = Field(
        json_schema_extra=shown("Object it leads to", offers="objects"),
        pattern=API_NAME,
        description="API name of the object that it leads to.",
    )
    external_id: str = Field(
        json_schema_extra=shown("External ID field", offers="external_ids", of="object"),
        pattern=API_NAME,
        description="API name of that object's external id field.",
    )
    read: str = Field(
        json_schema_extra=shown("Made of the Stripe object", offers="stripe_objects"),
        description="The type of the Stripe object that it is made of.",
    )
    id: Paths = Field(
        json_schema_extra=shown("Its id is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the id of the Stripe object is read.",
    )
    lines: list[MappingLine] = Field(
        json_schema_extra=shown("Fields", add="Add a field"),
        min_length=1,
        max_length=200,
        description="The fields of the record.",
    )

    @field_validator("read")
    @classmethod
    def _can_be_read(cls, read: str) -> str:
        if read not in PLACES:
            raise ValueError(f"Objects of type {read} are not read by this product")
        return read

    @field_validator("lines")
    @classmethod
    def _says_which(cls, lines: list[MappingLine], info: Any) -> list[MappingLine]:
        wanted = info.data.get("external_id")
        if wanted is not None and wanted not in {line.field for line in lines}:
            raise ValueError(f"The fields lack {wanted}, by which the record is found")
        return lines


class Orphan(NamedTuple):
    """A record that was refused, perhaps because one that it refers to is not there."""

    place: int  # in the batch
    item: Item
    failure: IntegrationError


class Rescued(NamedTuple):
    """
    What became of the parents of one orphan: nothing to wait for, or an answer for its run.

    A parent that was merged into another record is not made anew: `refers` says by the relation to which one
    the orphan refers in its place.
    """

    notes: list[dict[str, str]]
    answer: Answer | None = None
    refers: Mapping[str, str] = MappingProxyType({})

    def turned(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return `record` with its relations as they are to be."""
        left = {name: value for name, value in record.items() if name.partition(".")[0] not in self.refers}
        return left | {written_field(f"{name}.Id"): record_id for name, record_id in self.refers.items()}


@dataclass(frozen=True, slots=True)
class _Way:
    """A parent that is ready to be read and saved."""

    settings: Parent
    read_id: Read
    mapping: CompiledMapping


class _Child(NamedTuple):
    orphan: Orphan
    stripe_id: str


class Parents:
    """The parents that one upsert step knows how to make."""

    def __init__(self, parents: Sequence[Parent]) -> None:
        self._ways = [
            _Way(parent, first_of(parent.id), compile_mapping(_mapping_of(parent))) for parent in parents
        ]

    def rescue(self, step_id: str, orphans: Iterable[Orphan], ports: Ports) -> dict[int, Rescued]:
        """
        Save the missing parents of `orphans`, and return what became of those that have any, by place.

        Orphans that were refused for another reason, or by a look-up of which nothing is known here, are
        left out.
        """
        rescued: dict[int, Rescued] = {}
        lost = [orphan for orphan in orphans if _lacks_a_parent(orphan.failure)]
        for way in self._ways:
            children = [
                _Child(orphan, stripe_id)
                for orphan in lost
                if _names(orphan.failure, way.settings.field)
                and (stripe_id := id_in(way.read_id(orphan.item.context)))
            ]
            for place, outcome in _save(step_id, way, children, ports).items():
                known = rescued.get(place, Rescued([]))
                notes, answer = [*known.notes, *outcome.notes], known.answer or outcome.answer
                rescued[place] = Rescued(notes, answer, {**known.refers, **outcome.refers})
        return rescued


def _mapping_of(parent: Parent) -> MappingSettings:
    return MappingSettings(target=parent.object, lines=parent.lines)


def _lacks_a_parent(failure: IntegrationError) -> bool:
    return error_catalogue.explain(failure).error_class == "missing_ref"


def _names(failure: IntegrationError, relation: str) -> bool:
    """Tell whether `failure` is about `relation`; one that names no field may be about any."""
    return not failure.field or _bare(failure.field) == _bare(relation)


def _bare(name: str) -> str:
    """Return the name of a look-up without what tells the field from its relation."""
    return name.partition(".")[0].lower().removesuffix("__r").removesuffix("__c").removesuffix("id")


def _save(step_id: str, way: _Way, children: Sequence[_Child], ports: Ports) -> dict[int, Rescued]:
    """Read and save one kind of parent for `children`, each parent once."""
    if not children:
        return {}
    ids = list(dict.fromkeys(child.stripe_id for child in children))
    requests: list[Params] = [{"type": way.settings.read, "id": stripe_id} for stripe_id in ids]
    answers = dict(zip(ids, ports.call_many(STRIPE, "retrieve", requests), strict=True))
    first = {child.stripe_id: child.orphan.item for child in reversed(children)}
    outcomes = _write_all(step_id, way, answers, first, ports)
    noted = {
        "field": way.settings.field,
        "code": "parent_first",
        "message": f"The {way.settings.object} that it refers to was not in the org yet, and was saved first",
    }
    return {
        child.orphan.place: outcome if outcome is not None else Rescued([noted])
        for child in children
        for outcome in [outcomes[child.stripe_id]]
    }


def _write_all(
    step_id: str, way: _Way, answers: Mapping[str, Result], first: Mapping[str, Item], ports: Ports
) -> dict[str, Rescued | None]:
    """Save what was read and return, by Stripe id, what came of it instead: None where it was saved."""
    outcomes: dict[str, Rescued | None] = {}
    records: dict[str, dict[str, Any]] = {}
    for stripe_id, answer in answers.items():
        try:
            records[stripe_id] = _record(way, answer)
        except IntegrationError as failure:
            outcomes[stripe_id] = Rescued([], failure)
        except MappingFailed as failed:
            outcomes[stripe_id] = Rescued([], unmapped(failed))
    outcomes |= _merged(way, records, ports)
    records = {stripe_id: record for stripe_id, record in records.items() if stripe_id not in outcomes}
    targets = {stripe_id: _target(way, record) for stripe_id, record in records.items()}
    granted = ports.lease("salesforce", sorted(set(targets.values()))) if targets else frozenset()
    for stripe_id, target in targets.items():
        if target not in granted:
            outcomes[stripe_id] = Rescued([], another_writes(target, ports))
            del records[stripe_id]
    for stripe_id, result in zip(records, _upsert(way, records, ports), strict=True):
        if isinstance(result, IntegrationError):
            settled = settle(first[stripe_id], result, shared=targets[stripe_id])
            outcomes[stripe_id] = Rescued([], settled)
            continue
        written = {**result, "values": records[stripe_id], "read": answers[stripe_id]}
        ports.remember(first[stripe_id], _kept(step_id, way, written, first[stripe_id]))
        outcomes[stripe_id] = None
    return outcomes


def _merged(way: _Way, records: Mapping[str, Mapping[str, Any]], ports: Ports) -> dict[str, Rescued]:
    """Return what is done about parents that are gone, by Stripe id: those that were merged are there."""
    keys = {stripe_id: str(record[way.settings.external_id]) for stripe_id, record in records.items()}
    moved = ports.moved(way.settings.object, list(keys.values())) if keys else {}
    found: dict[str, Rescued] = {}
    for stripe_id, key in keys.items():
        if key in moved and not moved[key].record_id:
            found[stripe_id] = Rescued([], not_known_yet(ports))
        elif key in moved:
            said = f"The {way.settings.object} that it refers to was merged into {moved[key].record_id}"
            noted = {"field": way.settings.field, "code": "parent_merged", "message": said}
            found[stripe_id] = Rescued([noted], refers={way.settings.field: moved[key].record_id})
    return found


def _record(way: _Way, answer: Result) -> dict[str, Any]:
    """
    Return the record that was made of what Stripe answered.

    :raises IntegrationError: if Stripe could not be read
    :raises MappingFailed: if no record can be made of it
    """
    if isinstance(answer, IntegrationError):
        raise answer
    record = way.mapping.apply({way.settings.read: answer["object"]}).record
    if not id_in(record.get(way.settings.external_id)):
        field = way.settings.external_id
        raise MappingFailed(field, "no_external_id", f"{field} of {way.settings.object} has no value")
    return record


def _target(way: _Way, record: Mapping[str, Any]) -> str:
    return f"{way.settings.object}:{record[way.settings.external_id]}"


def _upsert(way: _Way, records: Mapping[str, dict[str, Any]], ports: Ports) -> Sequence[Result]:
    by = way.settings.external_id
    requests: list[Params] = [
        {
            "object": way.settings.object,
            "external_id_field": by,
            "external_id": record[by],
            "values": nested({name: value for name, value in record.items() if name != by}),
        }
        for record in records.values()
    ]
    return ports.call_many("salesforce", "upsert", requests) if requests else []


def _kept(step_id: str, way: _Way, written: Mapping[str, Any], item: Item) -> Write:
    values, read = written["values"], written["read"]
    return Write(
        step=step_id,
        object=way.settings.object,
        external_id=values[way.settings.external_id],
        record_id=written["id"],
        created=written["created"],
        values=values,
        stripe_id=read["object"]["id"],
        source=source_of(read),
        event_id=item.event_id,
    )
