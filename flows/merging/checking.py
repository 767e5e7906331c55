"""
This module shows what a merge would do, without doing anything, and keeps that as a merge to be done.

What is kept is what a person has seen: whoever has it done later does exactly this, or nothing if the records
have changed meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from connectors.models import Connection
from connectors.salesforce.ids import as_18
from connectors.salesforce.merging import MERGEABLE, MOST_LOSERS
from flows.merging import reading
from flows.merging.reading import Children, Described
from flows.models import Link, Merge
from flows.survivors import Line, Preset, lines_of, values_of
from integrator.accounts import audit
from integrator.kernel.refusals import Unacceptable

OBJECTS = tuple(sorted(MERGEABLE))
MOST = MOST_LOSERS + 1

_WORD = re.compile(r"[\s,;]+")
# https://acme.lightning.force.com/lightning/r/Account/001.../view, or https://acme.my.salesforce.com/001...
_IN_ADDRESS = re.compile(r"/([A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?)(?=[/?#]|$)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants to merge: the master's id first."""

    connection: Connection
    object: str
    ids: Sequence[str]
    preset: Preset = Preset.KEEP
    chosen: Mapping[str, str] | None = None  # by field, the id of the record whose value is wanted


@dataclass(frozen=True, slots=True)
class Linked:
    """A link of one of the records; whether it moves, and whether a person is asked before its next write."""

    link: Link
    moves: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a merge would do; the records are in the order of `wanted`, the master's first."""

    wanted: Wanted
    described: Described
    records: Sequence[Mapping[str, Any]]
    lines: Sequence[Line]
    values: Mapping[str, Any]
    children: Sequence[Children]
    links: Sequence[Linked]

    @property
    def differing(self) -> list[Line]:
        """Return the fields in which the records differ."""
        return [line for line in self.lines if line.differs]

    @property
    def losers(self) -> Sequence[str]:
        """Return the ids of the records that go."""
        return self.wanted.ids[1:]


def ids_in(text: str) -> list[str]:
    """
    Return the ids of records in what a person typed: ids, or addresses of records in Salesforce.

    :raises Unacceptable: if something in it is neither
    """
    found = [_id_in(word) for word in _WORD.split(text.strip()) if word]
    return list(dict.fromkeys(found))


def _id_in(word: str) -> str:
    inside = _IN_ADDRESS.findall(word.partition("?")[0]) if "/" in word else [word]
    try:
        return as_18(inside[-1])
    except (ValueError, IndexError):
        message = (
            f"{word[:60]!r} is neither the id of a record (15 or 18 letters and digits) nor its address."
        )
        raise Unacceptable(message, field="ids") from None


def preview(wanted: Wanted) -> Preview:
    """
    Ask the org for the records and what refers to them, and return what merging them would do.

    :raises Unacceptable: if these cannot be merged
    :raises IntegrationError: if the org does not tell
    """
    _check(wanted)
    connection = wanted.connection
    described = reading.describe(connection, wanted.object)
    found = reading.records(connection, described, wanted.ids)
    missing = [one for one in wanted.ids if one not in found]
    if missing:
        raise Unacceptable(
            f"{described.label} {', '.join(missing)} is not there, or the integration user may not see it.",
            field="ids",
        )
    records = [found[one] for one in wanted.ids]
    _check_chosen(wanted, described)
    lines = lines_of(described.fields, records, preset=wanted.preset, chosen=_places(wanted))
    return Preview(
        wanted=wanted,
        described=described,
        records=records,
        lines=lines,
        values=values_of(lines, records[0]),
        children=reading.children(connection, described, wanted.ids),
        links=_links(wanted.connection, wanted.object, wanted.ids),
    )


def _check(wanted: Wanted) -> None:
    if wanted.connection.system != Connection.System.SALESFORCE:
        raise Unacceptable("Only records in Salesforce are merged.", field="connection")
    if wanted.object not in OBJECTS:
        raise Unacceptable(f"Salesforce merges {', '.join(OBJECTS)}, and nothing else.", field="object")
    if not 2 <= len(set(wanted.ids)) == len(wanted.ids) <= MOST:
        raise Unacceptable("Two or three different records are merged at a time.", field="ids")


def _check_chosen(wanted: Wanted, described: Described) -> None:
    free = {field.name for field in described.fields if not field.fixed}
    for name, record in (wanted.chosen or {}).items():
        if name not in free:
            raise Unacceptable(f"Nobody can choose whose {name[:80]} survives.", field="chosen")
        if record not in wanted.ids:
            raise Unacceptable(f"{record[:40]} is none of the records to merge.", field="chosen")


def _places(wanted: Wanted) -> dict[str, int]:
    ids = list(wanted.ids)
    return {name: ids.index(record) for name, record in (wanted.chosen or {}).items() if record in ids}


def kept_links(connection: Connection, object_: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the links of records, the master's first, as a merge keeps them."""
    return [_link(one) for one in _links(connection, object_, ids)]


def _links(connection: Connection, object_: str, ids: Sequence[str]) -> list[Linked]:
    """Return the links of the records; two of one kind at one record have a person asked, as elsewhere."""
    master = ids[0]
    rows = Link.objects.filter(
        pair__salesforce=connection, salesforce_object=object_, record_id__in=list(ids)
    )
    links = list(rows.select_related("pair__integration").order_by("id"))
    there = {_kind(link) for link in links if link.record_id == master}
    found = []
    for link in links:  # in the order in which they move
        moves, by_key = link.record_id != master, link.external_id != link.record_id
        found.append(Linked(link, moves, asks=moves and by_key and _kind(link) in there))
        there.add(_kind(link))
    return found


def _kind(link: Link) -> tuple[int, str]:
    return link.pair_id, link.stripe_id.partition("_")[0]


def check(wanted: Wanted, *, actor: str, now: datetime) -> Merge:
    """
    Keep what merging would do, for a person to read and to have done; nothing is changed by it.

    :raises Unacceptable: if these cannot be merged
    :raises IntegrationError: if the org does not tell
    """
    seen = preview(wanted)
    merge = Merge(
        connection=wanted.connection,
        object=wanted.object,
        label=seen.described.label[:255],
        master=wanted.ids[0],
        losers=list(seen.losers),
        preset=wanted.preset.value,
        chosen=dict(wanted.chosen or {}),
        survivors=[_survivor(line, wanted.ids) for line in seen.differing],
        children=[one.as_json() for one in seen.children],
        links=[_link(one) for one in seen.links],
        actor=actor[:254],
        created_at=now,
    )
    records = {one: dict(record) for one, record in zip(wanted.ids, seen.records, strict=True)}
    merge.keep(before=records, sent=seen.values)
    with transaction.atomic():
        merge.save()
        record_act(merge, actor, "merge.checked", now)
    return merge


def _survivor(line: Line, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "field": line.field.name,
        "label": line.field.label,
        "record": ids[line.winner],
        "reason": line.reason.value,
        "fixed": line.fixed,
    }


def _link(one: Linked) -> dict[str, Any]:
    link = one.link
    return {
        "id": link.pk,
        "stripe_id": link.stripe_id,
        "record": link.record_id,
        "moves": one.moves,
        "asks": one.asks,
    }


def record_act(merge: Merge, actor: str, action: str, now: datetime, **details: Any) -> None:
    """Write down who did what with a merge, in the caller's transaction."""
    connection = merge.connection
    audit.record(
        workspace=connection.environment.workspace,
        actor=actor,
        action=action,
        target=f"{merge.object} {merge.master}",
        details={
            "merge": merge.public_id,
            "connection": f"{connection.environment.slug}/{connection.name}",
            "merged": merge.losers,
            **details,
        },
        now=now,
    )
