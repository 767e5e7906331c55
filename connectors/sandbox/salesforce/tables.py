"""This module keeps the records of one object, with an index for each field they can be found by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.ids import new_id
from connectors.sandbox.salesforce.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.salesforce.fields import Field, SObject
    from connectors.sandbox.salesforce.history import Write


class Record:
    """One record: its values by field name, the system fields included."""

    __slots__ = ("id", "last_write", "values")

    def __init__(self, id18: str, values: dict[str, Any]) -> None:
        self.id = id18
        self.values = values
        self.last_write: Write | None = None

    @property
    def deleted(self) -> bool:
        """Say whether the record is in the recycle bin."""
        return bool(self.values["IsDeleted"])


class Table:
    """The records of one object; the deleted ones stay, out of the indexes."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.whole = shape  # differs where a user does not see everything
        self.records: dict[str, Record] = {}
        self.purged: dict[str, str] = {}  # what left the recycle bin: the stamp of its deletion by id
        self._count = [0]  # shared with the views of this table
        self._indexes: dict[str, dict[Any, list[Record]]] = {field.name: {} for field in shape.indexed}

    @property
    def made(self) -> int:
        """Return how many records were made."""
        return self._count[0]

    @made.setter
    def made(self, count: int) -> None:
        self._count[0] = count

    def seen_as(self, thing: SObject) -> Table:
        """Return these records as a user sees them whose rights make the object look like `thing`."""
        view = Table(Shape(thing, self.whole.prefixes))
        view.whole, view.records, view.purged = self.whole, self.records, self.purged
        view._count, view._indexes = self._count, self._indexes
        return view

    def next_id(self) -> str:
        """Return the id of the next record."""
        self.made += 1
        return new_id(self.shape.object.prefix, self.made)

    def reshape(self, shape: Shape) -> None:
        """Take a changed shape over and index anew; values of a removed field stay hidden in the records."""
        self.shape = self.whole = shape
        self._indexes = {field.name: {} for field in shape.indexed}
        for record in self.alive():
            self.enter(record)

    def clear(self) -> None:
        """Forget every record."""
        self.records.clear()
        self.purged.clear()
        self.reshape(self.whole)

    def purge(self, record: Record) -> None:
        """Take a deleted record out of the recycle bin for good."""
        self.purged[record.id] = str(record.values["SystemModstamp"])
        del self.records[record.id]

    def alive(self) -> Iterator[Record]:
        """Return the records that are not deleted."""
        return (record for record in self.records.values() if not record.values["IsDeleted"])

    def find(self, field: Field, value: object) -> list[Record]:
        """Return the living records whose indexed `field` has `value`."""
        return list(self._indexes[field.name].get(index_key(field, value), ()))

    def is_indexed(self, field: Field) -> bool:
        """Say whether `find` knows the field."""
        return field.name in self._indexes

    def holder(self, field: Field, value: object) -> Record | None:
        """Return the living record that has the unique `value`."""
        found = self._indexes[field.name].get(index_key(field, value))
        return found[0] if found else None

    def enter(self, record: Record) -> None:
        """Put a living record into the table and into the indexes."""
        self.records[record.id] = record
        for field in self.whole.indexed:
            value = record.values.get(field.name)
            if value is not None:
                self._indexes[field.name].setdefault(index_key(field, value), []).append(record)

    def leave(self, record: Record) -> None:
        """Take a record out of the indexes, before it changes or because it is deleted."""
        for field in self.whole.indexed:
            value = record.values.get(field.name)
            if value is None:
                continue
            entry = index_key(field, value)
            found = self._indexes[field.name].get(entry, [])
            if record in found:
                found.remove(record)
            if not found:
                self._indexes[field.name].pop(entry, None)


def index_key(field: Field, value: object) -> object:
    """Return what the index holds for a value: text without its case, unless the field minds it."""
    return value if field.case_sensitive or not isinstance(value, str) else value.casefold()
