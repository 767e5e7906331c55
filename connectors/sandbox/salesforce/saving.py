"""This module saves records: it checks, writes, remembers, and can take everything of one call back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import record_types, sales_rules, sales_totals
from connectors.sandbox.salesforce.answers import Refused, nothing_there, refused
from connectors.sandbox.salesforce.bus.changes import NOTHING, Save
from connectors.sandbox.salesforce.bus.events import Published
from connectors.sandbox.salesforce.derived import DERIVE, named
from connectors.sandbox.salesforce.duplicates import Wishes
from connectors.sandbox.salesforce.flows import Run
from connectors.sandbox.salesforce.ids import full_id, new_id
from connectors.sandbox.salesforce.interviews import fire
from connectors.sandbox.salesforce.tables import Record, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.flows import Flow
    from connectors.sandbox.salesforce.history import Flight
    from connectors.sandbox.salesforce.org import Org

NONE = Wishes()
Mark = tuple[int, int, int]


class Several(Exception):
    """Several records have the external id, so nothing was written."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__("More than one record found for external id field")
        self.records = records


@dataclass(frozen=True, slots=True)
class Saved:
    """A record that was saved, and whether that made it; or an event that was queued, with its uuid."""

    id: str
    created: bool
    queued: str = ""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """
        Return the `errors` of a save that succeeded: an event's hold the news that it was queued.

        https://developer.salesforce.com/docs/atlas.en-us.platform_events.meta/platform_events/platform_events_publish_api.htm
        """
        if not self.queued:
            return []
        return [{"statusCode": "OPERATION_ENQUEUED", "message": self.queued, "fields": []}]


class Saving:
    """
    The saves of one call: each takes effect at once; `settle` remembers them, `undo` takes them back.

    With an `outer` one they belong to a larger transaction, which settles them or takes them back.
    """

    def __init__(
        self,
        org: Org,
        flight: Flight,
        user_id: str,
        *,
        outer: Saving | None = None,
        wishes: Wishes = NONE,
    ) -> None:
        self._org = org
        self.flight = flight
        self.user_id = user_id
        self._outer = outer
        self._wishes = wishes
        self._undo: list[Callable[[], None]] = []
        self._done: list[Save] = []
        self._later: list[Published | Run] = []

    @property
    def now(self) -> str:
        """Return the stamp of this second."""
        return self._org.now()

    def table(self, name: str) -> Table:
        """
        Return the table of an object, for a Flow.

        :raises Refused: if there is no such object
        """
        return self._org.table(name)

    def flow(self, name: str) -> Flow | None:
        """Return the Flow of that name."""
        return self._org.flows.known.get(name)

    def triggered(self, object_: str, act: str) -> list[Flow]:
        """Return the Flows that a saved record may start."""
        return self._org.flows.triggered_by(object_, act)

    def later(self, fact: Published | Run) -> None:
        """Remember an event or an interview once everything is settled."""
        self._later.append(fact)

    def create(self, table: Table, body: Mapping[str, Any], *, depth: int = 0) -> Saved:
        """
        Create a record, or publish an event; `depth` is how many Flows stand above.

        :raises Refused: if it is not to be
        """
        self._check_writable(table)
        if table.shape.object.event:
            return self._publish(table, body)
        sent = table.shape.clean(body, self._org.target_of, creating=True)
        now = self._org.now()
        made = table.made
        values = {**table.whole.defaults, **{k: v for k, v in sent.items() if v is not None}}
        values.update(
            Id=table.next_id(),
            IsDeleted=False,
            CreatedDate=now,
            CreatedById=self.user_id,
            LastModifiedDate=now,
            LastModifiedById=self.user_id,
            SystemModstamp=now,
        )
        if table.shape.object.owned and values["OwnerId"] is None:
            values["OwnerId"] = self.user_id
        try:
            self._check(table, None, sent, values)
        except Refused:
            table.made = made
            raise
        record = Record(values["Id"], values)
        mark = self.mark()
        table.enter(record)
        self._undo.append(lambda: self._forget(table, record))
        self._done.append(Save("create", table, record, sent, NOTHING, values))
        sales_totals.follow(self, self._org, table.shape.object.name, values)
        self._start_flows(mark, table, record, {}, depth=depth)
        return Saved(record.id, created=True)

    def made(self, table: Table, body: Mapping[str, Any]) -> Record | None:
        """
        Create a record for a Flow and return it; events are published, and none is returned.

        :raises Refused: if it is not to be
        """
        saved = self.create(table, body, depth=1)
        return table.records.get(saved.id)

    def _publish(self, table: Table, body: Mapping[str, Any]) -> Saved:
        sent = table.shape.clean(body, self._org.target_of, creating=True)
        named = str(uuid.uuid4())
        at = self._org.time()
        self.later(Published(table.whole.object, named, sent, self.user_id, self.flight.id, at))
        return Saved(new_id(table.shape.object.prefix, 1), created=True, queued=named)

    def update(self, table: Table, record: Record, body: Mapping[str, Any], *, depth: int = 0) -> Saved:
        """
        Change a record; `depth` is how many Flows stand above.

        :raises Refused: if it is deleted, or not to be changed so
        """
        self._check_writable(table)
        if record.deleted:
            raise refused("ENTITY_IS_DELETED", "entity is deleted", dml=True)
        sent = table.shape.clean(body, self._org.target_of, creating=False)
        now = self._org.now()
        before = record.values
        values = {
            **before,
            **sent,
            "LastModifiedDate": now,
            "LastModifiedById": self.user_id,
            "SystemModstamp": now,
        }
        self._check(table, record, sent, values)
        mark = self.mark()
        self._replace(table, record, values)
        self._undo.append(lambda: self._replace(table, record, before))
        self._done.append(Save("update", table, record, sent, before, values))
        sales_totals.follow(self, self._org, table.shape.object.name, values)
        self._start_flows(mark, table, record, before, depth=depth)
        return Saved(record.id, created=False)

    def _start_flows(
        self, mark: Mark, table: Table, record: Record, before: Mapping[str, Any], *, depth: int
    ) -> None:
        """Hold the interviews that a save starts; a failure takes the save back as well."""
        if not self._org.flows.starts_on(table.shape.object.name):
            return
        try:
            fire(self, table, record, before, depth=depth)
        except Refused:
            self.back_to(mark)
            raise

    def upsert(
        self, table: Table, field: Field, value: Any, body: Mapping[str, Any], *, update_only: bool = False
    ) -> Saved:
        """
        Change the record whose `field` has `value`, or create it.

        :raises Several: if it is not one
        :raises Refused: if it is not to be
        """
        if field.type == "id":
            return self.update(table, self.record(table, value), body)
        key = table.shape.value_of(field, value)
        if key is None:  # blank: it would make a record that no later upsert finds
            raise refused("MISSING_ARGUMENT", f"{field.name} not specified", field.name)
        found = table.find(field, key)
        if len(found) > 1:
            raise Several(found)
        if found:
            return self.update(table, found[0], body)
        if update_only:
            raise nothing_there()
        return self.create(table, {**body, field.name: value})

    def delete(self, table: Table, record: Record) -> None:
        """
        Put a record, and the details it is the master of, into the recycle bin.

        :raises Refused: if it is there already, or locked
        """
        self._check_writable(table)
        if record.deleted:
            raise refused("ENTITY_IS_DELETED", "entity is deleted", dml=True)
        sales_rules.check_delete(self._org, table.shape.object.name, record.values)
        self._org.obstacles.check(table.shape.object.name, record.id, _external_id(record.values), {})
        self.bury(table, record)

    def adjust(self, table: Table, record: Record, changed: dict[str, Any]) -> None:
        """Change what Salesforce works out of a record because of another one."""
        before, now = record.values, self._org.now()
        stamps = {"LastModifiedDate": now, "LastModifiedById": self.user_id, "SystemModstamp": now}
        self._replace(table, record, {**before, **changed, **stamps})
        self._undo.append(lambda: self._replace(table, record, before))
        self._done.append(Save("update", table, record, changed, before, record.values))

    def undelete(self, table: Table, record: Record) -> None:
        """
        Take a record out of the recycle bin, as only the SOAP API and people can.

        :raises Refused: if it is not in there, or another record has its key now
        """
        self._check_writable(table)
        before, now = record.values, self._org.now()
        if not record.deleted:
            raise refused("UNDELETE_FAILED", "Entity is not in the recycle bin", dml=True)
        for field in table.whole.indexed:
            value = before.get(field.name) if field.unique else None
            if value is not None and table.holder(field, value) is not None:
                raise refused("DUPLICATE_VALUE", f"duplicate value found: {field.name}", dml=True)
        record.values = {**before, "IsDeleted": False, "LastModifiedDate": now, "SystemModstamp": now}
        table.enter(record)

        def bury_again() -> None:
            table.leave(record)
            record.values = before

        self._undo.append(bury_again)
        self._done.append(Save("undelete", table, record, {}, before, record.values))
        sales_totals.follow(self, self._org, table.shape.object.name, record.values)

    def record(self, table: Table, id_text: object) -> Record:
        """
        Return the record with an id that a body or an address names.

        :raises Refused: if it is no id of the object, or there is no such record
        """
        id18 = full_id(id_text)
        if id18 is None or not id18.startswith(table.shape.object.prefix):
            message = f"{table.shape.object.label} ID: id value of incorrect type: {str(id_text)[:100]}"
            raise refused("MALFORMED_ID", message, "Id")
        record = table.records.get(id18)
        if record is None:
            raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", dml=True)
        return record

    def settle(self) -> None:
        """Remember the saves for good, or hand them to the larger transaction."""
        if self._outer is not None:
            self._outer._undo += self._undo
            self._outer._done += self._done
            self._outer._later += self._later
        else:
            self._remember()
        self._undo, self._done, self._later = [], [], []

    def _remember(self) -> None:
        for save in self._done:
            save.record.last_write = self._org.history.add(
                self.flight,
                save.action,
                save.table.shape.object.name,
                save.record.id,
                external_id=_external_id(save.record.values),
                values=save.sent,
                before=save.record.last_write,
            )
        self._org.capture.commit(self._done, origin=self.flight.origin, user_id=self.user_id)
        for fact in self._later:
            if isinstance(fact, Published):
                self._org.bus.publish(fact)
            else:
                self._org.flows.remember(fact)

    def mark(self) -> Mark:
        """Return where the saves stand now, for `back_to`."""
        return len(self._undo), len(self._done), len(self._later)

    def back_to(self, mark: Mark) -> None:
        """Take back every save since `mark`."""
        for step in reversed(self._undo[mark[0] :]):
            step()
        del self._undo[mark[0] :], self._done[mark[1] :], self._later[mark[2] :]

    def undo(self) -> None:
        """Take every save back that was not settled."""
        self.back_to((0, 0, 0))

    def _check(
        self, table: Table, record: Record | None, sent: Mapping[str, Any], values: dict[str, Any]
    ) -> None:
        """Check what needs the rest of the org, and let Salesforce fill its own fields."""
        shape = table.shape
        if shape.object.record_types:
            offered = self._org.offers(self.user_id, shape.object)
            record_types.settle(shape, offered, sent, values, new=record is None)
        for field in shape.references:
            id18 = sent.get(field.name)
            if id18 is not None:
                self._org.check_reference(field, id18)
        for field in shape.indexed:
            value = sent.get(field.name) if field.unique else None
            holder = table.holder(field, value) if value is not None else None
            if holder is not None and holder is not record:
                other = f"duplicates value on record with id: {holder.id[:15]}"
                message = f"duplicate value found: {field.name} {other}"
                raise refused("DUPLICATE_VALUE", message, dml=True)
        if self._org.duplicates.rules:
            self._org.duplicates.check(self._org.tables, table, record, values, self._wishes)
        derive = DERIVE.get(shape.object.name, named if shape.object.custom else None)
        if derive is not None:
            derive(values, record.values if record else {}, sent, table.made)
        sales_rules.check(self._org, table, record, sent, values)
        self._org.obstacles.check(shape.object.name, values["Id"], _external_id(values), values)

    def bury(self, table: Table, record: Record, master: str = "") -> None:
        """Put a record into the recycle bin; one that was merged leaves what refers to it to its `master`."""
        name, before, now = table.shape.object.name, record.values, self._org.now()
        table.leave(record)
        left = {"IsDeleted": True, "LastModifiedDate": now, "SystemModstamp": now}
        record.values = before | left | ({"MasterRecordId": master} if master else {})
        self._undo.append(lambda: self._replace(table, record, before))
        self._done.append(Save("delete", table, record, {}, before, record.values))
        sales_totals.follow(self, self._org, name, record.values)
        for other in self._org.tables.values():
            for field in other.shape.references:
                if name not in field.refers_to:
                    continue
                for child in [c for c in other.alive() if c.values.get(field.name) == record.id]:
                    self._let_go(other, child, field, master)

    def _let_go(self, table: Table, child: Record, field: Field, master: str) -> None:
        """Delete a detail with its master; empty a look-up of what is gone, or turn it to another."""
        if field.cascade and not master:
            self.bury(table, child)
            return
        before, child.values = child.values, {**child.values, field.name: master or None}
        self._undo.append(lambda: self._replace(table, child, before))

    def _check_writable(self, table: Table) -> None:
        if table.shape.object.read_only:
            message = f"entity type cannot be changed: {table.shape.object.label}"
            raise refused("INSUFFICIENT_ACCESS_OR_READONLY", message, dml=True)

    @staticmethod
    def _replace(table: Table, record: Record, values: dict[str, Any]) -> None:
        if not record.deleted:
            table.leave(record)
        record.values = values
        table.enter(record)

    @staticmethod
    def _forget(table: Table, record: Record) -> None:
        table.leave(record)
        del table.records[record.id]


def _external_id(values: Mapping[str, Any]) -> str | None:
    return values.get("External_ID__c") or values.get("Integration_Key__c")
