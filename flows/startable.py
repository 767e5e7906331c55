"""
This module finds what keeps an org from starting a flow: objects and fields that it has not or does not tell.

What is asked is what the form of the trigger offers as well, so that it costs no calls of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors import schemas
from connectors.models import Connection
from flows import captures, earshot
from flows.designing.starting import Start
from flows.engine.definition import FlowDocument, walk
from flows.engine.trigger import ChangeTrigger
from flows.mapping.conditions import paths_of
from flows.mapping.fields import SObjField
from flows.mapping.issues import Issue
from flows.mapping.sources import Sources
from flows.steps.wait_for_event import WaitForEvent

# What no update names among its changes: what Salesforce reckons itself is not stored with the record.
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_associated_objects_change_event.htm
_NEVER_NAMED = frozenset({"SystemModstamp", "LastActivityDate", "LastViewedDate", "LastReferencedDate"})
OBJECT, EVENT, FIELDS, WHEN = "object", "event", "fields", "when"


def issues_of(
    start: Start, org: Connection, *, described: Sequence[SObjField] | Issue | None, now: datetime, ask: bool
) -> Iterator[Issue]:
    """
    Yield what keeps `org` from starting a flow by `start`, which Salesforce starts.

    `described` are the fields of the object or the event, or why they are not known.
    """
    if isinstance(described, Issue):
        yield replace(described, field=OBJECT if start.object else EVENT)
    elif described is not None:
        yield from _of_fields(start, described)
    listed = _listed(org, now=now, ask=ask)
    yield from _of_name(start, listed)
    if start.object:
        yield from _of_object(start.object, listed)
    yield from _unheard(start, org)


def of_condition(document: FlowDocument, sources: Sources) -> Iterator[Issue]:
    """Yield paths in the trigger's condition that the record does not have."""
    trigger = document.trigger
    if isinstance(trigger, ChangeTrigger) and trigger.when is not None:
        for path in dict.fromkeys(paths_of(trigger.when.condition())):
            yield from sources.check(path, WHEN, alone=True)


def of_waits(document: FlowDocument, org: Connection) -> Iterator[Issue]:
    """Yield steps that wait for an event of the org which does not come: it is not heard, or misnamed."""
    known = schemas.kept(connection=org, object=schemas.EVERY)
    names = _own_names(() if known is None else known.content.get("objects", ()))
    for step, _ in walk(document.steps):
        if step.kind != WaitForEvent.slug or step.settings.get("system") != "salesforce":
            continue
        for kind in step.settings["types"]:
            object_ = kind.rpartition(".")[0]
            event = "" if object_ else kind
            if (own := names.get((object_ or event).lower(), object_ or event)) != (object_ or event):
                message = f"Salesforce calls {object_ or event} {own}, so that the event would not come"
                right = f"{own}{kind[len(object_) :]}" if object_ else own
                yield Issue("error", "other_letters", "types", message, f"Write {right}.", step.id)
            if not earshot.is_heard(org, object=object_, event=event):
                name = earshot.topic_of(object=object_, event=event)
                message = f"Nobody listens to {name} of {org.name}, so that the event would not come"
                fix = "Choose the topic on the page of the connection. What it brings counts as used events."
                yield Issue("warning", "not_listened", "types", message, fix, step.id)


def _of_fields(start: Start, described: Sequence[SObjField]) -> Iterator[Issue]:
    known = {one.name.lower(): one for one in described}
    for name in start.fields if known else ():
        one = known.get(name.lower())
        if one is None:
            message = f"{start.object} has no field {name}, or does not show it"
            yield Issue("error", "no_such_field", FIELDS, message, "Choose a field that it has.")
        elif one.calculated or one.name in _NEVER_NAMED:
            message = f"Changes of {start.object} may never name {name}, which Salesforce reckons itself"
            fix = "Choose the fields that it is reckoned from."
            yield Issue("warning", "never_changes", FIELDS, message, fix)


def _listed(org: Connection, *, now: datetime, ask: bool) -> Sequence[Mapping[str, Any]]:
    """Return the org's list of all that it has; nothing where it is not known, which is said elsewhere."""
    try:
        known = (
            schemas.of(connection=org, object=schemas.EVERY, now=now)
            if ask
            else schemas.kept(connection=org, object=schemas.EVERY)
        )
    except schemas.Unavailable:
        return ()
    return () if known is None else known.content.get("objects", ())


def _of_name(start: Start, listed: Sequence[Mapping[str, Any]]) -> Iterator[Issue]:
    """Find a name in other letters: Salesforce describes it all the same, but tells changes by its own."""
    name = start.object or start.event
    if (own := _own_names(listed).get(name.lower(), name)) != name:
        place = OBJECT if start.object else EVENT
        message = f"Salesforce calls {name} {own}, so that no change of it would start the flow"
        yield Issue("error", "other_letters", place, message, f"Write {own}.")


def _own_names(listed: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of what the org has as it writes them, by those in small letters."""
    return {name.lower(): name for one in listed if (name := str(one.get("name", "")))}


def _of_object(name: str, listed: Sequence[Mapping[str, Any]]) -> Iterator[Issue]:
    if captures.told(name, captures.of_list(listed)) is False:
        message = f"Salesforce does not tell when a record of {name} changes"
        fix = "Choose an object that has change events, or let a Flow of the org publish a platform event."
        yield Issue("error", "no_change_events", OBJECT, message, fix)


def _unheard(start: Start, org: Connection) -> Iterator[Issue]:
    """Find that nobody listens yet. What a channel of the org's own brings is not known from here."""
    if not earshot.is_heard(org, object=start.object, event=start.event):
        name = earshot.topic_of(object=start.object, event=start.event)
        message = f"Nobody listens to {name} of {org.name} yet"
        fix = "The topic is added when the flow goes live. What it brings counts as used events of the org."
        yield Issue("warning", "not_listened", OBJECT if start.object else EVENT, message, fix)
