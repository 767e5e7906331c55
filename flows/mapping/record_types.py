"""This module says which types an object's records may have, and which picklist values go with each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flows.mapping.fields import PickValue, SObjField
from flows.mapping.holding import Operation, listed, picked
from flows.mapping.issues import Issue, Level
from flows.mapping.sources import Sources
from flows.mapping.spec import MappingLine
from flows.mapping.valued import value_of

# A line of this field gives a record its type by name, since ids differ from org to org.
FIELD: Final = "RecordType.DeveloperName"
ID: Final = "RecordTypeId"


@dataclass(frozen=True, slots=True)
class RecordType:
    """
    One type of records, as the org tells the integration user of it.

    `picklists` are the values of those picklists that have not all of their field's; None where the org does
    not tell.
    """

    name: str
    label: str = ""
    id: str = ""
    available: bool = True
    default: bool = False
    master: bool = False
    picklists: Mapping[str, Sequence[str]] | None = None

    @property
    def called(self) -> str:
        """Return how people call it."""
        return self.label or self.name

    def lacks(self, target: SObjField, values: Iterable[str]) -> list[str]:
        """Return those of `values`, which the field itself has, that records of this type do not take."""
        taken = (self.picklists or {}).get(target.name)
        if taken is None:
            return []
        active = {pick.value for pick in target.picklist if pick.active}
        return sorted(one for one in values if one in active and one not in taken)


def types_in(content: Mapping[str, Any]) -> list[RecordType]:
    """
    Return the record types in what is kept of an object; none where there is only the one for all records.

    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
    """
    found = [
        RecordType(
            name=str(told["name"]),
            label=str(told.get("label") or ""),
            id=str(told.get("id") or ""),
            available=bool(told.get("available")),
            default=bool(told.get("default")),
            master=bool(told.get("master")),
            picklists=told.get("picklists"),
        )
        for told in content.get("recordTypes", ())
    ]
    return found if any(not one.master for one in found) else []


def choices(types: Iterable[RecordType]) -> list[RecordType]:
    """Return the types that a record can be given by name."""
    return [one for one in types if one.available and not one.master]


def as_field(types: Sequence[RecordType], fields: Iterable[SObjField]) -> SObjField | None:
    """Return the field by which a line names the type, or None where there is nothing to name."""
    held = next((one for one in fields if one.name.lower() == ID.lower()), None)
    if held is None or not types:
        return None
    return SObjField(
        name=FIELD,
        label="Record type",
        type="picklist",
        createable=held.createable,
        updateable=held.updateable,
        restricted=True,
        picklist=tuple(PickValue(one.name, one.called) for one in choices(types)),
        references=held.references,
    )


def chosen(lines: Iterable[MappingLine], types: Iterable[RecordType]) -> RecordType | None:
    """Return the one type that `lines` give every record, if that can be told from the lines alone."""
    for line in lines:
        if line.field.lower() == FIELD.lower() and not line.sources and len(line.chips) == 1:
            name = getattr(line.chips[0], "value", None) if line.chips[0].chip == "constant" else None
            return next((one for one in choices(types) if isinstance(name, str) and one.name == name), None)
    return None


def narrowed(target: SObjField, record_type: RecordType | None) -> SObjField:
    """Return a field as records of a type have it: without the picklist's values that they do not take."""
    taken = (record_type.picklists or {}).get(target.name) if record_type is not None else None
    if taken is None or record_type is None:
        return target
    picks = tuple(pick for pick in target.picklist if pick.value in taken)
    return replace(target, picklist=picks, of_type=record_type.called)


@dataclass(frozen=True, slots=True)
class _Given:
    """The types that a step may give its records, and whether there is no other way."""

    types: Sequence[RecordType]
    sure: bool = False
    default: bool = False


def issues_of(
    lines: Sequence[MappingLine],
    sources: Sources,
    fields: Mapping[str, SObjField],
    types: Sequence[RecordType],
    operation: Operation,
) -> Iterator[Issue]:
    """
    Yield what is wrong with the type that `lines` give a record, and with their values in such records.

    `fields` are by their names in small letters. An update that names no type leaves each record its own, so
    that only what no type takes is known to be wrong.
    """
    by_name = next((line for line in lines if line.field.lower() == FIELD.lower()), None)
    by_id = next((line for line in lines if line.field.lower() == ID.lower()), None)
    if by_name is not None:
        given, found = _named(by_name, sources, fields, types)
    elif by_id is not None and types:
        given, found = _by_id(by_id, sources, types)
    elif operation == "update":
        given, found = _Given(choices(types)), []
    else:
        default = [one for one in types if one.default and not one.master]
        given, found = _Given(default, default=True), []
    yield from found
    yield from _of_picklists(lines, sources, fields, given)


_Named = tuple[_Given, list[Issue]]


def _named(
    line: MappingLine, sources: Sources, fields: Mapping[str, SObjField], types: Sequence[RecordType]
) -> _Named:
    """Return the types that a line may name, and what is wrong with it."""
    value, issues = value_of(line, sources)
    if not types:
        message = "The object has no record types here, or the connection may use none"
        fix = "Create the record type in the org, or take the line out."
        return _Given(()), [*issues, Issue("error", "no_such_record_type", line.field, message, fix)]
    held = fields.get(ID.lower())
    if held is not None and not (held.createable or held.updateable):
        message = "The connection may not write the record type"
        fix = f"Give the integration user edit access to {ID}, or take the line out."
        issues.append(Issue("error", "not_writable", line.field, message, fix))
    usable = {one.name.lower(): one for one in choices(types)}
    if value.values is None:
        message = "The record type may come out as any text, and only a name that the org has is taken"
        fix = "Choose the record type, or exchange the values by a value map."
        issues.append(Issue("warning", "any_text_in_record_type", line.field, message, fix))
        return _Given(list(usable.values())), issues
    wanted = [str(one) for one in value.values if one is not None]
    issues += [_unusable(line, name, types) for name in sorted(wanted) if name.lower() not in usable]
    found = [usable[name.lower()] for name in wanted if name.lower() in usable]
    return _Given(found, sure=not value.empty), issues


def _unusable(line: MappingLine, name: str, types: Sequence[RecordType]) -> Issue:
    if any(one.name.lower() == name.lower() for one in types if not one.master):
        message = f"The connection may not give records the type “{name[:80]}”"
        fix = "Assign it to the profile or a permission set of the integration user, or choose another one."
        return Issue("error", "record_type_not_available", line.field, message, fix)
    message = f"The org has no record type “{name[:80]}” here"
    fix = f"Choose one of {listed([one.name for one in choices(types)]) or 'none'}, or create it in the org."
    return Issue("error", "no_such_record_type", line.field, message, fix)


def _by_id(line: MappingLine, sources: Sources, types: Sequence[RecordType]) -> _Named:
    """Return the types whose ids a line may write. A line of the field itself is checked as any other."""
    value, _ = value_of(line, sources)
    if value.values is None:
        return _Given(choices(types)), []
    ids = {str(one)[:15] for one in value.values}
    found = [one for one in choices(types) if one.id[:15] in ids]
    message = f"{ID} is written as an id, which is another one in every org"
    issues = [
        Issue(
            "warning", "record_type_by_id", line.field, message, f"Map {FIELD} instead, and choose its name."
        )
    ]
    known = {one.id[:15] for one in types if one.available}
    if ids - known:
        message = f"The connection may use no record type with the id {listed(sorted(ids - known))} here"
        issues.append(
            Issue("error", "no_such_record_type", line.field, message, "Choose the record type by its name.")
        )
    return _Given(found, sure=not value.empty), issues


def _of_picklists(
    lines: Sequence[MappingLine], sources: Sources, fields: Mapping[str, SObjField], given: _Given
) -> Iterator[Issue]:
    """Yield values of restricted picklists that records of the types do not take."""
    if not given.types:
        return
    unknown = [one.called for one in given.types if one.picklists is None]
    told = False
    for line in lines:
        target = fields.get(line.field.lower())
        if target is None or not target.restricted or not target.picklist or "." in line.field:
            continue
        if unknown and not told:
            told = True
            yield _not_told(line, unknown)
        value, _ = value_of(line, sources)
        wanted = {part for one in value.values or () for part in picked(str(one), target.type)}
        yield from _lacking(line, target, wanted, given)


def _not_told(line: MappingLine, unknown: Sequence[str]) -> Issue:
    message = f"Salesforce does not tell which values records of type {listed(list(unknown))} take"
    fix = "Only the values of the fields themselves are checked. Look at the record type in the org."
    return Issue("warning", "record_type_values_unknown", line.field, message, fix)


def _lacking(line: MappingLine, target: SObjField, wanted: set[str], given: _Given) -> Iterator[Issue]:
    lacks = {one.called: missing for one in given.types if (missing := one.lacks(target, wanted))}
    everywhere = [
        value for value in sorted(wanted) if all(value in one.lacks(target, wanted) for one in given.types)
    ]
    if given.default and lacks:
        (name, values), *_ = lacks.items()
        message = (
            f"New records are of type “{name}” by default, and there {line.field} lacks {listed(values)}"
        )
        fix = "Choose the record type, write another value, or add it to the record type in the org."
        yield Issue("warning", "not_in_record_type", line.field, message, fix)
    elif everywhere:
        level: Level = "error" if given.sure else "warning"
        message = f"{line.field} lacks {listed(everywhere)} in records of type {listed(sorted(lacks))}"
        yield Issue(level, "not_in_record_type", line.field, message, _fix(target, given))
    elif lacks and given.sure:
        name, values = min(lacks.items())
        message = f"{line.field} lacks {listed(values)} in records of type “{name}”"
        yield Issue("warning", "not_in_record_type", line.field, message, _fix(target, given))


def _fix(target: SObjField, given: _Given) -> str:
    active = [pick.value for pick in target.picklist if pick.active]
    taken = [one for one in active if not any(kind.lacks(target, [one]) for kind in given.types)]
    instead = f"Write one of {listed(taken)}, choose" if taken else "Choose"
    return f"{instead} another record type, or add the value to it in the org."
