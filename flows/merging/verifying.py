"""This module looks, after a merge, whether everything is where it belongs: values, children and links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from flows.merging import reading
from flows.merging.reading import Relation
from flows.models import Link, Merge
from integrator.kernel import errors
from integrator.kernel.redact import redact_text

FEW = 5  # ids that are named
# A refusal of these says that it cannot be asked at all, and not that something is wrong.
_UNASKABLE = (errors.Refused, errors.Forbidden, errors.Missing)


def verify(merge: Merge) -> Iterator[dict[str, Any]]:
    """
    Yield what was found, line by line: `about`, `says`, and whether it is `ok`.

    :raises IntegrationError: if the org cannot be asked now
    :raises vault.Unreadable: if no key opens what the merge keeps
    """
    yield from _losers(merge)
    yield from _values(merge)
    for one in merge.children:
        yield from _children(merge, one)
    yield from _links(merge)


def _line(about: str, says: str, *, ok: bool) -> dict[str, Any]:
    return {"about": about, "says": says, "ok": ok}


def _losers(merge: Merge) -> Iterator[dict[str, Any]]:
    became = reading.became(merge.connection, merge.object, merge.losers)
    for one in merge.losers:
        ok = became.get(one) == merge.master
        says = "It is in the recycle bin." if ok else f"{one} is not marked as merged."
        yield _line(f"{merge.label} {one}", says, ok=ok)


def _values(merge: Merge) -> Iterator[dict[str, Any]]:
    """Compare what the record has with what it was given; what an automation of the org changed is told."""
    described = reading.describe(merge.connection, merge.object)
    found = reading.records(merge.connection, described, [merge.master]).get(merge.master)
    about = f"{merge.label} {merge.master}"
    if found is None:
        yield _line(about, f"{merge.master}, which was to be kept, is not there any more.", ok=False)
        return
    wrong = [name for name, value in merge.values().items() if not _same(found.get(name), value)]
    if wrong:
        names = ", ".join(wrong[:FEW])
        says = f"It has other values than were given in {names}: something in the org sets them."
        yield _line(about, says, ok=False)
    else:
        yield _line(about, "It has the values that were chosen.", ok=True)


def _same(found: Any, given: Any) -> bool:
    if found in (None, "") or given in (None, ""):
        return found in (None, "") and given in (None, "")
    if isinstance(found, (int, Decimal)) and isinstance(given, (int, Decimal)):
        return Decimal(found) == Decimal(given)
    if str(found).split() == str(given).split():  # XML has one way to end a line
        return True
    try:
        return datetime.fromisoformat(str(found)) == datetime.fromisoformat(str(given))
    except (ValueError, TypeError):
        return False


def _children(merge: Merge, one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    relation = Relation(str(one["object"]), str(one["field"]))
    about = f"{relation.object}.{relation.field}"
    ids = [child for children in one["ids"].values() for child in children if child not in merge.ids]
    if one.get("unknown") or not ids:
        return
    try:
        now = reading.where(merge.connection, relation, ids)
    except _UNASKABLE as failure:
        yield _line(about, redact_text(f"They cannot be looked at any more: {failure}")[:300], ok=False)
        return
    left = [child for child in ids if child in now and now[child] != merge.master]
    gone = [child for child in ids if child not in now]
    for children, verb in (
        (left, "do not refer to the record that was kept"),
        (gone, "are not there any more"),
    ):
        if children:
            more = f" and {len(children) - FEW:,} more" if len(children) > FEW else ""
            yield _line(about, f"These {verb}: {', '.join(children[:FEW])}{more}.", ok=False)
    if not left and not gone:
        told = f"All {len(ids):,} refer to it." if len(ids) > 1 else "It refers to it."
        yield _line(about, f"{told} Those beyond are not looked at." if one.get("more") else told, ok=True)


def _links(merge: Merge) -> Iterator[dict[str, Any]]:
    known = {int(one["id"]): str(one["stripe_id"]) for one in merge.links}
    there = dict(Link.objects.filter(pk__in=known).values_list("pk", "record_id"))
    for link, stripe_id in known.items():
        if link in there:
            ok = there[link] == merge.master
            says = "Its link leads to the record that was kept." if ok else "Its link has not moved."
            yield _line(stripe_id, says, ok=ok)
