"""
This module reads an event of the bus: what happened to which records, and what of it is to be believed.

A change event carries a field for everything that the object has, nearly all of them empty. Which of them say
something depends on the kind of change, so that only those are passed on: an absent field is unchanged, an
empty one was emptied. Source:
https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_body.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from connectors.salesforce.ids import as_18
from connectors.salesforce.pubsub.layout import HEADER, Field, Layout, Malformed, api_name, api_names
from connectors.salesforce.pubsub.schemas import Unreadable

GAP = "GAP_"
OVERFLOW = "GAP_OVERFLOW"

# What Salesforce calls a change -> how the type of our event ends.
CHANGES = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted", "UNDELETE": "undeleted"}
UNNAMED = "overflow"  # many records, and it is not told which

_AS_THEY_ARE = frozenset({str, float, bool})  # nearly every value there is

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_WILDCARD = re.compile(r"[A-Za-z0-9]{3}\*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_IN_MILLISECONDS = 86_400_000
_MOST_DAYS = 3_000_000  # beyond the year 9999, so that a larger number counts milliseconds


@dataclass(frozen=True, slots=True)
class Read:
    """
    One event as it was read.

    `values` are those that are to be believed, by the names that fields have in the API. `reread` says that
    they are not all: the record has to be read before anything is done. `unnamed` says that even the records
    are not told, so that all of the object are in question.
    """

    type: str
    object: str
    record_ids: tuple[str, ...]
    happened_at: datetime | None
    values: dict[str, Any]
    header: dict[str, Any]
    changed: tuple[str, ...] = ()
    nulled: tuple[str, ...] = ()
    reread: bool = False
    unnamed: bool = False


def read(values: Mapping[str, Any], layout: Layout) -> Read:
    """
    Return what an event says whose `values` were read by the schema of `layout`.

    :raises Unreadable: if it lacks what every event has
    """
    try:
        return _change(values, layout) if layout.is_change else _platform_event(values, layout)
    except Malformed as failure:
        raise Unreadable(f"{failure}.") from None
    except OverflowError:
        raise Unreadable("The event holds a date beyond the calendar.") from None
    except Unreadable:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        # An event that breaks its reader would come again for ever, and none behind it would be heard.
        said = f"The event has another form than any that we know ({type(failure).__name__})."
        raise Unreadable(said) from None


def _platform_event(values: Mapping[str, Any], layout: Layout) -> Read:
    name = layout.name.rpartition(".")[2]
    if not _NAME.fullmatch(name):
        raise Unreadable("The event does not say what it is called.")
    return Read(
        type=name,
        object=name,
        record_ids=(),
        happened_at=_moment(values.get("CreatedDate")),
        values=dict(_flat(layout.fields, values)),
        header={},
    )


def _change(values: Mapping[str, Any], layout: Layout) -> Read:
    header = values[HEADER]
    if not isinstance(header, dict):
        raise Unreadable("The event has no header.")
    entity, change = str(header.get("entityName")), str(header.get("changeType"))
    verb = CHANGES.get(change.removeprefix(GAP))
    if not _NAME.fullmatch(entity) or (verb is None and change != OVERFLOW):
        raise Unreadable("The event does not say what happened to which object.")
    ids = tuple(str(id) for id in header.get("recordIds") or ())
    unnamed = verb is None or not ids or any(_WILDCARD.fullmatch(id) for id in ids)
    nulled = layout.named(header.get("nulledFields") or (), values)
    partial = layout.named(header.get("diffFields") or (), values)
    changed = [name for name in layout.named(header.get("changedFields") or (), values) if name != HEADER]
    # What came as the difference of a long text is no value.
    told = (name for name in (*changed, *nulled) if name not in partial)
    is_gap = change.startswith(GAP)
    return Read(
        type=f"{entity}.{UNNAMED if unnamed else verb}",
        object=entity,
        record_ids=() if unnamed else tuple(_id(id) for id in ids),
        happened_at=_moment(header.get("commitTimestamp")),
        values={} if is_gap or unnamed else _believed(change, values, layout, told),
        header=header,
        changed=tuple(changed),
        nulled=tuple(nulled),
        reread=is_gap or bool(partial),
        unnamed=unnamed,
    )


def _believed(change: str, values: Mapping[str, Any], layout: Layout, told: Iterable[str]) -> dict[str, Any]:
    """Return the values that say something: of an update those of the fields that are told, otherwise all."""
    if change == "UPDATE":
        return {name: _value(values, *layout.sources[name]) for name in told}
    # Most fields of a change event are empty: only the others are looked at.
    full = {name: value for name, value in values.items() if value is not None}
    there = [layout.known[name] for name in full]
    return {name: value for name, value in _flat(there, full) if value is not None}


def _value(values: Mapping[str, Any], field: Field, part: Field | None) -> Any:
    value = values.get(field.name)
    if part is None:
        return _plain(value, field.kind)
    return _plain(value.get(part.name), "") if isinstance(value, dict) else None


def _flat(fields: Sequence[Field], values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every value by its name in the API, the parts of compound fields by theirs."""
    for field in fields:
        value = values.get(field.name)
        if field.name == HEADER:
            continue
        if isinstance(value, dict) and field.parts:
            for part in field.parts:
                yield api_name(field.name, part.name), _plain(value.get(part.name), "")
        elif value is None:
            for name in api_names(field):
                yield name, None
        else:
            yield field.name, _plain(value, field.kind)


def _plain(value: Any, kind: str) -> Any:
    """Return a value as JSON has it; times and dates as the REST API writes them."""
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    if kind == "DateTime" and type(value) is int:
        return _written(_moment(value))
    if kind == "DateOnly" and type(value) is int:
        days = value if abs(value) < _MOST_DAYS else value // _DAY_IN_MILLISECONDS
        return (_EPOCH + timedelta(days=days)).date().isoformat()
    if isinstance(value, datetime):
        return _written(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(part, "") for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, "") for part in value]
    return value


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if type(value) is not int:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None


def _id(value: str) -> str:
    try:
        return as_18(value)
    except ValueError:
        raise Unreadable("The event names a record by something that is no id.") from None
