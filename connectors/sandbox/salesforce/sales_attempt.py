"""This module describes an attempt to save a record of an object with which an org sells."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.sandbox.salesforce.answers import Refused
    from connectors.sandbox.salesforce.org import Org

    Values = dict[str, Any]

CENT = Decimal("0.01")
CURRENCY = "CurrencyIsoCode"  # a field that only orgs with several currencies have


@dataclass(frozen=True, slots=True)
class Attempt:
    """A record as it is to be, as it was (empty if it is new), and what was sent of it."""

    org: Org
    values: Values
    before: Mapping[str, Any]
    sent: Mapping[str, Any]
    number: int  # how many records of the object were made

    @property
    def new(self) -> bool:
        """Say whether the record is to be created."""
        return not self.before

    def changed(self, *names: str) -> list[str]:
        """Return those of the fields that are to be different from before; none of a new record."""
        if self.new:
            return []
        return [name for name in names if self.values.get(name) != self.before.get(name)]

    def record(self, object_: str, field: str) -> Mapping[str, Any]:
        """Return the record that a look-up of this one names; nothing if it is empty."""
        found = self.org.tables[object_].records.get(self.values.get(field) or "")
        return {} if found is None else found.values

    def others(self, object_: str, field: str, value: Any) -> Iterator[Mapping[str, Any]]:
        """Return the living records of an object whose field has a value, without this one."""
        own = self.values["Id"]
        return (each for each in having(self.org, object_, field, value) if each["Id"] != own)


def having(org: Org, object_: str, field: str, value: Any) -> Iterator[Mapping[str, Any]]:
    """Return the living records of an object whose field has a value."""
    return (each.values for each in org.tables[object_].alive() if each.values.get(field) == value)


def conflict(message: str, *fields: str) -> Refused:
    """Return the refusal of a record that contradicts another one."""
    return refused("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {message}", *fields, dml=True)


def cents(amount: Decimal | int) -> Decimal:
    """Return an amount as currency fields store it, with two decimals."""
    return Decimal(amount).quantize(CENT)
