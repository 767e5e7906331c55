"""This module tells which objects of a list are otherwise than when they were last handled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from connectors.models import Connection
from flows import payloads
from flows.models import Event, Fate, SweptObject
from integrator.kernel import canonical

EVENTS_COMPARED = 5  # of one object, the newest

# What differs from one reading to the next though nothing happened: addresses with a token in them.
_FLEETING = frozenset({"client_secret", "hosted_invoice_url", "invoice_pdf", "pdf", "receipt_url"})

# An event that no flow wanted, or that was refused, changed nothing: what it said may still be missing.
_HANDLED = frozenset(Fate) - {Fate.IGNORED, Fate.REFUSED}


class Found(NamedTuple):
    """An object as it is listed."""

    id: str
    fingerprint: str
    object: dict[str, Any]


def readable(elements: Sequence[Any]) -> list[Found]:
    """Return what is an object with an id among the `elements` of a list; nothing else can be compared."""
    return [
        Found(element["id"], fingerprint(element), element)
        for element in elements
        if isinstance(element, dict) and isinstance(element.get("id"), str) and 0 < len(element["id"]) <= 255
    ]


def fingerprint(element: Mapping[str, Any]) -> str:
    """Return what is the same for two readings of an object that did not change meanwhile."""
    return canonical.fingerprint({name: value for name, value in element.items() if name not in _FLEETING})


def changed(connection: Connection, object_type: str, found: Sequence[Found]) -> list[Found]:
    """Return those that are otherwise than at the last sweep, or that no sweep has seen."""
    seen = SweptObject.objects.filter(
        connection=connection, object_type=object_type, object_id__in=[one.id for one in found]
    )
    known = dict(seen.values_list("object_id", "fingerprint"))
    return [one for one in found if known.get(one.id) != one.fingerprint]


def missed(connection: Connection, found: Sequence[Found]) -> list[Found]:
    """Return those of which no event that was handled has told that they are as they are."""
    return [one for one in found if not _told(connection, one)]


def _told(connection: Connection, one: Found) -> bool:
    about = Event.objects.filter(connection=connection, object_id=one.id, fate__in=_HANDLED)
    newest = about.filter(purged_at=None).order_by("-id").values_list("body", flat=True)[:EVENTS_COMPARED]
    return any(_fingerprint_in(body, connection.pk) == one.fingerprint for body in newest)


def _fingerprint_in(body: bytes | memoryview, connection_id: int) -> str:
    try:
        event = payloads.open_body(body, connection_id=connection_id)
        return "" if payloads.is_thin(event) else fingerprint(payloads.object_of(event))
    except payloads.Unreadable:
        return ""
