"""This module sets the records that would result against those that are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connectors import reading
from connectors.base import Result
from flows.engine.trace import shown
from flows.models import Link, Pair
from flows.steps.candidates import value_of
from flows.trials.results import Record, same
from flows.trials.tape import loads
from integrator import vault
from integrator.kernel.errors import IntegrationError, Missing

MOST = 50  # records that are looked up
_SECONDS = 5.0

# Where what is was learned: read just now, from what was last written by this product, or not at all.
Known = Literal["read", "agreed", "unknown"]


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a record that would be saved."""

    field: str
    would: Any
    is_: Any
    state: Literal["new", "changed", "same", "unknown"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A record that would be saved, beside the one that is."""

    record: Record
    known: Known
    exists: bool
    rows: Sequence[Row]
    trouble: str = ""  # why it could not be looked up

    @property
    def is_beside(self) -> bool:
        """Tell whether anything is known of the record that is."""
        return self.known == "read" or any(row.state != "unknown" for row in self.rows)

    @property
    def changes(self) -> int:
        """Return how many fields would be another than they are."""
        return sum(row.state in ("new", "changed") for row in self.rows)


def compare(records: Sequence[Record], *, pair: Pair | None, live: bool) -> list[Compared]:
    """Return `records` beside those that are: looked up if `live`, else as they were last written."""
    if pair is None:
        return [_compared(record, "unknown", None) for record in records]
    if live:
        answers = _read(records[:MOST], pair)
        beyond = [_compared(record, "unknown", None) for record in records[MOST:]]
        looked = zip(records, answers, strict=False)  # those beyond were not looked for
        return [*(_looked_up(one, answer) for one, answer in looked), *beyond]
    agreed = _agreed(records, pair)
    return [_compared(record, "agreed", agreed.get((record.object, record.key))) for record in records]


def _read(records: Sequence[Record], pair: Pair) -> list[Result]:
    """Return what there is of each record, as `records` of which there is one or none."""
    answers: dict[int, Result] = {}
    slots = pair.slots()
    for slot in dict.fromkeys(one.slot for one in records):
        action, request = _READING[slot]
        places = [place for place, one in enumerate(records) if one.slot == slot]
        requests = [request(records[place]) for place in places]
        found = reading.read_many(
            connection_id=slots[slot], action=action, requests=requests, deadline=_SECONDS
        )
        answers.update(zip(places, map(_as_records, found), strict=True))
    return [answers[place] for place in range(len(records))]


def _in_salesforce(one: Record) -> dict[str, Any]:
    return {"object": one.object, "field": one.key_field, "values": [one.key], "fields": list(one.fields)}


def _in_stripe(one: Record) -> dict[str, Any]:
    return {"type": one.object, "id": one.key}


# By slot: the action that reads, and what makes its request.
_READING: Mapping[str, tuple[str, Callable[[Record], dict[str, Any]]]] = {
    "salesforce": ("find", _in_salesforce),
    "stripe": ("retrieve", _in_stripe),
}


def _as_records(answer: Result) -> Result:
    if isinstance(answer, Missing):
        return {"records": []}
    if isinstance(answer, IntegrationError) or "records" in answer:
        return answer
    return {"records": [answer["object"]]}


def _looked_up(record: Record, answer: Result) -> Compared:
    if isinstance(answer, IntegrationError):
        return _compared(record, "unknown", None, trouble=str(answer))
    found = answer["records"]
    fields = {name: shown(value_of(found[0], name)) for name in record.fields} if found else None
    return _compared(record, "read", fields)


def _agreed(records: Sequence[Record], pair: Pair) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what was last written to each record, by object and key, as far as it can be opened."""
    keys = {record.key for record in records}
    rows = Link.objects.filter(pair=pair, external_id__in=keys) | Link.objects.filter(
        pair=pair, record_id__in=keys
    )
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for link in rows.order_by("id")[: 4 * MOST]:
        try:
            values = shown(loads(vault.unseal(link.agreed, owner=f"link:{link.pair_id}")))
        except (vault.Unreadable, ValueError):
            continue
        for key in (link.record_id, link.external_id):
            known.setdefault((link.salesforce_object, key), values)
    return known


def _compared(record: Record, known: Known, fields: Mapping[str, Any] | None, trouble: str = "") -> Compared:
    rows = [_row(name, value, known, fields) for name, value in record.fields.items()]
    return Compared(record, known, fields is not None, rows, trouble)


def _row(name: str, would: Any, known: Known, fields: Mapping[str, Any] | None) -> Row:
    if known == "unknown" or (known == "agreed" and (fields is None or name not in fields)):
        return Row(name, would, None, "unknown")
    if fields is None:
        return Row(name, would, None, "new")
    is_ = fields.get(name)
    return Row(name, would, is_, "same" if same(would, is_) else "changed")
