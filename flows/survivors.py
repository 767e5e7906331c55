"""
This module says whose value survives, field by field, when up to three records of an org become one.

It is pure. Salesforce keeps what the master has; only what differs from that is sent. Two things never move
by themselves: keys, by which systems find a record, and money.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.matching.merging import MergeRules, Preset, Reason, Side, merge_preview

__all__ = ["Field", "Line", "Preset", "Reason", "fields_of", "lines_of", "values_of"]

CURRENCY = "CurrencyIsoCode"
MASKED = "encryptedstring"  # who may not see such data reads asterisks, and would write them
# Parts of a record that stand in it again, one by one.
_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")
_COMPOUND = frozenset({"address", "location", "base64"})
_KEPT: Mapping[str, Reason] = {
    Preset.KEEP: Reason.KEPT,
    Preset.NEWEST: Reason.NEWEST,
    Preset.COMPLETE: Reason.COMPLETE,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field that records are compared in; why it stays as the master has it, if it does."""

    name: str
    label: str
    type: str
    fixed: str = ""  # key, currency, masked, readonly; empty: a person may choose
    money: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One field of all the records, in their order, and which of them it is taken from."""

    field: Field
    values: tuple[Any, ...]
    winner: int  # the place of the record among the values
    reason: Reason
    differs: bool

    @property
    def value(self) -> Any:
        """Return what the merged record has."""
        return self.values[self.winner]

    @property
    def fixed(self) -> str:
        """Return why nobody can choose; empty if one can."""
        return self.field.fixed


def fields_of(described: Mapping[str, Any]) -> list[Field]:
    """
    Return the fields to compare of an object that Salesforce describes.

    Those are the ones that a person could set, and keys; what Salesforce works out is left out. Source of the
    words: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
    """
    return [found for one in described.get("fields") or () if (found := _field(one)) is not None]


def _field(told: Any) -> Field | None:
    if not isinstance(told, Mapping) or told.get("type") in _COMPOUND or told.get("calculated"):
        return None
    name, kind = str(told.get("name") or ""), str(told.get("type") or "")
    if not name or name == "Id" or told.get("autoNumber"):
        return None
    is_key = bool(told.get("externalId") or told.get("unique"))
    if not told.get("updateable"):
        if not is_key:
            return None
        return Field(name, str(told.get("label") or name), kind, fixed="readonly")
    fixed = "key" if is_key else "currency" if name == CURRENCY else "masked" if kind == MASKED else ""
    return Field(name, str(told.get("label") or name), kind, fixed, money=kind == "currency")


def lines_of(
    fields: Sequence[Field],
    records: Sequence[Mapping[str, Any]],
    *,
    preset: Preset = Preset.KEEP,
    chosen: Mapping[str, int] | None = None,
) -> list[Line]:
    """
    Return the survivor of each field of `records`, the master's first; those that differ come first.

    `chosen` has, by field, the place of the record that a person wants the value of. A look-up to one of the
    records themselves says nothing: it would lead to what is gone, or be a circle.
    """
    own = {str(record.get("Id")) for record in records}
    cleaned = [{f.name: _without(own, f, record.get(f.name)) for f in fields} for record in records]
    mixed = len({record.get(CURRENCY) for record in records}) > 1
    known = [_in_one_currency(field, mixed) for field in fields]
    wanted = dict(_places(known, chosen or {}, len(records)))
    order = _order(records, cleaned, preset)
    names = [field.name for field in known]
    found = _survivors(names, cleaned, order, wanted)
    usual = _survivors(names, cleaned, order, dict(_places(known, {}, len(records))))
    lines = [
        _line(
            field,
            tuple(record[field.name] for record in cleaned),
            found[field.name],
            usual[field.name],
            preset,
        )
        for field in known
    ]
    return sorted(lines, key=lambda line: not line.differs)  # a stable sort: otherwise as the org has them


def values_of(lines: Sequence[Line], master: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what the master has to be given: each survivor that is not what it has already.

    Moments are given as XML Schema has them, which wants a colon in the offset where REST has none.
    """
    return {
        line.field.name: _moment(line.value) if line.field.type == "datetime" else line.value
        for line in lines
        if not line.fixed and _plain(line.value) != _plain(master.get(line.field.name))
    }


def _moment(value: Any) -> Any:
    return _OFFSET.sub(r"\1:\2", value) if isinstance(value, str) else value


def _in_one_currency(field: Field, mixed: bool) -> Field:
    """An amount of a record in another currency would be another amount."""
    if not (field.money and mixed):
        return field
    return Field(field.name, field.label, field.type, fixed="currency", money=True)


def _without(own: set[str], field: Field, value: Any) -> Any:
    return None if field.type == "reference" and value in own else value


def _places(fields: Sequence[Field], chosen: Mapping[str, int], count: int) -> Iterator[tuple[str, int]]:
    """Yield whose value is settled: a person's choice, and the master's where nothing moves by itself."""
    for field in fields:
        place = chosen.get(field.name)
        if not field.fixed and place is not None and 0 <= place < count:
            yield field.name, place
        elif field.fixed or field.money:
            yield field.name, 0


def _order(
    records: Sequence[Mapping[str, Any]], cleaned: Sequence[Mapping[str, Any]], preset: Preset
) -> list[int]:
    """Return the places of the records, the one that wins first; of equals the earlier one does."""
    places = range(len(records))
    if preset == Preset.NEWEST:
        return sorted(places, key=lambda place: _changed(records[place]), reverse=True)
    if preset == Preset.COMPLETE:
        told = [sum(value not in (None, "") for value in record.values()) for record in cleaned]
        return sorted(places, key=lambda place: told[place], reverse=True)
    return list(places)


def _changed(record: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(str(record.get("LastModifiedDate")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _survivors(
    names: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    order: Sequence[int],
    wanted: Mapping[str, int],
) -> dict[str, int]:
    """Merge the records two by two, in their order, and return of which record each value is."""
    value = {name: records[order[0]][name] for name in names}
    found = dict.fromkeys(names, order[0])
    for place in order[1:]:
        sides = {
            name: Side.SECOND if at == place else Side.FIRST
            for name, at in wanted.items()
            if at == place or found[name] == at
        }
        for line in merge_preview(value, records[place], MergeRules(chosen=sides)):
            value[line.field] = line.value
            if line.side == Side.SECOND:
                found[line.field] = place
    return found


def _line(field: Field, values: tuple[Any, ...], winner: int, usual: int, preset: Preset) -> Line:
    """Return the line of a field that is taken from `winner`, and without a person's choice from `usual`."""
    differs = len({_plain(value) for value in values}) > 1
    told = sum(_plain(value) is not None for value in values)
    if not differs:
        reason = Reason.SAME
    elif _plain(values[winner]) != _plain(values[usual]):
        reason = Reason.CHOSEN
    elif field.fixed or field.money:
        reason = Reason.KEPT
    elif told == 1 or (preset == Preset.KEEP and winner != 0):
        reason = Reason.ONLY  # what would win says nothing
    else:
        reason = _KEPT[preset]
    return Line(field, values, winner, reason, differs)


def _plain(value: Any) -> Any:
    """Return a value as it is compared: nothing and an empty text are the same."""
    return None if value == "" else str(value) if isinstance(value, (list, dict)) else value
