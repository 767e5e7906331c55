"""This module finds the account or contact that a customer of Stripe is, by likeness where no key tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import AskHuman, Done, Option, Pause
from flows.engine.ports import Ports
from flows.mapping.reading import Paths, first_of
from flows.mapping.spec import API_NAME
from flows.mapping.text import clean
from flows.mapping.widgets import shown
from flows.matching import Alike, Answered, Customer, Likeness, Line, contradicting, normalise
from flows.matching.answers import APART, NEW, PERSON
from flows.matching.finding import KEYS, LINKED, OTHER_KEY, SAME_KEY
from flows.matching.objects import fields_of, normalised, values_of
from flows.matching.records import external_value
from flows.steps import candidates
from flows.steps.base import StepKind
from flows.steps.candidates import Record, id_of, value_of
from flows.steps.find import FieldPath
from flows.steps.ids import id_in, record_id_in
from integrator.kernel.errors import IntegrationError

LOOK_AGAIN = timedelta(seconds=30)  # whether the record of a customer who is alike has been made
READ_ON = timedelta(minutes=1)  # whether the org's customers have been read
TOLD = ("name", "email", "phone", "line1", "postal", "city", "country", "domain")
ID, LINK = "id", "link"
_NOTHING: Mapping[str, Any] = {"id": None, "record": None, "score": None}


def _read_from(label: str, default: str = "", *, more: bool = False) -> Any:
    return Field(
        json_schema_extra=shown(label, offers="paths", more=more, add="Add a fallback"),
        default=[default] if default else [],
        description=f"Where it is read: {label.lower()}.",
    )


class ExternalKey(BaseModel):
    """A field by which a record is known for certain."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    field: str = Field(
        json_schema_extra=shown("Field", offers="fields", of="object"),
        pattern=API_NAME,
        description="API name of the record's field that holds the key, such as a customer number.",
    )
    sources: Paths = Field(
        json_schema_extra=shown("Read from", offers="paths", add="Add a fallback"),
        alias="from",
        min_length=1,
        description="Where the customer's own value is read, such as in its metadata.",
    )
    label: str = Field(
        json_schema_extra=shown("Called"),
        default="",
        max_length=60,
        description="What people call it, such as customer number. Without it, they read the field's name.",
    )

    @property
    def called(self) -> str:
        """Return what people read."""
        return self.label or self.field


class RecogniseSettings(BaseModel):
    """What the customer tells, and among which records it is looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose org is looked through.")
    object: Literal["Account", "Contact"] = Field(
        json_schema_extra=shown("Among which records"),
        description="Accounts or contacts of the org; they are read once, and then kept up to date.",
    )
    known: Paths = Field(
        json_schema_extra=shown("Its record id, where known", offers="paths", add="Add a fallback"),
        default=[],
        description="Where the id of its record may stand already, such as in the customer's metadata. A "
        "record with this id decides at once, and so does an existing link.",
    )
    keys: list[ExternalKey] = Field(
        json_schema_extra=shown("External keys", add="Add a key"),
        default=[],
        max_length=5,
        description="Fields that hold one value for one customer, such as a customer number or a tax id. The "
        "same value decides before any likeness; if keys contradict each other, a person is asked. Neither "
        "capitals nor spaces count.",
    )
    customer: Paths = Field(
        json_schema_extra=shown("Stripe customer", offers="paths", more=True, add="Add a fallback"),
        default=["customer.id"],
        min_length=1,
        description="Where the id of the customer in Stripe is read. What people decide is remembered by it.",
    )
    name: Paths = _read_from("Name", "customer.name")
    email: Paths = _read_from("E-mail address", "customer.email")
    phone: Paths = _read_from("Phone", "customer.phone")
    line1: Paths = _read_from("Street and number", "customer.address.line1", more=True)
    postal: Paths = _read_from("Postal code", "customer.address.postal_code", more=True)
    city: Paths = _read_from("Town", "customer.address.city", more=True)
    country: Paths = _read_from("Country", "customer.address.country", more=True)
    domain: Paths = _read_from("Website", more=True)
    fields: list[FieldPath] = Field(
        json_schema_extra=shown("Fields for later steps", offers="fields", of="object", add="Add a field"),
        default=[],
        max_length=30,
        description="Fields of the record that later steps read, beside the id.",
    )


class Recognise(StepKind):
    """Find the account or contact that a customer is, by key or by likeness; a person decides in doubt."""

    slug: ClassVar[str] = "salesforce.recognise"
    label: ClassVar[str] = "Recognise a customer"
    exits: ClassVar[tuple[str, ...]] = ("found", "new")
    settings_model = RecogniseSettings
    nature: ClassVar[Nature] = "reads"  # as finding does, which asks as well

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the search as a function over a batch."""
        told = {name: first_of(paths) for name in TOLD if (paths := getattr(settings, name))}
        keys = {key.field: first_of(key.sources) for key in settings.keys}
        known = first_of(settings.known or ["steps.none"])
        read = _Reading(first_of(settings.customer), told, known, keys)
        return lambda batch, ports: _Recognising(step_id, settings, read, ports).take(batch)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot and the keys."""
        if settings.slot != "salesforce":
            return [("slot", "Customers are found in the slot salesforce")]
        fields = [key.field.lower() for key in settings.keys]
        return [("keys", "Each field is one key")] if len(set(fields)) < len(fields) else []


class _Reading:
    """What is read of a run, compiled."""

    def __init__(
        self,
        customer: Callable[[Mapping[str, Any]], Any],
        told: Mapping[str, Callable[[Mapping[str, Any]], Any]],
        known: Callable[[Mapping[str, Any]], Any],
        keys: Mapping[str, Callable[[Mapping[str, Any]], Any]],
    ) -> None:
        self._customer = customer
        self._told = told
        self._known = known
        self._keys = keys

    def customer(self, item: Item) -> Customer:
        """Return the customer; what has no id of its own is known by what the run is about."""
        fields = {name: read(item.context) for name, read in self._told.items()}
        values = ((name, read(item.context)) for name, read in self._keys.items())
        keys = {name: value for name, value in values if external_value(value)}
        if keys:
            fields["external"] = keys
        return Customer(id_in(self._customer(item.context)) or item.root_id, fields)

    def known(self, item: Item) -> str:
        """Return the id that its record has by what is known already; empty if nothing is."""
        return record_id_in(self._known(item.context))


class _Recognising:
    """One batch of customers."""

    def __init__(self, step_id: str, settings: RecogniseSettings, read: _Reading, ports: Ports) -> None:
        self._step_id = step_id
        self._settings = settings
        self._read = read
        self._ports = ports
        self._customers: list[Customer] = []
        self._answers: dict[int, Answer] = {}
        self._apart: set[int] = set()  # of whom a person said that they are none of those that were shown
        self._keys = [key.field for key in settings.keys]
        self._doubted: dict[int, tuple[str, str]] = {}  # known ids, and the keys that contradict them

    def take(self, batch: Sequence[Item]) -> list[Answer]:
        self._customers = [self._read.customer(item) for item in batch]
        self._by_person(batch)
        self._take({place: self._read.known(batch[place]) for place in self._left()}, ID)
        self._take(self._linked(), LINK)
        left = self._left()
        found = self._ports.alike(
            self._settings.slot, self._settings.object, [self._customers[place] for place in left]
        )
        self._by_likeness(dict(zip(left, found, strict=True)))
        return [self._answers[place] for place in range(len(batch))]

    def _left(self) -> list[int]:
        return [place for place in range(len(self._customers)) if place not in self._answers]

    def _by_person(self, batch: Sequence[Item]) -> None:
        chosen = {place: candidates.answer(item, self._step_id) for place, item in enumerate(batch)}
        for place, answer in chosen.items():
            # Another customer than those that were shown may still be one who has come since.
            if answer == APART and batch[place].recall(self._step_id, "remembered"):
                self._apart.add(place)
            elif answer in (APART, NEW):
                self._answers[place] = Done({**_NOTHING, "by": PERSON}, exit="new")
        # A record that is gone since is asked about anew.
        self._take({place: record_id_in(answer) for place, answer in chosen.items()}, PERSON)

    def _linked(self) -> dict[int, str]:
        left = self._left()
        ids = list(dict.fromkeys(self._customers[place].id for place in left))
        links = self._ports.links(self._settings.object, ids) if ids else {}
        return {place: links.get(self._customers[place].id, "") for place in left}

    def _take(self, wanted: Mapping[int, str], by: str, scores: Mapping[int, float] | None = None) -> None:
        """Answer those places of `wanted` whose record is there."""
        keys = {place: id for place, id in wanted.items() if id and place not in self._answers}
        found = self._records(keys.values())
        for place, id in keys.items():
            if isinstance(found, IntegrationError):
                self._answers[place] = found
            elif id in found and by not in (PERSON, LINK) and (others := self._contradicts(place, found[id])):
                if by == ID:
                    self._doubted[place] = (id, others[0])
            elif id in found:
                output = {"id": id, "record": found[id], "by": by, "score": (scores or {}).get(place)}
                self._answers[place] = Done(output, exit="found", seen=self._seen(place))

    def _contradicts(self, place: int, record: Record) -> list[str]:
        """Return the external keys of which the customer and a record tell different values."""
        mine = normalise(self._customers[place].fields)
        return contradicting(mine, normalised(self._settings.object, record, self._keys))

    def _records(self, ids: Any) -> dict[str, Record] | IntegrationError:
        """Return the records of `ids` that are there, with what is compared and what later steps read."""
        values = list(dict.fromkeys(ids))
        if not values:
            return {}
        compared = [*fields_of(self._settings.object), *self._keys]
        names = dict.fromkeys(["Id", *compared, *self._settings.fields])
        request = {
            "object": self._settings.object,
            "field": "Id",
            "values": values,
            "fields": list(names),
        }
        (result,) = self._ports.call_many(self._settings.slot, "find", [request])
        if isinstance(result, IntegrationError):
            return result
        return {record_id_in(id_of(record)): dict(record) for record in result["records"]}

    def _doubting(self, place: int, told: Likeness) -> Likeness:
        """Return `told`, with the record whose id is known among the candidates, if keys contradict it."""
        id, _ = self._doubted.get(place, ("", ""))
        is_settled = told.answered in (Answered.UNREAD, Answered.EXPECTED) or told.by == PERSON
        if not id or is_settled or id in told.apart:
            return told
        # Whatever the lines say, a key that contradicts what is known is for a person.
        others = [replace(one, veto=KEYS) for one in told.candidates if one.id != id]
        lines = (Line(SAME_KEY, "Id", LINKED), Line(OTHER_KEY, self._doubted[place][1], -LINKED))
        doubted = Alike(id, 0.0, lines, veto=KEYS)
        return replace(told, answered=Answered.PERHAPS, candidates=(doubted, *others), by="")

    def _by_likeness(self, heard: Mapping[int, Likeness]) -> None:
        answers = {place: self._doubting(place, told) for place, told in heard.items()}
        for place, told in answers.items():
            if told.answered in (Answered.UNREAD, Answered.EXPECTED, Answered.NEW):
                self._answers[place] = self._without_a_record(place, told)
        left = {place: told for place, told in answers.items() if place not in self._answers}
        for by in dict.fromkeys(told.by for told in left.values() if told.answered is Answered.SAME):
            same = {
                place: told.candidates[0]
                for place, told in left.items()
                if told.answered is Answered.SAME and told.by == by
            }
            scores = {place: one.score for place, one in same.items()}
            self._take({place: one.id for place, one in same.items()}, by, scores)
        self._ask({place: told for place, told in left.items() if place not in self._answers})

    def _without_a_record(self, place: int, told: Likeness) -> Answer:
        if told.answered is Answered.NEW:
            by = PERSON if place in self._apart else ""
            return Done({**_NOTHING, "by": by}, exit="new", seen=self._seen(place))
        now = self._ports.now()
        if told.answered is Answered.UNREAD:
            names = "contacts" if self._settings.object == "Contact" else "accounts"
            said = f"The {names} of the org have not been read, or not lately, so nobody can be recognised"
            return Pause(now + READ_ON, said, holds="run")
        said = f"The record of {told.candidates[0].id}, who may be the same, is just being made"
        return Pause(now + LOOK_AGAIN, said, holds="run")

    def _ask(self, doubtful: Mapping[int, Likeness]) -> None:
        found = self._records(one.id for told in doubtful.values() for one in told.candidates)
        for place, told in doubtful.items():
            if isinstance(found, IntegrationError):
                self._answers[place] = found
                continue
            there = [one for one in told.candidates if one.id in found]
            if not there:
                said = "The record that it may be is gone from the org; what is there now is read"
                self._answers[place] = Pause(self._ports.now() + LOOK_AGAIN, said, holds="run")
            else:
                self._answers[place] = self._question(place, told, there, found)

    def _question(
        self, place: int, told: Likeness, there: Sequence[Alike], found: Mapping[str, Record]
    ) -> AskHuman:
        object_, customer = self._settings.object, self._customers[place]
        names = {one.id: value_of(found[one.id], "Name") or one.id for one in there}
        options = [Option(id, clean(f"It is {called}")[:200], id) for id, called in names.items()]
        another = "Another customer" if len(there) == 1 else "None of them: another customer"
        options.append(Option(APART, another, "A new record is made, and nobody asks about them again."))
        options.append(Option(NEW, "Make a new record all the same", "Nothing is learned from it."))
        evidence = {
            "object": object_,
            "customer": customer.id,
            "told": _flat({name: customer.fields.get(name) for name in (*TOLD, "external")}),
            "lines": dict(told.asked),
            "candidates": [_shown(object_, one, found[one.id], self._keys) for one in there],
            "besides": [[list(finding) for finding in one] for one in told.besides],
            "labels": {key.field: key.called for key in self._settings.keys},
        }
        word = "contact" if object_ == "Contact" else "account"
        # Without the name: everybody may read a question, and not everybody what customers are called.
        question = f"Is {customer.id} {f'this {word}' if len(there) == 1 else f'one of these {word}s'}?"
        return AskHuman(question, kind="duplicate", options=options, evidence=evidence)

    def _seen(self, place: int) -> dict[str, Any]:
        customer = self._customers[place]
        return {"customer": customer.id, **customer.fields}


def _flat(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told with the external keys beside the rest."""
    keys = told.pop("external", None) or {}
    return {**told, **keys}


def _shown(object_: str, one: Alike, record: Record, keys: Sequence[str]) -> dict[str, Any]:
    return {
        "id": one.id,
        "score": one.score,
        "values": _flat(values_of(object_, record, keys)),
        "waterfall": [list(line) for line in one.waterfall],
        "findings": [list(finding) for finding in one.findings],
        "veto": one.veto,
    }
