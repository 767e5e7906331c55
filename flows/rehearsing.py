"""This module opens recorded events as a step of a flow would read them, to try the step on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from connectors.stripe.roots import roots_from
from flows import payloads, started
from flows.bus_events import BusEvent
from flows.designing import starting
from flows.designing.starting import Start
from flows.engine.trace import SOURCE
from flows.mapping.apply import compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Context, first_of
from flows.mapping.spec import Mapping as MappingSpec
from flows.models import Attempt, Event, Flow, Pair
from flows.recipes import catalogue
from integrator import vault

MOST_LOOKED_AT = 5_000  # rows of the inbox in which events of the wanted types are looked for
MOST = 200
SAMPLE = "sample:"


@dataclass(frozen=True, slots=True)
class Choice:
    """An event that a step can be tried on."""

    id: str
    label: str
    row: Event | None = None  # nothing for a sample


def choices(flow: Flow, pair: Pair | None, start: Start, *, most: int = 50) -> list[Choice]:
    """Return the newest events by which `start` starts the flow on `pair`, and after them the samples."""
    types = start.types
    found = [] if pair is None else [_choice(event) for event in _recorded(pair, start, most)]
    samples = catalogue.samples(flow.slug) if flow.slug in catalogue.slugs() else {}
    return found + [
        Choice(f"{SAMPLE}{name}", f"Sample: {name.replace('_', ' ')}")
        for name, sample in samples.items()
        if sample.event.get("type") in types
    ]


def _choice(event: Event) -> Choice:
    return Choice(str(event.pk), f"{event.type} · {event.object_id or event.external_id}", event)


def _recorded(pair: Pair, start: Start, most: int) -> list[Event]:
    types, connection = start.types, pair.slots()[start.slot]
    newest = Event.objects.filter(connection=connection).order_by("-id").values("id")[:MOST_LOOKED_AT]
    readable = Event.objects.filter(id__in=newest, type__in=types, unreadable="", purged_at__isnull=True)
    return list(readable.order_by("-id").defer("body")[:most])


def context_of(flow: Flow, choice: Choice, document: Mapping[str, Any], step: str) -> dict[str, Any]:
    """
    Return what `step` of `document` reads when the event of `choice` comes: roots, event and earlier steps.

    Earlier maps are worked out anew. What other steps gave is taken from the last run of the flow for this
    event; where there is none, their outputs are missing. Inside of a for-each it is the first element.

    :raises flows.payloads.Unreadable: if the event does not open any more, or has no object
    """
    body, given = _opened(flow, choice)
    known = _of_org(choice.row, body, given) if starting.of(document).by_salesforce else _of_stripe(body)
    context = {**known, "steps": {}}
    _take(document.get("steps") or [], step, context, given)
    return context


def _of_stripe(body: Mapping[str, Any]) -> dict[str, Any]:
    data = body.get("data")
    return {
        **roots_from(payloads.object_of(body)),
        "event": {
            name: body.get(name) for name in ("id", "type", "created", "livemode", "account", "api_version")
        },
        "previous": data.get("previous_attributes") if isinstance(data, Mapping) else None,
    }


def _of_org(row: Event | None, body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event of an org's bus gives to read: the record as its run read it, or what was told."""
    event = BusEvent.of(body)
    record_id = next(iter(event.record_ids), "")
    moment = (row.happened_at or row.received_at) if row is not None else datetime.now(UTC)
    read = given.get(SOURCE)
    roots = read if isinstance(read, dict) and event.name in read else {event.name: dict(event.values)}
    name = row.external_id if row is not None else ""
    return {**roots, "event": started.named(event, name, record_id, moment).as_root(), "previous": None}


def _opened(flow: Flow, choice: Choice) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the body of the event, and what the steps of its last run gave."""
    if choice.row is None:
        sample = catalogue.samples(flow.slug)[choice.id.removeprefix(SAMPLE)]
        return sample.event, {}
    body = payloads.open_body(choice.row.body, connection_id=choice.row.connection_id)
    tries = Attempt.objects.filter(run__event=choice.row, run__flow=flow).order_by("-id")
    return body, _given(tries.first())


def _given(attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        return {}
    try:
        entries = json.loads(vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}"))
    except (vault.Unreadable, ValueError):
        return {}
    return {str(entry.get("step")): entry.get("output") for entry in entries if isinstance(entry, dict)}


def _take(
    steps: Sequence[Mapping[str, Any]], until: str, context: dict[str, Any], given: Mapping[str, Any]
) -> bool:
    """Take `context` through `steps` up to the one that is called `until`, and tell whether it was met."""
    for step in steps:
        if step.get("id") == until:
            return True
        settings = step.get("settings") or {}
        output = _output(step, settings, context, given)
        if output is not None:
            context["steps"][str(step.get("id"))] = output
        for name, branch in (step.get("exits") or {}).items():
            inside = _element(step, name, settings, context)
            if _take(branch, until, inside, given):
                context.update(inside)
                return True
    return False


def _output(
    step: Mapping[str, Any], settings: Mapping[str, Any], context: Context, given: Mapping[str, Any]
) -> Any:
    if step.get("kind") != "map":
        return given.get(str(step.get("id")))
    try:
        return compile_mapping(MappingSpec.model_validate(settings)).apply(context).record
    except (ValidationError, MappingFailed):
        return None


def _element(
    step: Mapping[str, Any], exit_name: str, settings: Mapping[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    """Return `context` with the first element of the list, where the exit is the body of a for-each."""
    if step.get("kind") != "for_each" or exit_name != "each":
        return context
    found = first_of(_paths(settings.get("list")))(context)
    if isinstance(found, Mapping):
        found = found.get("data")
    if not isinstance(found, list) or not found:
        return context
    return {**context, str(settings.get("name") or "each"): found[0], "number": 1}


def _paths(given: Any) -> list[str]:
    """Return the paths in a setting that may be unfinished."""
    given = [given] if isinstance(given, str) else given
    return [path for path in given if isinstance(path, str)] if isinstance(given, list) else []
