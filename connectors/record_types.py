"""This module adds to what an org says of objects which picklist values records of each type take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors import gateway
from connectors.models import Connection, SchemaSnapshot
from connectors.salesforce import schema
from integrator.kernel import errors

DEADLINE_SECONDS = 8.0

Told = Mapping[str, Any] | errors.IntegrationError
_Picklists = Mapping[str, list[str]] | None


def completed(
    connection: Connection, told: Mapping[str, Told], known: Mapping[str, SchemaSnapshot]
) -> dict[str, Told]:
    """
    Return `told`, what was said of objects, with the values that their record types take.

    That costs one call for each record type that the integration user may use, and nothing where there is
    none. They are asked for although the description has not changed: its date need not cover them. Where
    the org does not tell, the values are unknown; where it fails, what was known before stays.

    :raises RuntimeError: if the org would have to be asked, and this is inside a transaction
    """
    contents = {
        name: content for name, one in told.items() if (content := _content(one, known.get(name))) is not None
    }
    wanted = [
        (name, str(record_type["id"]))
        for name, content in contents.items()
        for record_type in schema.narrowing(content)
    ]
    if not wanted:
        return dict(told)
    answers = gateway.call_many(
        connection_id=connection.pk,
        action="picklist_values",
        requests=[{"object": name, "record_type": record_type} for name, record_type in wanted],
        deadline=DEADLINE_SECONDS,
    )
    found: dict[str, dict[str, _Picklists]] = {}
    for (name, record_type), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, errors.IntegrationError):
            picklists = _before(known.get(name), record_type)
        else:
            picklists = answer.get("picklists")
        found.setdefault(name, {})[record_type] = picklists
    filled = {name: _with(told[name], contents[name], known.get(name), found[name]) for name in found}
    return {**told, **filled}


def _content(told: Told, row: SchemaSnapshot | None) -> Mapping[str, Any] | None:
    """Return what an object with record types consists of, as it was told now or is known already."""
    if isinstance(told, errors.IntegrationError):
        return None
    content: Mapping[str, Any] = told.get("content") or (row.content if row is not None else {})
    return content if content.get("recordTypes") else None


def _with(
    told: Told,
    content: Mapping[str, Any],
    row: SchemaSnapshot | None,
    picklists: Mapping[str, _Picklists],
) -> Told:
    assert isinstance(told, Mapping)
    modified = row.modified if told.get("unchanged") and row is not None else told["modified"]
    return {"content": schema.with_values(content, picklists), "modified": modified}


def _before(row: SchemaSnapshot | None, record_type: str) -> _Picklists:
    """Return what a record type took when that was last known."""
    types = row.content.get("recordTypes", ()) if row is not None else ()
    return next((one.get("picklists") for one in types if one["id"] == record_type), None)
