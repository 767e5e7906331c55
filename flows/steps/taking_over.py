"""
This module lets an upsert take over a record that has the same value in another unique field.

Salesforce names that record, and the org itself says by the field that there is one of it only. It is taken
over where nobody else has: where its external id is empty. Otherwise a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.salesforce.ids import as_18
from flows import error_catalogue
from flows.engine.ports import Ports, Result
from integrator.kernel.errors import Ambiguous, IntegrationError

CODE = "DUPLICATE_VALUE"


class Taken(NamedTuple):
    """A record that may be taken over, and what a person should see about that."""

    record_id: str
    note: dict[str, str]


def free_records(object_: str, key: str, results: Sequence[Result], ports: Ports) -> dict[int, Taken]:
    """Return by place in `results` which record is updated instead, for those for which there is one."""
    named = {place: found for place, result in enumerate(results) if (found := _named(result, key))}
    if not named:
        return {}
    ids = sorted({record_id for record_id, _ in named.values()})
    wanted = {"object": object_, "field": "Id", "values": ids, "fields": ["Id", key]}
    (answer,) = ports.call_many("salesforce", "find", [wanted])
    free = _free(answer, key)
    granted = ports.lease("salesforce", [f"{object_}:{one}" for one in sorted(free)]) if free else frozenset()
    taken: dict[int, Taken] = {}
    for place, (record_id, field) in named.items():
        others = {one.record_id for one in taken.values()}
        if record_id in free and f"{object_}:{record_id}" in granted and record_id not in others:
            said = f"The record {record_id} has the same {field} and belonged to nobody, so it is updated"
            taken[place] = Taken(record_id, {"field": field, "code": "taken_over", "message": said})
    return taken


def _named(result: Result, key: str) -> tuple[str, str] | None:
    """Return the record that a refusal names, and the field that both have; nothing if that is the key."""
    if not isinstance(result, Ambiguous) or result.code != CODE:
        return None
    told = error_catalogue.explain_params(result)
    field = told.get("field", "")
    if not field or field.lower() == key.lower() or "record_id" not in told:
        return None
    return as_18(told["record_id"]), field


def _free(answer: Result, key: str) -> set[str]:
    """Return the records of which the external id is empty."""
    if isinstance(answer, IntegrationError):
        return set()
    rows: Sequence[Mapping[str, object]] = answer.get("records") or []
    known = [{name.lower(): value for name, value in row.items()} for row in rows]
    return {str(row["id"]) for row in known if row.get("id") and not row.get(key.lower())}
