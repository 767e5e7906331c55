"""This module says what a flow is tried on: a recorded event, a sample, or one that somebody pasted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.models import Connection
from connectors.stripe import webhooks
from connectors.stripe.places import PLACES
from connectors.stripe.roots import Root, root_of, roots_from
from flows import payloads
from flows.engine import item
from flows.models import Event
from flows.recipes import catalogue
from flows.trials import from_org, recorded
from flows.trials.from_org import KIND, OrgOccasion
from flows.trials.tape import Tape
from flows.trials.unusable import Unusable

LARGEST = 256 * 1024  # bytes of a pasted event; Stripe's own are far smaller
DEEPEST = 60  # lists and objects within each other


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event that a flow is tried on, and what is known of what the systems answered."""

    name: str
    payload: dict[str, Any]
    envelope: webhooks.Envelope
    received_at: datetime
    replayed: bool = False  # it came from a sweep or an import: history
    fetch_first: bool = False
    event_id: int = 0  # the inbox row, where there is one
    spoken: str = ""  # the API version of its connection
    given: Tape = field(default_factory=Tape)

    @property
    def type(self) -> str:
        """Return the event's type."""
        return self.envelope.type

    @property
    def id(self) -> str:
        """Return Stripe's id of the event."""
        return self.envelope.id

    @property
    def happened_at(self) -> datetime:
        """Return when the event happened."""
        return self.envelope.created or self.received_at

    def root(self) -> Root:
        """Return the root of the event's object."""
        found = payloads.object_of(self.payload)
        try:
            return root_of(found)
        except ValueError:
            return Root(str(found.get("object")), self.envelope.id)

    def carries(self, fields: Sequence[str]) -> dict[str, Any]:
        """Return nothing: what the event carries stands in the context of its run."""
        return {}

    def as_item(self, *, effects_within: timedelta, memory: dict[str, Any]) -> item.Item:
        """Return the event as the engine takes a run; `memory` holds answers of people, by step."""
        found, root = payloads.object_of(self.payload), self.root()
        created = self.payload.get("created")
        data = self.payload.get("data")
        previous = data.get("previous_attributes") if isinstance(data, dict) else None
        moment, version = self.happened_at, self.envelope.api_version
        thin = payloads.is_thin(self.payload)
        return item.Item(
            run_id=0,
            event_id=self.event_id,
            event=item.Event(
                id=self.envelope.id,
                type=self.envelope.type,
                created=created if type(created) is int else int(moment.timestamp()),
                livemode=self.envelope.livemode,
                account=self.envelope.account,
                api_version=version,
                foreign=bool(version and self.spoken) and version != self.spoken,
            ),
            root_id=root.id,
            context={} if thin or not isinstance(found.get("object"), str) else dict(roots_from(found)),
            source=item.Source(str(found.get("id") or root.id), moment, moment),
            previous=previous if isinstance(previous, dict) else None,
            read_first=(thin or self.fetch_first) and root.type in PLACES,
            history=self.replayed or self.received_at - moment > effects_within,
            memory=memory,
        )

    def as_data(self, tape: Tape) -> dict[str, Any]:
        """Return everything that is needed to do it again, with `tape` as what was read."""
        return {
            "name": self.name,
            "payload": self.payload,
            "received_at": self.received_at.isoformat(),
            "replayed": self.replayed,
            "fetch_first": self.fetch_first,
            "spoken": self.spoken,
            "given": tape.over(self.given).as_data(),
        }


def of_event(event: Event, *, record: str = "") -> Occasion | OrgOccasion:
    """
    Return an event of the inbox, with what its runs read; one of Salesforce about `record`, or its first.

    :raises Unusable: if it is unreadable, or its content was deleted for its age
    """
    if event.connection.system == Connection.System.SALESFORCE:
        return from_org.of_event(event, record=record)
    try:
        payload = payloads.open_body(event.body, connection_id=event.connection_id)
    except payloads.Unreadable as failure:
        raise Unusable(str(failure)) from None
    return Occasion(
        name=event.external_id,
        payload=payload,
        envelope=_checked(payload),
        received_at=event.received_at,
        replayed=event.origin in (Event.Origin.SWEEP, Event.Origin.IMPORT),
        fetch_first=event.origin == Event.Origin.SWEEP,
        event_id=event.pk,
        spoken=event.connection.api_version,
        given=recorded.of(event),
    )


def of_pasted(given: str | Mapping[str, Any], *, now: datetime) -> Occasion:
    """
    Return an event that somebody pasted: the whole event as Stripe shows it, as text or as data.

    :raises Unusable: if it is no event, too large or nested too deeply
    """
    payload = opened(given)
    payload.setdefault("id", "evt_pasted")
    envelope = _checked(payload)
    return Occasion("pasted", payload, envelope, received_at=envelope.created or now)


def opened(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what somebody pasted as an event's data.

    :raises Unusable: if it is no JSON object, too large or nested too deeply
    """
    text = given if isinstance(given, str) else _as_text(given)
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > LARGEST:
        raise Unusable(f"An event has at most {LARGEST // 1024} KiB; this one has {len(raw) // 1024}.")
    payload = webhooks.payload(raw)
    if isinstance(payload, webhooks.Unreadable):
        raise Unusable(payload.reason)
    if is_deeper(payload, DEEPEST):
        raise Unusable("The event is nested too deeply.")
    return payload


def of_sample(slug: str, name: str, *, now: datetime) -> Occasion:
    """
    Return a sample event of the template flow `slug`.

    :raises Unusable: if there is none of that name
    """
    sample = catalogue.samples(slug).get(name) if slug in catalogue.slugs() else None
    if sample is None:
        raise Unusable("There is no such sample.")
    payload = webhooks.payload(json.dumps(sample.event).encode())
    assert isinstance(payload, dict)  # the samples are ours
    envelope = _checked(payload)
    at = envelope.created or now
    given = recorded.a_reading(sample.reading, at.isoformat()) if sample.reading else Tape()
    return Occasion(name, payload, envelope, received_at=at, given=given)


def of_data(known: Mapping[str, Any]) -> Occasion | OrgOccasion:
    """
    Return what `as_data` of an occasion gave.

    :raises Unusable: if it cannot be read
    """
    try:
        if known.get("kind") == KIND:
            return from_org.of_data(known)
        return Occasion(
            name=str(known["name"]),
            payload=known["payload"],
            envelope=_checked(known["payload"]),
            received_at=datetime.fromisoformat(known["received_at"]),
            replayed=bool(known["replayed"]),
            fetch_first=bool(known["fetch_first"]),
            spoken=str(known["spoken"]),
            given=Tape(known["given"]),
        )
    except (ValueError, KeyError, TypeError) as failure:
        raise Unusable(f"It cannot be read any more: {failure}") from None


def is_deeper(value: Any, levels: int) -> bool:
    """Tell whether `value` has more than `levels` lists and objects within each other, without recursion."""
    here = [value]
    for _ in range(levels):
        here = [
            part
            for outer in here
            for part in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(part, (dict, list))
        ]
        if not here:
            return False
    return True


def _as_text(given: Mapping[str, Any]) -> str:
    try:
        return json.dumps(given)
    except (ValueError, TypeError, RecursionError):
        raise Unusable("The event is no JSON.") from None


def _checked(payload: Mapping[str, Any]) -> webhooks.Envelope:
    """
    Return the envelope of `payload`.

    :raises Unusable: if it is no event about an object
    """
    envelope = webhooks.envelope(payload)
    if isinstance(envelope, webhooks.Unreadable):
        raise Unusable(envelope.reason)
    return envelope
