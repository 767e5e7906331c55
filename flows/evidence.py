"""This module makes a question fit to be answered: its options by number, and its evidence as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows import reviews
from flows.agreeing.merging import OWED
from flows.models import Review
from integrator import vault
from integrator.kernel.redact import redact, redact_text

KEYS = 9  # options that a single key chooses
MOST_FACTS = 40
CHANGED = "changed"  # under this name a conflict has who changed each side, and when
FIELDS = "fields"  # under this name it has the fields that both sides have changed
RECORDS = "records"  # under this name the evidence has the records that are chosen among


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
    """One field that both sides have changed."""

    name: str
    stripe: Fact
    salesforce: Fact
    agreed: Fact


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a person sees it."""

    choices: Sequence[Choice]
    facts: Sequence[Fact] = ()
    contested: Sequence[Contested] = ()
    changed: Mapping[str, str] = field(
        default_factory=dict
    )  # who changed each side and when, as far as known
    answer: str = ""  # the label of the answer that was given
    unreadable: str = ""
    hidden: bool = False  # there are values that the reader's role does not include
    keys: int = field(default=0)


def of(review: Review, *, values: bool) -> Asked:
    """Return `review` as a person sees it, the values of records only if `values`."""
    told, unreadable = _evidence(review) if values else ({}, "")
    records = _records(told)
    contested = _contested(review, told)
    left_out = {RECORDS if records else "", *((FIELDS, CHANGED) if contested else ()), "link"}
    rest = {name: value for name, value in told.items() if name not in left_out}
    choices = choices_of(review, values=values, records=records)
    given = next((choice.label for choice in choices if choice.value == review.answer), review.answer)
    return Asked(
        choices=choices,
        facts=[_fact(name, value) for name, value in list(rest.items())[:MOST_FACTS]],
        contested=contested,
        changed=_changed(told.get(CHANGED)) if contested else {},
        answer="What was said for each field" if given == reviews.EACH else given,
        unreadable=unreadable,
        hidden=not values and bool(review.evidence),
        keys=min(len(choices), KEYS),
    )


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


def _is_record(review: Review, option: Mapping[str, Any]) -> bool:
    """Tell whether the label of `option` is made of a record's fields: then its description is the id."""
    return review.kind == Review.Kind.SEVERAL and option.get("description") == option["value"]


def _evidence(review: Review) -> tuple[dict[str, Any], str]:
    try:
        masked: dict[str, Any] = redact(reviews.evidence_of(review))
    except (vault.Unreadable, ValueError) as failure:
        return {}, str(failure)
    return masked, ""


def _contested(review: Review, told: Mapping[str, Any]) -> list[Contested]:
    fields = told.get(FIELDS)
    if review.kind != Review.Kind.CONFLICT or not isinstance(fields, Mapping):
        return []
    return [
        Contested(
            name, *(_fact(side, _short(values.get(side))) for side in ("stripe", "salesforce", "agreed"))
        )
        for name, values in fields.items()
        if isinstance(values, Mapping)
    ]


def _changed(told: Any) -> dict[str, str]:
    """Return who changed each side and when, in a line."""
    sides = told.items() if isinstance(told, Mapping) else ()
    return {
        str(side): ", ".join(str(part)[:80] for part in (one.get("by"), one.get("at")) if part)
        for side, one in sides
        if isinstance(one, Mapping)
    }


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
