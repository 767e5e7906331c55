"""
This module finds in the traces of an event's runs what the other systems answered then.

A trace is masked and cut for people, so that what was too large to keep is not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors.stripe.roots import reading_of, roots_from
from flows.engine.definition import FlowDocument, walk
from flows.models import Attempt, Event, Run
from flows.steps import soql
from flows.steps.list_records import ListRecordsSettings
from flows.trials.tape import Tape
from integrator import vault
from integrator.kernel.errors import Missing

_TRIES = 5  # newest attempts that are looked at


class Recorded(Tape):
    """What the runs of one event read: objects of Stripe by id, records by how they were looked for."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._records: dict[tuple[str, str], list[dict[str, Any]]] = {}  # by object and value looked for
        self._looked_in: set[tuple[str, str]] = set()  # objects and fields that were looked in
        self._queries: dict[str, list[dict[str, Any]]] = {}
        self._roots: dict[tuple[str, str], dict[str, Any]] = {}  # records that started runs, by object and id

    def known(self, *asked: Any) -> Any:
        """Return what the answer was, or None."""
        if len(asked) != 3 or not isinstance(asked[2], Mapping):
            return super().known(*asked)
        _, action, request = asked
        match action:
            case "retrieve":
                return self._object(request)
            case "find":
                return self._found(request)
            case "query":
                records = self._queries.get(str(request.get("soql")))
                return None if records is None else {"records": records}
            case _:
                return None

    def _object(self, request: Mapping[str, Any]) -> dict[str, Any] | Missing | None:
        found = self._objects.get((str(request.get("type")), str(request.get("id"))))
        if found is None:
            return None
        if found["object"] is None:
            return Missing("It was not there when the event was handled.")
        moment = str(found["at"])
        return {"object": found["object"], "requested_at": moment, "answered_at": moment}

    def _found(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what was found. In a field that was looked in, whatever else is looked for was not there."""
        object_ = str(request.get("object"))
        if (root := self._root(object_, request)) is not None:
            return {"records": [root]}
        values = [str(value).casefold() for value in request.get("values") or ()]
        found = [self._records.get((object_, value)) for value in values]
        if None in found and (object_, str(request.get("field"))) not in self._looked_in:
            return None
        return {"records": [record for records in found if records for record in records]}

    def _root(self, object_: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the record that started a run, if its run has read all that is asked for now."""
        values = [str(value) for value in request.get("values") or ()]
        if request.get("field") != "Id" or len(values) != 1:
            return None
        found = self._roots.get((object_, values[0]))
        asked = [str(name).split(".") for name in request.get("fields") or ()]
        return found if found is not None and all(_has(found, path) for path in asked) else None

    def learn(self, entry: Mapping[str, Any], settings: Mapping[str, Any], at: str) -> None:
        """Take in what one entry of a trace says, whose step had `settings`."""
        output, kind = entry.get("output"), entry.get("kind")
        if isinstance(output, dict) and "cut" in output:
            return
        match kind:
            case "stripe.retrieve":
                self._learn_retrieved(entry, settings, at)
            case "fetched" if isinstance(output, dict):
                self._learn_fetched(output, at)
            case "salesforce.find" if isinstance(output, dict):
                self._learn_record(entry, output, settings)
            case "salesforce.query" if isinstance(output, dict):
                self._learn_records(output, settings)
            case "salesforce.list" if isinstance(output, dict) and entry.get("exit") in ("found", "none"):
                query = ListRecordsSettings.model_validate(settings).soql
                self._queries[query] = output["records"]

    def _learn_fetched(self, output: Mapping[str, Any], at: str) -> None:
        """Take in what was read anew: objects of Stripe, or the record of Salesforce."""
        for name, found in output.items():
            self._learn_object(found, at)
            if isinstance(found, dict) and isinstance(found.get("Id"), str):
                self._roots[str(name), found["Id"]] = found

    def _learn_retrieved(self, entry: Mapping[str, Any], settings: Mapping[str, Any], at: str) -> None:
        seen = entry.get("input")
        if entry.get("exit") == "none" and isinstance(seen, dict):
            self._objects[str(settings.get("type")), str(seen.get("id"))] = {"object": None, "at": at}
        else:
            self._learn_object(entry.get("output"), at)

    def _learn_records(self, output: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        records = output.get("records")
        if isinstance(records, list) and isinstance(settings.get("soql"), str):
            self._queries[soql.limited(settings["soql"])] = records

    def _learn_object(self, found: Any, at: str) -> None:
        if (
            isinstance(found, dict)
            and isinstance(found.get("object"), str)
            and isinstance(found.get("id"), str)
        ):
            self._objects[found["object"], found["id"]] = {"object": found, "at": at}

    def _learn_record(
        self, entry: Mapping[str, Any], output: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        seen, record, object_ = entry.get("input"), output.get("record"), str(settings.get("object"))
        if not entry.get("exit"):
            return  # a person was asked, or it failed
        for way in settings.get("by") or ():
            field = str(way.get("field") or "Id") if way.get("kind") in ("equal", "external_id") else "Id"
            self._looked_in.add((object_, field))
            if field == output.get("by") or (way.get("kind") == "link" and output.get("by") == "link"):
                break  # the ways behind it were not gone
        if isinstance(seen, dict) and isinstance(record, dict):
            for field, value in seen.items():
                self._records[object_, str(value).casefold()] = [{**record, **_filled(field, value, record)}]


def _filled(field: str, value: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field that was looked for, as far as a record of a trace does not say it already."""
    known = {name.lower() for name in record}
    return {} if field == "link" or "." in field or field.lower() in known else {field: value}


def _has(record: Any, path: Sequence[str]) -> bool:
    """Tell whether a field was read; behind a relation that leads nowhere there is nothing to read."""
    for name in path:
        if record is None:
            return True
        if not isinstance(record, dict) or name not in record:
            return False
        record = record[name]
    return True


def of(event: Event) -> Recorded:
    """Return what the runs of `event` read, the newest try last."""
    known = Recorded()
    attempts = Attempt.objects.filter(run__event=event).select_related("run__version").order_by("-id")
    for attempt in list(attempts[:_TRIES])[::-1]:
        settings = _settings(attempt.run)
        for entry in _entries(attempt):
            known.learn(entry, settings.get(str(entry.get("step")), {}), attempt.started_at.isoformat())
    return known


def _entries(attempt: Attempt) -> Iterator[Mapping[str, Any]]:
    try:
        found = msgspec.json.decode(vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}"))
    except (vault.Unreadable, ValueError):
        return
    yield from (entry for entry in found if isinstance(entry, Mapping))


def _settings(run: Run) -> dict[str, Mapping[str, Any]]:
    document = FlowDocument.model_validate(run.version.document)
    return {step.id: step.settings for step, _ in walk(document.steps)}


def a_reading(found: Mapping[str, Any], at: str) -> Tape:
    """Return a tape on which the root object `found` is read, as a sample brings it along."""
    kind, expand = reading_of(next(iter(roots_from(found))))
    tape = Tape()
    answer = {"object": found, "requested_at": at, "answered_at": at}
    tape.keep(answer, "stripe", "retrieve", {"type": kind, "id": found["id"], "expand": expand})
    return tape
