"""This module says what flows want of their org: those that are live there, or those that somebody chose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.models import Connection
from connectors.salesforce.package.wanted import Wanted
from flows.engine import records
from flows.engine.definition import FlowDocument, InvalidDocument, StepDefinition, load, walk
from flows.engine.trigger import ChangeTrigger, EventTrigger
from flows.mapping.record_types import FIELD as RECORD_TYPE
from flows.models import Deployment, Draft, Flow, FlowVersion, Pair
from flows.recipes.needs import needs_of
from flows.steps import registry

EFFECTS, PUBLISHES = "salesforce.start_flow", "salesforce.publish"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flow that works, or may work, with an org."""

    flow: Flow
    document: Mapping[str, Any]
    is_live: bool


def candidates(connection: Connection) -> list[Candidate]:
    """Return the flows of `connection`: as they are live there, else as their draft or newest version is."""
    live = (
        Deployment.objects.filter(pair__salesforce=connection, ended_at__isnull=True)
        .select_related("flow", "version")
        .order_by("flow__name", "id")
    )
    found = {one.flow_id: Candidate(one.flow, one.version.document, is_live=True) for one in live}
    others = Flow.objects.filter(integration__pairs__salesforce=connection).exclude(pk__in=found).distinct()
    drafts = {one.flow_id: one.document for one in Draft.objects.filter(flow__in=others)}
    for flow in others.order_by("name"):
        document = drafts.get(flow.pk) or _newest(flow)
        if document:
            found[flow.pk] = Candidate(flow, document, is_live=False)
    return list(found.values())


def _newest(flow: Flow) -> Mapping[str, Any] | None:
    newest = FlowVersion.objects.filter(flow=flow).order_by("-number").first()
    return newest.document if newest else None


def wanted_by(connection: Connection, chosen: Collection[str] | None = None) -> Wanted:
    """
    Return what the flows want that are live with `connection`; or those with the `chosen` ids.

    A draft that cannot be read yet wants nothing.
    """
    flows = [one for one in candidates(connection) if _is_meant(one, chosen)]
    billing = Pair.objects.filter(salesforce=connection).values_list("stripe_id", flat=True)
    return _wanted(flows, tuple(sorted(set(billing))))


def _is_meant(one: Candidate, chosen: Collection[str] | None) -> bool:
    return one.is_live if chosen is None else one.flow.public_id in chosen


class _Gathered:
    """What is wanted, each with the flows that want it, while it is gathered."""

    def __init__(self) -> None:
        self.of: defaultdict[str, defaultdict[Any, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.filled: set[tuple[str, str]] = set()

    def note(self, what: str, names: Iterable[Any], flow: str) -> None:
        for name in names:
            if flow not in self.of[what][name]:
                self.of[what][name].append(flow)

    def all(self, what: str) -> dict[Any, tuple[str, ...]]:
        return {name: tuple(flows) for name, flows in self.of[what].items()}


def _wanted(flows: Iterable[Candidate], billing: tuple[int, ...]) -> Wanted:
    gathered, names = _Gathered(), []
    kinds = registry.load()
    for one in flows:
        try:
            document = load(one.document, kinds=kinds)
        except InvalidDocument:
            continue
        names.append(one.flow.name)
        _gather(gathered, one.flow.name, document)
    effects = gathered.all("effects").get(True, ())
    return Wanted(
        flows=tuple(names),
        objects=gathered.all("objects"),
        fields=gathered.all("fields"),
        written=gathered.all("written"),
        filled=frozenset(gathered.filled),
        captured=gathered.all("captured"),
        heard=gathered.all("heard"),
        published=gathered.all("published"),
        effects=effects,
        record_types=gathered.all("record_types"),
        billing=billing,
    )


def _gather(gathered: _Gathered, flow: str, document: FlowDocument) -> None:
    for need in needs_of(document):
        gathered.note("objects", [need.object], flow)
        gathered.note("fields", [(need.object, name) for name in need.fields], flow)
        if need.written and not need.object.endswith("__e"):
            gathered.note("written", [need.object], flow)
        gathered.filled |= {(need.object, name) for name in need.written}
    for step, _ in walk(document.steps):
        if step.kind == PUBLISHES:
            gathered.note("published", [step.settings["event"]], flow)
        if step.kind == EFFECTS and step.settings.get("through", "record") == "record":
            gathered.note("effects", [True], flow)
        gathered.note("record_types", _record_types(step), flow)
    match document.trigger:
        case ChangeTrigger() as trigger:
            names = {*trigger.fields, *records.fields_read(document, registry.load())}
            gathered.note("objects", [trigger.object], flow)
            gathered.note("captured", [trigger.object], flow)
            gathered.note("fields", [(trigger.object, name) for name in sorted(names)], flow)
        case EventTrigger() as trigger:
            gathered.note("heard", [trigger.event], flow)
        case _:
            pass


def _record_types(step: StepDefinition) -> Iterator[tuple[str, str]]:
    """Yield the record types that a mapping names: the object, and the name that is the same in every org."""
    for line in step.settings.get("lines", ()) if step.kind == "map" else ():
        if str(line.get("field", "")).lower() != RECORD_TYPE.lower():
            continue
        for chip in line.get("chips", ()):
            values = [chip.get("value")] if chip.get("chip") == "constant" else []
            values += list((chip.get("map") or {}).values()) if chip.get("chip") == "value_map" else []
            yield from ((step.settings["target"], name) for name in values if isinstance(name, str) and name)
