"""This module writes the trace of a run: what each step saw and gave, without secrets and within bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from flows.engine.item import Item, Source
from flows.engine.outcome import Failure
from flows.engine.plan import Node
from flows.mapping.failure import quoted
from flows.mapping.text import clean
from integrator.kernel.redact import MASK, redact, redact_text
from integrator.kernel.texts import LONGEST_CODE, LONGEST_FIELD, LONGEST_MESSAGE, LONGEST_REQUEST_ID

SOURCE = "source"  # stands in the place of a step where an entry tells which state the run used
LARGEST = 16_000  # characters of JSON that one step may add to a trace
_WIDEST = 2**53  # from here on JSON readers do not agree on numbers
_SHORT = 200  # characters of a text that is worth remembering as safe
_LONGEST_NAME = 40  # characters; no name of a secret is longer
_MOST_NAMES = 100  # of a record whose shape is worth remembering
_ROOM_OF_A_NUMBER = 20  # characters, with what stands between a name and its value
_LONGEST_ESCAPE = 3  # characters of ASCII for each byte of UTF-8: two bytes may take an escape of six


def source_entry(
    kind: str, source: Source, roots: Mapping[str, Any] | None = None, notes: Sequence[Any] = ()
) -> dict[str, Any]:
    """Return the entry that says which state the run used; a fetched one is kept, nobody else has it."""
    entry = {
        "step": SOURCE,
        "kind": kind,
        "object": source.id,
        "not_before": source.not_before.isoformat(),
        "not_after": source.not_after.isoformat(),
        "output": shown(roots) if roots is not None else None,
    }
    if notes:
        entry["notes"] = shown(list(notes))
    return entry


def add_step(
    item: Item,
    node: Node,
    *,
    exit_name: str | None,
    ms: float,
    seen: Any = None,
    output: Any = None,
    notes: Sequence[Any] = (),
    failure: Failure | None = None,
) -> None:
    """Add what `node` did with `item`. `exit_name` is empty where the run did not go on."""
    shown_output = None if output is None else shown(output)
    entry = {
        "step": node.id,
        "kind": node.kind,
        "title": node.title,
        "exit": exit_name,
        "ms": ms,
        "input": _shown_before(item, seen),
        "output": shown_output,
        "error": error_entry(failure),
    }
    if output is not None and item.outputs.get(node.id) is output:
        item.shown[id(output)] = shown_output
    if notes:
        entry["notes"] = shown(list(notes))
    item.trace.append(entry)
    item.trace += item.inner
    item.inner = []


def _shown_before(item: Item, seen: Any) -> Any:
    """Return `seen` as shown; most often it is what an earlier step gave, and masking is not cheap."""
    if seen is None:
        return None
    known = item.shown.get(id(seen))
    return shown(seen) if known is None else known


def error_entry(failure: Failure | None) -> dict[str, Any] | None:
    """Return a failure, if there was one, as the trace shows it."""
    if failure is None:
        return None
    return {
        "class": clean(str(failure.error_class))[:LONGEST_CODE],
        "code": clean(str(failure.code))[:LONGEST_CODE],
        "field": clean(str(failure.field))[:LONGEST_FIELD],
        "message": clean(redact_text(str(failure.message)))[:LONGEST_MESSAGE],
        "request_id": clean(str(failure.request_id))[:LONGEST_REQUEST_ID],
    }


def shown(value: Any) -> Any:
    """Return `value` as JSON that a person may see: masked, amounts as text, cut where too large."""
    if type(value) is dict and (record := _small_record(value)) is not None:
        return record
    try:
        plain = _plain(value)
        if len(msgspec.json.encode(plain)) * _LONGEST_ESCAPE <= LARGEST:
            return plain
        text = json.dumps(plain)
    except RecursionError:
        return {"cut": "It is nested too deeply to keep"}
    if len(text) <= LARGEST:
        return plain
    return {"cut": f"{len(text)} characters were too many to keep", "begin": text[: LARGEST // 3]}


def _small_record(value: dict[Any, Any]) -> dict[str, Any] | None:
    """
    Return a flat record of short values masked; None where it is no such record, or may be too large.

    Nearly everything that steps see and give is one, and this runs for each of them: it goes through the
    record once, and measures without writing it as JSON.
    """
    shape = _shape(tuple(value)) if len(value) <= _MOST_NAMES else None
    if shape is None:
        return None
    room = shape.room
    values: list[Any] = []
    for given in value.values():
        if type(given) is str:  # most are texts: no call for what is looked at here
            if len(given) > _SHORT:
                return None
            shown_value: Any = _text(given)
            room -= len(shown_value)
        elif (write := _SHORT_VALUES.get(type(given))) is not None:
            shown_value = write(given)
            room -= len(shown_value) if type(shown_value) is str else 0
        else:
            return None
        values.append(shown_value)
    record = dict(zip(shape.names, values, strict=True))
    for key, name in shape.secrets:
        if value[key] not in (None, ""):
            record[name] = MASK
    return record if room > 0 else None


class _Shape(NamedTuple):
    """What is known of a record by its keys alone: records of one step have the same."""

    names: tuple[str, ...]  # as shown
    secrets: tuple[tuple[str, str], ...]  # keys that say that their value is a secret, with their names
    room: int  # characters that are left for the values


@lru_cache(maxsize=1_000)
def _shape(keys: tuple[Any, ...]) -> _Shape | None:
    """Return the shape of a flat record; None if a key is no short text, or two are shown as one."""
    if not all(type(key) is str and len(key) <= _SHORT for key in keys):
        return None
    shown_keys = [(key, *_name(key)) for key in keys]
    names = tuple(name for _, name, _ in shown_keys)
    if len(set(names)) < len(names):
        return None
    room = LARGEST // 12  # a character beyond the basic plane takes two escapes of six
    room -= sum(len(name) + _ROOM_OF_A_NUMBER for name in names)
    return _Shape(names, tuple((key, name) for key, name, is_secret in shown_keys if is_secret), room)


def _plain(value: Any) -> Any:
    """Return `value` as masked JSON."""
    write = _PLAIN_VALUES.get(type(value), _rare)
    return write(value)


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, given in value.items():
        name, is_secret = _name_of(str(key))
        record[name] = MASK if is_secret and given not in (None, "") else _plain(given)
    return record


def _plain_list(value: Sequence[Any]) -> list[Any]:
    return [_plain(item) for item in value]


def _rare(value: Any) -> Any:
    """Return a value of another type than JSON has, or of a kind of such a type."""
    match value:
        case str():
            return _any_text(value)
        case int():
            return _whole_number(value)
        case Mapping():
            return _plain_mapping(value)
        case list() | tuple():
            return _plain_list(value)
        case Decimal():
            return str(value)
        case date():
            return value.isoformat()
        case float():
            return value
        case _:
            return clean(redact_text(repr(value)))


def _name_of(key: str) -> tuple[str, bool]:
    return _name(key) if len(key) <= _SHORT else (clean(redact_text(key)), False)


@lru_cache(maxsize=4_096)
def _name(key: str) -> tuple[str, bool]:
    """Return a short name as shown, and whether it says that its value is a secret."""
    return _text(key), len(key) <= _LONGEST_NAME and redact({key: "x"})[key] == MASK


@lru_cache(maxsize=4_096)
def _text(text: str) -> str:
    """Return short `text` masked; an id stands in a trace four times, and its type in every trace."""
    return clean(redact_text(text))


def _any_text(text: str) -> str:
    return _text(text) if len(text) <= _SHORT else clean(redact_text(text))


def _whole_number(number: int) -> Any:
    return number if -_WIDEST < number < _WIDEST else quoted(number)


def _itself(value: Any) -> Any:
    return value


_PLAIN_VALUES: dict[type, Callable[[Any], Any]] = {
    str: _any_text,
    type(None): _itself,
    bool: _itself,
    int: _whole_number,
    Decimal: str,
    dict: _plain_mapping,
    list: _plain_list,
}
_SHORT_VALUES: Mapping[type, Callable[[Any], Any]] = {
    kind: _PLAIN_VALUES[kind] for kind in (type(None), bool, int, Decimal)
}
