"""This module turns the saves of a transaction into the changes that are captured of them."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.sandbox.salesforce.bus.topics import ALL_CHANGES, captured, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.sandbox.salesforce.bus.event_log import EventLog
    from connectors.sandbox.salesforce.bus.settings import Streaming
    from connectors.sandbox.salesforce.fields import SObject
    from connectors.sandbox.salesforce.tables import Record, Table

LONG = 1_000  # characters from which a changed text is told as a difference
MOST_LINES = 1_000  # of a text that is compared; the effort grows with their square
STAMP = "LastModifiedDate"
UNTOLD = "SystemModstamp"  # a stamp that events leave out
NOTHING: Mapping[str, Any] = {}
IN_BROWSER = "com/salesforce/api/soap/67.0;client=SfdcInternalAPI/"


class Save(NamedTuple):
    """One save: what was done to which record, what was sent, and the values before and after it."""

    action: str  # create, update, delete, undelete
    table: Table
    record: Record
    sent: dict[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What all changes of one transaction have in common; `at` is in milliseconds since the epoch."""

    key: str
    origin: str
    user_id: str
    at: int
    number: int


@dataclass(slots=True)
class Change:
    """
    What one change event tells: one change, of one record or of several alike.

    https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_subscribe_merged_events.htm
    """

    object: SObject
    kind: str
    ids: list[str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    transaction: Transaction
    sequence: int
    changed: tuple[str, ...] = ()  # of an update
    encoded: dict[frozenset[str], tuple[str, bytes]] = field(default_factory=dict, repr=False)

    def takes_in(self, other: Change) -> bool:
        """Say whether another change may be told in the same event."""
        return (
            (self.object, self.kind, self.changed) == (other.object, other.kind, other.changed)
            and self.kind != "CREATE"
            and other.ids[0] not in self.ids
            and not any(is_told_as_difference(self, name) for name in self.changed)
            and all(self.after[name] == other.after[name] for name in self.changed if name != STAMP)
        )


def is_told_as_difference(change: Change, name: str) -> bool:
    """
    Say whether an update tells a text by how it differs from what it was.

    https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_data_diff_event_fields.htm
    """
    texts = change.before.get(name), change.after.get(name)
    return all(isinstance(text, str) and len(text) > LONG and text.count("\n") < MOST_LINES for text in texts)


class Capture:
    """Change Data Capture: it sees every transaction of the org, and puts its changes on the bus."""

    def __init__(self, log: EventLog[Any], streaming: Streaming, clock: Callable[[], float]) -> None:
        self._log = log
        self._streaming = streaming
        self._clock = clock
        self._numbers = itertools.count(1_100_000_000_000)

    def commit(self, saves: Sequence[Save], *, origin: str, user_id: str) -> None:
        """Capture what a transaction has saved, if it has saved anything."""
        if not saves:
            return
        transaction = self.transaction(origin=origin, user_id=user_id)
        for change in changes_of(saves, transaction):
            if not self._streaming.loses():
                self.tell(change)

    def transaction(self, *, origin: str, user_id: str) -> Transaction:
        """Return a transaction that is committed now."""
        at = int(self._clock()) * 1_000
        return Transaction(str(uuid.uuid4()), origin, user_id, at, next(self._numbers))

    def tell(self, change: Change) -> None:
        """Put a change on the bus, for its object's topic and for every channel that takes it in."""
        name, streaming = change.object.name, self._streaming
        chosen = [topic for topic, names in streaming.channels.items() if name in names]
        own = [topic_of(change.object), ALL_CHANGES] if streaming.selects(name) else []
        if own or chosen:
            self._log.append(change, (*own, *chosen))


def changes_of(saves: Sequence[Save], transaction: Transaction) -> list[Change]:
    """Return the changes that a transaction made, alike ones that follow each other as one."""
    changes: list[Change] = []
    for save in saves:
        thing = save.table.whole.object
        if not captured(thing):
            continue
        change = Change(
            object=thing,
            kind=save.action.upper(),
            ids=[save.record.id],
            before=save.before,
            after=save.after,
            transaction=transaction,
            sequence=len(changes) + 1,
            changed=_changed(save) if save.action == "update" else (),
        )
        if changes and changes[-1].takes_in(change):
            changes[-1].ids.append(save.record.id)
        else:
            changes.append(change)
    return changes


def _changed(save: Save) -> tuple[str, ...]:
    """Return the names of the fields that an update changed; the stamp always counts as one."""
    before, after = save.before, save.after
    # Most values are the very same object, which is found out sooner than that they are equal.
    names = {
        name
        for name, value in after.items()
        if value is not (was := before.get(name)) and value != was and name != UNTOLD
    }
    return tuple(sorted(names | {STAMP}))
