"""This module says for which events of Stripe live flows wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from connectors.models import Connection
from flows.engine.definition import FlowDocument, InvalidDocument, load, walk
from flows.engine.trigger import StripeTrigger
from flows.models import Deployment
from flows.steps import registry

WAITS = "wait_for_event"


def event_types(connection: Connection) -> dict[str, tuple[str, ...]]:
    """
    Return the event types that start a live flow of `connection` or let it go on, and the flows' names.

    One that is switched off counts as well: it may be switched on again. A version that cannot be read any
    more waits for nothing.
    """
    live = (
        Deployment.objects.filter(pair__stripe=connection, ended_at__isnull=True)
        .select_related("flow", "version")
        .order_by("flow__name", "id")
    )
    kinds = registry.load()
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for one in live:
        try:
            document = load(one.version.document, kinds=kinds)
        except InvalidDocument:
            continue
        for kind in _types(document):
            found[kind][one.flow.name] = None
    return {kind: tuple(names) for kind, names in sorted(found.items())}


def _types(document: FlowDocument) -> Iterator[str]:
    if isinstance(document.trigger, StripeTrigger):
        yield from document.trigger.types
    for step, _ in walk(document.steps):
        if step.kind == WAITS and step.settings.get("system", "stripe") == "stripe":
            yield from step.settings["types"]
