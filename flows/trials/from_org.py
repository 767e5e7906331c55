"""This module says what a flow is tried on that Salesforce starts: an event of its bus, or a record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors import reading, schemas
from connectors.models import Connection
from connectors.salesforce.ids import as_18
from flows import payloads, started
from flows.bus_events import BusEvent
from flows.designing.starting import Start
from flows.engine import item
from flows.engine.records import Record
from flows.models import Event
from flows.trials import recorded
from flows.trials.tape import Tape
from flows.trials.unusable import Unusable
from integrator.kernel.errors import IntegrationError

KIND = "org"  # what tells it from an event of Stripe where it is kept
PASTED = "pasted"
_SECONDS = 5.0
_MOST_NAMED = 5  # records of one name that are told
_NAME = "Name"
# Changes whose events carry every value that the record has.
_WHOLE = frozenset({"created", "undeleted"})


@dataclass(frozen=True, slots=True)
class OrgOccasion:
    """An event of an org's bus about one record or about none, and what is known of what was read."""

    name: str
    payload: dict[str, Any]
    record_id: str
    happened_at: datetime
    received_at: datetime
    replayed: bool = False
    event_id: int = 0  # the inbox row, where there is one
    given: Tape = field(default_factory=Tape)

    @property
    def event(self) -> BusEvent:
        """Return the event as a flow is told it."""
        return BusEvent.of(self.payload)

    @property
    def type(self) -> str:
        """Return the event's type."""
        return self.event.type

    @property
    def id(self) -> str:
        """Return what people know it by: the record, or else the event."""
        return self.record_id or self.name

    def root(self) -> Record:
        """Return the record that is read; of a platform event nothing is."""
        return Record(self.event.name, self.record_id or self.name)

    def carries(self, fields: Sequence[str]) -> dict[str, Any]:
        """Return the record as the event tells it, by its root, if it tells all of `fields`; else nothing."""
        event = self.event
        told = {"Id": self.record_id, **event.values}
        is_whole = event.verb in _WHOLE and not event.partial
        if not event.is_of_records or event.is_deletion or not (is_whole or set(fields) <= told.keys()):
            return {}
        return {event.name: told}

    def as_item(self, *, effects_within: timedelta, memory: dict[str, Any]) -> item.Item:
        """Return it as the engine takes a run; `memory` holds answers of people, by step."""
        event, root = self.event, self.root()
        return item.Item(
            run_id=0,
            event_id=self.event_id,
            event=started.named(event, self.name, self.record_id, self.happened_at),
            root_id=root.id,
            context=started.told(event, self.record_id),
            source=started.source_of(event, root.id, self.happened_at),
            read_first=event.is_of_records and not event.is_deletion,
            history=self.replayed or self.received_at - self.happened_at > effects_within,
            memory=memory,
        )

    def as_data(self, tape: Tape) -> dict[str, Any]:
        """Return everything that is needed to do it again, with `tape` as what was read."""
        return {
            "kind": KIND,
            "name": self.name,
            "payload": self.payload,
            "record_id": self.record_id,
            "happened_at": self.happened_at.isoformat(),
            "received_at": self.received_at.isoformat(),
            "replayed": self.replayed,
            "given": tape.over(self.given).as_data(),
        }


def of_event(event: Event, *, record: str = "") -> OrgOccasion:
    """
    Return an event of the inbox about `record`, or else about the first that it names.

    :raises Unusable: if its content is gone, or it does not name the record
    """
    try:
        payload = payloads.open_body(event.body, connection_id=event.connection_id)
    except payloads.Unreadable as failure:
        raise Unusable(str(failure)) from None
    told = BusEvent.of(payload)
    if record and record not in told.record_ids:
        raise Unusable(f"The event does not name the record {record}.")
    if told.is_of_records and not told.record_ids:
        raise Unusable("The event does not name the records that changed. Choose a record instead.")
    return OrgOccasion(
        name=event.external_id,
        payload=payload,
        record_id=record or next(iter(told.record_ids), ""),
        happened_at=event.happened_at or event.received_at,
        received_at=event.received_at,
        replayed=event.origin in (Event.Origin.SWEEP, Event.Origin.IMPORT),
        event_id=event.pk,
        given=recorded.of(event),
    )


def of_record(start: Start, wanted: str, org: Connection, *, now: datetime) -> OrgOccasion:
    """
    Return a change of the record that is `wanted`, by its id or its name, as if it came just now.

    :raises Unusable: if there is none, more than one, or the org does not tell
    """
    if not start.object:
        raise Unusable("This flow does not start with changes of a record.")
    record_id = _found(start.object, wanted.strip(), org, now)
    kinds = [one for one in start.types if not one.endswith(".deleted")]
    if not kinds:
        raise Unusable("This flow starts when a record is gone. Choose a recorded event.")
    kind = f"{start.object}.updated"
    payload = {
        "type": kind if kind in kinds else kinds[0],
        "entity": start.object,
        "record_ids": [record_id],
        "changed": list(start.fields),
        "data": {"object": {"Id": record_id}},
        "reread": True,
    }
    return OrgOccasion("trial", payload, record_id, happened_at=now, received_at=now)


def of_pasted(start: Start, found: Mapping[str, Any], *, now: datetime) -> OrgOccasion:
    """
    Return a platform event of which somebody pasted the fields, or the whole as Salesforce shows it.

    :raises Unusable: if it is no such event
    """
    if not start.event:
        raise Unusable("A change of a record is not pasted. Choose a recorded event, or a record.")
    inner = found.get("payload")
    values = inner if isinstance(inner, dict) else found
    payload = {"type": start.event, "entity": start.event, "data": {"object": values}}
    return OrgOccasion(PASTED, payload, "", happened_at=now, received_at=now)


def of_data(known: Mapping[str, Any]) -> OrgOccasion:
    """
    Return what `OrgOccasion.as_data` gave.

    :raises KeyError: if something of it is missing
    :raises ValueError: if it cannot be read
    """
    return OrgOccasion(
        name=str(known["name"]),
        payload=known["payload"],
        record_id=str(known["record_id"]),
        happened_at=datetime.fromisoformat(known["happened_at"]),
        received_at=datetime.fromisoformat(known["received_at"]),
        replayed=bool(known["replayed"]),
        given=Tape(known["given"]),
    )


def _found(object_: str, wanted: str, org: Connection, now: datetime) -> str:
    """Return the id of the record that somebody named."""
    if not wanted:
        raise Unusable("Say which record, by its id or its name.")
    try:
        by, value = "Id", as_18(wanted)
    except ValueError:
        by, value = _name_of(object_, org, now), wanted
    request = {"object": object_, "field": by, "values": [value], "fields": ["Id"]}
    (answer,) = reading.read_many(connection_id=org.pk, action="find", requests=[request], deadline=_SECONDS)
    if isinstance(answer, IntegrationError):
        raise Unusable(f"The org did not tell: {answer}")
    ids = [str(one["Id"]) for one in answer["records"]]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise Unusable(f"There is no {object_} whose {by} is {json.dumps(wanted, ensure_ascii=False)[:120]}.")
    told = ", ".join(ids[:_MOST_NAMED])
    raise Unusable(f"{len(ids)} records are called so. Name one by its id, such as {told}.")


def _name_of(object_: str, org: Connection, now: datetime) -> str:
    """Return the field by which people call records of an object, such as CaseNumber."""
    try:
        described = schemas.of(connection=org, object=object_, now=now)
    except schemas.Unavailable as failure:
        raise Unusable(str(failure)) from None
    return next((str(one["name"]) for one in described.fields if one.get("nameField")), _NAME)
