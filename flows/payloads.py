"""This module opens what the inbox keeps sealed: the body of an event, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.stripe import webhooks
from integrator import vault

_LARGEST_AMOUNT = (1 << 63) - 1  # what the database's column holds; nothing real comes near it

# Where Stripe's objects say what they are worth, the most telling first.
_AMOUNTS = ("amount", "amount_due", "total")


# Dispatch opens a body and the run that it opens, as a rule in the same pass, needs it again.
_MOST_KEPT = 1_000
_DELETED = "The content was deleted because of its age."
_LARGEST_KEPT = 16_384  # bytes sealed; Stripe's events are far smaller


class Unreadable(Exception):
    """The body does not open (`sealed`), is gone, or what is in it is no event."""

    def __init__(self, message: str, *, sealed: bool = False) -> None:
        super().__init__(message)
        self.sealed = sealed


def open_body(sealed: bytes | memoryview, *, connection_id: int) -> dict[str, Any]:
    """
    Return the event in a sealed body.

    :raises Unreadable: if it was deleted for its age, its key is lost, it is no JSON or no object
    """
    return readable(*open_bodies([(sealed, connection_id)]))


Opened = dict[str, Any] | Unreadable  # an event, or why it cannot be read


def readable(opened: Opened) -> dict[str, Any]:
    """
    Return an event that was opened with others.

    :raises Unreadable: if it could not be read
    """
    if isinstance(opened, Unreadable):
        raise opened
    return opened


def open_bodies(sealed: Sequence[tuple[bytes | memoryview, int]]) -> list[Opened]:
    """Return the event in each sealed body, which came through a connection, or why it cannot be read."""
    there = [(body, f"event:{connection}") for body, connection in sealed if body]
    opened = iter(vault.unseal_many(there))
    return [_event_in(next(opened)) if body else Unreadable(_DELETED) for body, _ in sealed]


def _event_in(raw: bytes | vault.Unreadable) -> Opened:
    if isinstance(raw, vault.Unreadable):
        return Unreadable(str(raw), sealed=True)
    event = webhooks.payload(raw)
    return Unreadable(event.reason) if isinstance(event, webhooks.Unreadable) else event


def open_kept(sealed: bytes | memoryview, *, run_id: int) -> dict[str, Any]:
    """
    Return what a run has done for good inside of steps.

    :raises Unreadable: if its key is lost, or it is no JSON
    """
    try:
        raw = vault.unseal(sealed, owner=f"kept:{run_id}")
    except vault.Unreadable as failure:
        raise Unreadable(str(failure), sealed=True) from None
    kept = webhooks.payload(raw)
    if isinstance(kept, webhooks.Unreadable):
        raise Unreadable(kept.reason)
    return kept


class Kept:
    """Bodies that were opened a moment ago, for one more use each."""

    def __init__(self) -> None:
        self._events: dict[int, dict[str, Any]] = {}

    def keep(self, event_id: int, event: dict[str, Any], *, size: int) -> None:
        """Keep an event that may be needed soon, unless it is large; the oldest makes room."""
        if size > _LARGEST_KEPT:
            return
        if len(self._events) >= _MOST_KEPT:
            self._events.pop(next(iter(self._events)), None)
        self._events[event_id] = event

    def take(self, event_id: int) -> dict[str, Any] | None:
        """Return the event if it is still here. Whoever takes it may change it: it is theirs alone."""
        return self._events.pop(event_id, None)


KEPT = Kept()


def is_thin(event: Mapping[str, Any]) -> bool:
    """Tell whether the event only names its object (https://docs.stripe.com/event-destinations)."""
    return str(event.get("object", "")).startswith("v2.")


def object_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the object that a snapshot event carries, or of a thin one the little that it says of its object.

    :raises Unreadable: if there is none
    """
    if is_thin(event):
        return _named(event)
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise Unreadable("The event carries no object")
    return found


def objects_of(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return what an event is about: its object, or one for each record that an event of Salesforce names.

    :raises Unreadable: if there is none
    """
    found = object_of(event)
    records = event.get("record_ids")
    if not isinstance(records, list) or len(records) < 2:
        return [found]
    return [{**found, "Id": record} for record in records]


def _named(event: Mapping[str, Any]) -> dict[str, Any]:
    related = event.get("related_object")
    if not isinstance(related, dict) or not related.get("type") or not related.get("id"):
        raise Unreadable("The event names no object")
    return {"object": related["type"], "id": related["id"]}


def worth_of(found: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return amount in minor units and currency of an object as a list shows them, if it has any."""
    currency = found.get("currency")
    if not isinstance(currency, str) or len(currency) != 3:
        return None, ""
    for name in _AMOUNTS:
        amount = found.get(name)
        if type(amount) is int and abs(amount) <= _LARGEST_AMOUNT:
            return amount, currency.upper()
    return None, ""
