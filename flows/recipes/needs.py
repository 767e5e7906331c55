"""This module says what a flow needs of an org, and judges by descriptions whether that is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.base import Result
from connectors.checks import Check, State
from flows.engine.definition import FlowDocument, StepDefinition, walk
from flows.steps.create import KEY_FIELD
from flows.steps.start_flow import EFFECT_OBJECT
from integrator.kernel.errors import Forbidden, IntegrationError, Missing

GROUP = "What the flow needs"
MEND = "Deploy the package from the connection’s page, and give the integration user access."


@dataclass(frozen=True, slots=True)
class Need:
    """An object of the org, and its fields: those that are written, and those that are only read."""

    object: str
    written: tuple[str, ...] = ()
    read: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return every field, each once."""
        return tuple(dict.fromkeys([*self.written, *self.read]))


def needs_of(document: FlowDocument) -> list[Need]:
    """Return the objects and fields that the trigger and the steps of `document` name, by object."""
    written: dict[str, list[str]] = defaultdict(list)
    read: dict[str, list[str]] = defaultdict(list)
    for step, _ in walk(document.steps):
        for object_, field, is_written in _of_step(step):
            place = written if is_written else read
            place[object_] += [field] if field else []
    if document.trigger.root:
        read[document.trigger.root] += []
    names = sorted({*written, *read})
    return [Need(name, _once(written[name]), _once(read[name], but=written[name])) for name in names]


def _once(fields: list[str], but: list[str] | tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(sorted(set(fields) - set(but)))


# Object, field, and whether it is written. An empty field stands for the object alone.
_Named = Iterator[tuple[str, str, bool]]


def _of_step(step: StepDefinition) -> _Named:
    of_kind = _KINDS.get(step.kind)
    return iter(()) if of_kind is None else of_kind(step.settings)


def _map(settings: Mapping[str, Any]) -> _Named:
    for line in settings.get("lines", []):
        yield str(settings["target"]), str(line["field"]), True


def _upsert(settings: Mapping[str, Any]) -> _Named:
    yield str(settings["object"]), str(settings["external_id"]), True
    for parent in settings.get("parents", []):
        for line in parent["lines"]:
            yield str(parent["object"]), str(line["field"]), True


def _create(settings: Mapping[str, Any]) -> _Named:
    yield str(settings["object"]), KEY_FIELD, True


def _update(settings: Mapping[str, Any]) -> _Named:
    yield str(settings["object"]), "", True


def _list(settings: Mapping[str, Any]) -> _Named:
    conditions = [str(one["field"]) for one in settings.get("where", [])]
    for field in (*conditions, *settings.get("fields", []), settings.get("order_by", "")):
        yield str(settings["object"]), str(field), False


def _find(settings: Mapping[str, Any]) -> _Named:
    ways = [way.get("field", "Id") for way in settings["by"] if way["kind"] != "link"]
    for field in (*ways, *settings.get("fields", []), *settings.get("shows", [])):
        yield str(settings["object"]), str(field), False


def _recognise(settings: Mapping[str, Any]) -> _Named:
    yield str(settings["object"]), "", False
    keys = [key["field"] for key in settings.get("keys", [])]
    for field in (*keys, *settings.get("fields", [])):
        yield str(settings["object"]), str(field), False


def _start_flow(settings: Mapping[str, Any]) -> _Named:
    if settings.get("through", "record") == "record":
        yield EFFECT_OBJECT, "", True


def _publish(settings: Mapping[str, Any]) -> _Named:
    yield str(settings["event"]), "", True


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], _Named]] = {
    "map": _map,
    "salesforce.upsert": _upsert,
    "salesforce.create": _create,
    "salesforce.find": _find,
    "salesforce.list": _list,
    "salesforce.recognise": _recognise,
    "salesforce.update": _update,
    "salesforce.start_flow": _start_flow,
    "salesforce.publish": _publish,
}


def judge(needs: list[Need], descriptions: Mapping[str, Result]) -> list[Check]:
    """Return one check for each need, by the description of its object or by why there is none."""
    return [_check(need, descriptions[need.object]) for need in needs]


def _check(need: Need, found: Result) -> Check:
    if isinstance(found, Missing | Forbidden):
        told = "It is missing, or the integration user may not see it."
        return Check(GROUP, f"{need.object} is not there", State.PROBLEM, told, MEND)
    if isinstance(found, IntegrationError):
        again = "Try again in a minute."
        return Check(GROUP, f"{need.object} could not be looked at", State.PROBLEM, str(found), again)
    fields = found.get("fields") or []
    known = {str(one.get("name")).lower(): one for one in fields}
    relations = {str(one.get("relationshipName")).lower(): one for one in fields}
    faults = []
    if lacking := [name for name in need.fields if _described(name, known, relations) is None]:
        faults.append(f"Missing or hidden: {', '.join(lacking)}.")
    locked = [
        name
        for name in need.written
        if (field := _described(name, known, relations)) is not None and not _is_writable(field)
    ]
    if locked:
        faults.append(f"The user may not write {', '.join(locked)}.")
    if faults:
        told = " ".join(faults)
        return Check(GROUP, f"{need.object} is not as it should be", State.PROBLEM, told, MEND)
    count = len(need.fields)
    said = f"{count} field{'' if count == 1 else 's'} of the flow." if count else ""
    return Check(GROUP, f"{need.object} is there", State.OK, said)


def _described(name: str, known: Mapping[str, Any], relations: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the description of a field, or of the look-up that a dotted name goes through."""
    relation, dot, _ = name.partition(".")
    found: Mapping[str, Any] | None = relations.get(relation.lower()) if dot else known.get(name.lower())
    return found


def _is_writable(told: Mapping[str, Any]) -> bool:
    return bool(told.get("createable") or told.get("updateable")) or told.get("name") == "Id"
