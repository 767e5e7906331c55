"""This module makes a question fit to be answered: its options by number, and its evidence as facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors import schemas
from flows import agreements, beside, reviews
from flows.agreeing.merging import OWED
from flows.beside import Beside, Column
from flows.models import Link, Review
from integrator import vault
from integrator.kernel.redact import redact, redact_text

KEYS = 9  # options that a single key chooses
MOST_FACTS = 40
CHANGED = "changed"  # under this name a conflict has who changed each side, and when
FIELDS = "fields"  # under this name it has the fields that both sides have changed
RECORDS = "records"  # under this name the evidence has the records that are chosen among
RECORD, LINK = "record", "link"  # under these names a conflict has which two it is about
_LONGEST_NAME = 120
_NAMES = ("Name", "LastName", "Subject", "CaseNumber")  # what a record is called, by the fields of its object
_TOLD_NAMES = ("name", "Name", "company", "LastName", "email", "Email")  # what a customer is, by what is told


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that helps to answer; `tree` for what is more than a text."""

    name: str
    text: str = ""
    tree: Any = None
    differs: bool = False  # the records that are chosen among do not agree in it


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that may be given."""

    key: str  # of the keyboard; empty behind the ninth
    value: str
    label: str
    description: str
    facts: Sequence[Fact] = ()


@dataclass(frozen=True, slots=True)
class Contested:
    """One field that both sides have changed; `label` is what the org calls it."""

    name: str
    label: str
    stripe: Fact
    salesforce: Fact
    agreed: Fact

    @property
    def called(self) -> str:
        """Return what a person calls the field."""
        return self.label or self.name.partition(".")[2] or self.name


@dataclass(frozen=True, slots=True)
class Changed:
    """Who changed a side last and when, as far as known; `text` is a time that cannot be read."""

    by: str = ""
    at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The two that a conflict is about, and what the record is called, where that is known."""

    object: str
    label: str
    record_id: str
    stripe_id: str
    name: str = ""
    link: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a person sees it."""

    choices: Sequence[Choice]
    facts: Sequence[Fact] = ()
    contested: Sequence[Contested] = ()
    changed: Mapping[str, Changed] = field(default_factory=dict)  # by side
    pairing: Pairing | None = None  # of a conflict
    beside: Beside | None = None  # of a customer who may be known
    answer: str = ""  # the label of the answer that was given
    unreadable: str = ""
    hidden: bool = False  # there are values that the reader's role does not include
    keys: int = field(default=0)

    @property
    def candidates(self) -> list[tuple[Choice | None, Column]]:
        """Return the records that a customer may be, each with the answer that it is, if it may be one."""
        columns = self.beside.columns if self.beside else {}
        choices = {choice.value: choice for choice in self.choices}
        return [(choices.get(id), column) for id, column in columns.items()]

    @property
    def others(self) -> list[Choice]:
        """Return the answers that stand for no record."""
        return [
            choice for choice in self.choices if not self.beside or choice.value not in self.beside.columns
        ]


def of(review: Review, *, values: bool) -> Asked:
    """Return `review` as a person sees it, the values of records only if `values`."""
    told, unreadable = _evidence(review) if values else ({}, "")
    records = _records(told)
    contested = _contested(review, told)
    pairing = _pairing(review, told) if contested else None
    customer = _customer(review, told) if review.kind == Review.Kind.DUPLICATE else None
    left_out = {RECORDS if records else "", *((FIELDS, CHANGED) if contested else ()), LINK}
    left_out |= {RECORD} if pairing else set()
    rest = {name: value for name, value in told.items() if name not in left_out and not customer}
    choices = choices_of(review, values=values, records=records)
    given = next((choice.label for choice in choices if choice.value == review.answer), review.answer)
    return Asked(
        choices=choices,
        facts=[_fact(name, value) for name, value in list(rest.items())[:MOST_FACTS]],
        contested=contested,
        changed=_changed(told.get(CHANGED)) if contested else {},
        pairing=pairing,
        beside=customer,
        answer="What was said for each field" if given == reviews.EACH else given,
        unreadable=unreadable,
        hidden=not values and bool(review.evidence),
        keys=min(len(choices), KEYS),
    )


def names_of(rows: Iterable[Review]) -> dict[int, str]:
    """Return by its number what the customer of each of `rows` is called that asks who a customer is."""
    return {pk: one.name for pk, one in summaries_of(rows).items() if one.name}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list says of a question about a duplicate: a name, and how likely its likest record is."""

    name: str = ""
    percent: int | None = None
    points: float = 0.0  # which tell more than percents where it is nearly certain


def summaries_of(rows: Iterable[Review]) -> dict[int, Summary]:
    """Return by its number what a list says of each of `rows` that asks about a duplicate."""
    return {
        review.pk: _summary(_evidence(review)[0]) for review in rows if review.kind == Review.Kind.DUPLICATE
    }


def _summary(evidence: Mapping[str, Any]) -> Summary:
    told = evidence.get("told")
    names = [told.get(name) for name in _TOLD_NAMES] if isinstance(told, Mapping) else []
    name = next((name for name in names if isinstance(name, str) and name.strip()), "")
    found = beside.of(evidence) if evidence.get("customer") else None
    likest = max(found.columns.values(), key=lambda one: one.points, default=None) if found else None
    if likest is None:
        return Summary(name[:_LONGEST_NAME])
    return Summary(name[:_LONGEST_NAME], likest.percent, likest.points)


def choices_of(
    review: Review, *, values: bool, records: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Choice]:
    """
    Return the options of `review`, with the fields of those of `records` that they stand for.

    Which records fit is told by their ids alone unless `values`.
    """
    return [
        _choice(number, option, values or not _is_record(review, option), records or {})
        for number, option in enumerate(review.options, 1)
    ]


def records_of(review: Review) -> list[Choice]:
    """Return those options of `review` that stand for records."""
    choices = choices_of(review, values=True)
    return [
        choice for choice, option in zip(choices, review.options, strict=True) if _is_record(review, option)
    ]


def _is_record(review: Review, option: Mapping[str, Any]) -> bool:
    """Tell whether the label of `option` is made of a record's fields: then its description is the id."""
    of_records = review.kind in (Review.Kind.SEVERAL, Review.Kind.DUPLICATE)
    return of_records and option.get("description") == option["value"]


def _evidence(review: Review) -> tuple[dict[str, Any], str]:
    try:
        masked: dict[str, Any] = redact(reviews.evidence_of(review))
    except (vault.Unreadable, ValueError) as failure:
        return {}, str(failure)
    return masked, ""


def _customer(review: Review, told: Mapping[str, Any]) -> Beside | None:
    """Return a customer, or a record that was refused, beside the records that it may be."""
    object_, named = str(told.get("object") or ""), told.get("labels")
    labels = _labels(review, {object_}) if object_ and named else {}
    prefix = f"{object_}."
    return beside.of(told, {name.removeprefix(prefix): label for name, label in labels.items()})


def _contested(review: Review, told: Mapping[str, Any]) -> list[Contested]:
    fields = told.get(FIELDS)
    if review.kind != Review.Kind.CONFLICT or not isinstance(fields, Mapping):
        return []
    labels = _labels(review, {name.partition(".")[0] for name in fields})
    return [
        Contested(
            name,
            labels.get(name, ""),
            *(_fact(side, _short(values.get(side))) for side in ("stripe", "salesforce", "agreed")),
        )
        for name, values in fields.items()
        if isinstance(values, Mapping)
    ]


def _labels(review: Review, objects: set[str]) -> dict[str, str]:
    """Return what the org calls `objects` and their fields, by their paths, as it was described last."""
    found: dict[str, str] = {}
    for name in sorted(objects):
        schema = schemas.kept(connection=review.pair.salesforce, object=name) if name[:1].isupper() else None
        if schema is not None:
            found[name] = str(schema.content.get("label") or "")
            found |= {f"{name}.{one['name']}": str(one.get("label") or "") for one in schema.fields}
    return found


def _pairing(review: Review, told: Mapping[str, Any]) -> Pairing | None:
    """Return which two `review` is about; nothing if it does not say so."""
    match told.get(LINK), told.get(RECORD):
        case [str(object_), str(external_id)], record:
            mine = Link.objects.filter(pair=review.pair_id, salesforce_object=object_)
            link = mine.filter(external_id=external_id).order_by("-pk").first()
        case _:
            return None
    ids = record if isinstance(record, Mapping) else {}
    return Pairing(
        object_,
        _labels(review, {object_}).get(object_) or object_,
        str(ids.get("id") or (link.record_id if link else "")),
        str(ids.get("stripe") or (link.stripe_id if link else "")),
        _name_of(object_, told, link),
        link.pk if link else None,
    )


def _name_of(object_: str, told: Mapping[str, Any], link: Link | None) -> str:
    """Return what the record is called: as both sides agreed last, else as the org has it; maybe nothing."""
    try:
        known = redact(agreements.opened(link.base, link.pair_id).get("values") or {}) if link else {}
    except (vault.Unreadable, ValueError):
        known = {}
    for path in (f"{object_}.{name}" for name in _NAMES):
        asked = told[FIELDS].get(path)
        for name in (known.get(path), asked.get("salesforce") if isinstance(asked, Mapping) else None):
            if isinstance(name, str) and name:
                return name[:_LONGEST_NAME]
    return ""


def _changed(told: Any) -> dict[str, Changed]:
    """Return who changed each side and when."""
    sides = told.items() if isinstance(told, Mapping) else ()
    found = {str(side): _change(one) for side, one in sides if isinstance(one, Mapping)}
    return {side: one for side, one in found.items() if one != Changed()}


def _change(told: Mapping[str, Any]) -> Changed:
    by, at = str(told.get("by") or "")[:80], str(told.get("at") or "")[:80]
    try:
        moment = datetime.fromisoformat(at.removesuffix(" UTC"))
    except ValueError:
        return Changed(by, text=at)
    return Changed(by, moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _short(value: Any) -> Any:
    """Return a value as a person reads it: of a long text its beginning, of one that is owed nothing."""
    if isinstance(value, Mapping) and "sha256" in value:
        return f"{value.get('begin', '')}…"
    return None if value == OWED else value


def _records(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of each record that is chosen among, by its id."""
    found = told.get(RECORDS)
    if not isinstance(found, list):
        return {}
    flat = [dict(_flat(record)) for record in found if isinstance(record, Mapping)]
    return {str(record["Id"]): record for record in flat if "Id" in record}


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of `record`, those of look-ups by their dotted names."""
    for name, value in record.items():
        if name == "attributes":  # Salesforce's own: type and address
            continue
        if isinstance(value, Mapping) and not prefix:
            yield from _flat(value, f"{name}.")
        else:
            known = "Id" if not prefix and name.lower() == "id" else name
            yield f"{prefix}{known}", value


def _choice(
    number: int, option: Mapping[str, Any], named: bool, records: Mapping[str, Mapping[str, Any]]
) -> Choice:
    value = str(option["value"])
    return Choice(
        key=str(number) if number <= KEYS else "",
        value=value,
        label=redact_text(str(option["label"])) if named else value,
        description=redact_text(str(option.get("description", ""))),
        facts=list(_facts_of(records[value], records)) if value in records else (),
    )


def _facts_of(record: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> Iterator[Fact]:
    """Yield the fields of `record`, in the same order for all, those apart in which they do not agree."""
    names = dict.fromkeys(name for one in records.values() for name in one if name != "Id")
    for name in list(names)[:MOST_FACTS]:
        agree = len({repr(one.get(name)) for one in records.values()}) == 1
        yield _fact(name, record.get(name), differs=not agree)


def _fact(name: str, value: Any, *, differs: bool = False) -> Fact:
    if isinstance(value, Mapping | list):
        return Fact(name, tree=value, differs=differs)
    if isinstance(value, bool):
        return Fact(name, "yes" if value else "no", differs=differs)
    return Fact(name, "" if value is None else str(value), differs=differs)
