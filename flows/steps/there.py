"""This module tells whether the record that started a run has already what the run would write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.agreeing.sameness import same
from flows.engine.item import LATE, Item
from flows.engine.outcome import Done
from flows.engine.ports import Applied
from flows.steps.saving import Job

UNCHANGED = "Nothing was sent: the record that started the run has these values already"


def stands(job: Job, object_: str, key: str, applied: Applied | None) -> bool:
    """
    Tell whether the very record of `object_` that started the run has the values already, as it was read.

    It is found by the field `key`. Salesforce tells of an update although nothing differs, which would start
    the flow again for ever.
    """
    item = job.item
    if not item.source.fetched or job.rank is not None:
        return False
    read = _as_read(item, object_)
    own = item.source.id if key == "Id" else _value(read, key)
    if not read or not isinstance(own, str) or own.casefold() != job.key.casefold():
        return False
    if item.unsettled or LATE in item.memory or item.touched & {job.key, item.source.id}:
        return False
    if applied is not None and item.source.not_before <= applied.not_after:
        return False  # it was read before the flow's last write
    names = [name for name in job.record if name not in ("Id", key)]
    return all(_has(read, name) and same(_value(read, name), job.record[name]) for name in names)


def unchanged(job: Job, **also: Any) -> Done:
    """Return the outcome of a run that has nothing to send."""
    output = {"id": job.item.source.id, **also, "unchanged": True}
    return Done(output, effect="unchanged", seen=job.record, notes=[UNCHANGED])


def _as_read(item: Item, object_: str) -> Mapping[str, Any]:
    """Return the record of `object_` that started the run."""
    roots = (root for name, root in item.context.items() if name.lower() == object_.lower())
    record = next(roots, None)
    return record if isinstance(record, Mapping) else {}


_ABSENT = object()


def _value(record: Mapping[str, Any], name: str) -> Any:
    """Return a field of `record`, that of a look-up by its dotted name; nothing where that refers to none."""
    found: Any = record
    for part in name.split("."):
        if found is None:
            return None
        if not isinstance(found, Mapping):
            return _ABSENT
        known = {key.lower(): value for key, value in found.items()}
        found = known.get(part.lower(), _ABSENT)
    return found


def _has(record: Mapping[str, Any], name: str) -> bool:
    return _value(record, name) is not _ABSENT
