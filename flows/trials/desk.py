"""This module takes what a person or a program wishes to try, and tries it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from flows import taken
from flows.designing import cutting, starting
from flows.designing.starting import Start
from flows.designing.tree import Refused
from flows.engine.trigger import OTHER_FLOWS, PLATFORM_EVENTS, RECORD_CHANGES
from flows.models import Draft, Event, Flow, FlowVersion, Pair, TestCase
from flows.recipes import catalogue
from flows.steps import registry
from flows.trials import cases, current, from_org, occasions
from flows.trials.current import Compared
from flows.trials.from_org import OrgOccasion
from flows.trials.occasions import Occasion
from flows.trials.running import Ready, Tried, ready, try_out
from flows.trials.unusable import Unusable
from integrator.accounts import audit
from integrator.accounts.models import Environment

RECENT = 20
_LOOKED_AT = 20_000  # newest rows of the inbox among which recent events are looked for
_MOST_ANSWERS = 50
_NOTHING_CHOSEN = {
    starting.STRIPE_EVENTS: "Choose an event, a sample, or paste one.",
    RECORD_CHANGES: "Choose a recorded event, or a record.",
    PLATFORM_EVENTS: "Choose a recorded event, or paste one.",
    OTHER_FLOWS: "Try a sub-flow in a flow that takes its steps.",
}
_LONGEST_ANSWER = 255


@dataclass(frozen=True, slots=True)
class Source:
    """Which document of a flow is meant: one that is handed in, the draft, a version, or what is newest."""

    version: int | None = None
    draft: bool = False
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What is to be tried on which event: one of the inbox by its row, a sample, or a pasted one.

    A flow that starts with changes of records may be tried on a `record` as well, by its id or its name. With
    an event of the inbox it is the id of the one that is meant of those that the event names.
    """

    source: Source = field(default_factory=Source)
    event: int | None = None
    record: str = ""
    sample: str = ""  # slug of the template flow and name, joined by a dot
    body: str | Mapping[str, Any] | None = None
    live: bool = False  # read from the connected systems what is not recorded
    answers: Mapping[str, str] = field(default_factory=dict)  # what people would say, by step
    to: str = ""  # the step behind which it stops; empty: it goes to the end


@dataclass(frozen=True, slots=True)
class Served:
    """A trial with everything that belongs to it."""

    occasion: Occasion | OrgOccasion
    tried: Tried
    compared: Sequence[Compared]
    at: datetime


class NoSuch(LookupError):
    """The flow has no such version, or no draft."""


class NoSuchStep(NoSuch):
    """The document has no such step."""


def document_of(flow: Flow, source: Source) -> Mapping[str, Any]:
    """
    Return the document that is meant.

    :raises NoSuch: if the flow has none such
    """
    if source.document is not None:
        return taken.filled(source.document, flow)
    if source.draft:
        draft = Draft.objects.filter(flow=flow).first()
        if draft is None:
            raise NoSuch("This flow has no draft.")
        found: Mapping[str, Any] = draft.document
        return found
    versions: Any = flow.versions.order_by("-number")
    version: FlowVersion | None = (
        versions.first() if source.version is None else versions.filter(number=source.version).first()
    )
    if version is None:
        raise NoSuch("This flow has no such version.")
    document: Mapping[str, Any] = version.document
    return document


def pair_of(flow: Flow, environment: Environment | None) -> Pair | None:
    """Return the pair that the flow would run on in `environment`."""
    if environment is None:
        return None
    pairs = Pair.objects.filter(integration=flow.integration_id, environment=environment)
    return pairs.select_related("stripe", "salesforce", "environment").first()


def occasion_of(
    wish: Wish, start: Start, environment: Environment | None, pair: Pair | None, *, now: datetime
) -> Occasion | OrgOccasion:
    """
    Return what is meant; an event of the inbox has to be of `environment`, a record of the org of `pair`.

    :raises flows.trials.occasions.Unusable: if there is none such, or nothing can be tried on it
    """
    if wish.event is not None:
        rows = Event.objects.filter(connection__environment=environment).select_related("connection")
        event = rows.filter(pk=wish.event).first() if environment is not None else None
        if event is None:
            raise Unusable("There is no such event here.")
        return occasions.of_event(event, record=wish.record)
    if wish.record:
        if pair is None:
            raise Unusable("There is no pair of connections here to read from.")
        return from_org.of_record(start, wish.record, pair.salesforce, now=now)
    if wish.sample:
        slug, _, name = wish.sample.partition(".")
        return occasions.of_sample(slug, name, now=now)
    if wish.body is None or wish.body == "":
        raise Unusable(_NOTHING_CHOSEN[start.kind])
    if start.by_salesforce:
        return from_org.of_pasted(start, occasions.opened(wish.body), now=now)
    return occasions.of_pasted(wish.body, now=now)


def serve(*, flow: Flow, wish: Wish, environment: Environment | None, actor: str, now: datetime) -> Served:
    """
    Try `flow` out as `wish` says; what is read from live systems is written down in the audit trail.

    :raises NoSuch: if there is no such document
    :raises NoSuchStep: if it has no step at which to stop
    :raises flows.trials.occasions.Unusable: if there is no such event, or it cannot be used
    :raises flows.engine.definition.InvalidDocument: if the document is not finished, as far as it is gone
    :raises flows.trials.running.Untriable: if it cannot be compiled
    """
    prepared = ready(_as_far_as(wish.to, document_of(flow, wish.source)))
    pair = pair_of(flow, environment)
    occasion = occasion_of(wish, prepared.start, environment, pair, now=now)
    # A record of which nothing was recorded is read from the org, and so is what the flow asks about it.
    live = wish.live or (bool(wish.record) and wish.event is None)
    if live and pair is None:
        raise Unusable("There is no pair of connections here to read from.")
    if live:
        _tell(flow, occasion, environment, actor, now)
    answers = _answers(wish.answers)
    tried = try_out(prepared, occasion, pair=pair, at=now, live=live, answers=answers)
    compared = current.compare(tried.trial.records, pair=pair, live=live)
    return Served(occasion, tried, compared, now)


def _as_far_as(step: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    if not step:
        return document
    try:
        return cutting.up_to(document, step, registry.load())
    except Refused as refusal:
        raise NoSuchStep(str(refusal)) from None


def _tell(
    flow: Flow,
    occasion: Occasion | OrgOccasion,
    environment: Environment | None,
    actor: str,
    now: datetime,
) -> None:
    with transaction.atomic():
        audit.record(
            workspace=flow.integration.workspace,
            actor=actor,
            action="flow.trial_read",
            target=f"{flow} in {environment}"[:200],
            details={"event": occasion.name}
            | ({"record": occasion.record_id} if isinstance(occasion, OrgOccasion) else {}),
            now=now,
        )


def save(
    *, flow: Flow, wish: Wish, name: str, environment: Environment | None, actor: str, now: datetime
) -> TestCase:
    """
    Try `flow` out and keep what came of it as a test case.

    :raises flows.trials.cases.TooMany: if the flow has too many
    :raises flows.trials.tape.TooMuch: if it is too large to keep
    :raises NoSuch: and the others as `serve`
    """
    served = serve(flow=flow, wish=wish, environment=environment, actor=actor, now=now)
    return cases.save(
        flow=flow,
        name=name,
        environment=environment,
        occasion=served.occasion,
        tried=served.tried,
        answers=_answers(wish.answers),
        at=served.at,
        actor=actor,
        now=now,
    )


def _answers(given: Mapping[str, str]) -> dict[str, str]:
    return {
        str(step)[:_LONGEST_ANSWER]: str(answer)[:_LONGEST_ANSWER]
        for step, answer in list(given.items())[:_MOST_ANSWERS]
    }


def recent(flow: Ready, pair: Pair | None) -> list[Event]:
    """Return the newest events that would start `flow`, without their bodies."""
    return recent_of(flow.start, pair)


def recent_of(start: Start, pair: Pair | None) -> list[Event]:
    """Return the newest events of `pair` by which `start` starts a flow, without their bodies."""
    if pair is None:
        return []
    types, inbox = start.types, Event.objects.filter(connection=pair.slots()[start.slot])
    newest = inbox.order_by("-pk").values_list("pk", flat=True).first() or 0
    fitting = inbox.filter(pk__gt=newest - _LOOKED_AT, type__in=types, unreadable="", purged_at__isnull=True)
    return list(fitting.defer("body").order_by("-pk")[:RECENT])


def with_chosen(recent: Sequence[Event], start: Start, pair: Pair | None, chosen: str) -> list[Event]:
    """Return `recent` with the event of the number `chosen` at its head, if that one starts the flow."""
    if pair is None or not re.fullmatch(r"[0-9]{1,18}", chosen):
        return list(recent)
    inbox = Event.objects.filter(connection=pair.slots()[start.slot], type__in=start.types, unreadable="")
    found = inbox.filter(pk=int(chosen), purged_at__isnull=True).defer("body").first()
    return list(recent) if found is None else [found, *(one for one in recent if one.pk != found.pk)]


def samples(flow: Ready) -> list[tuple[str, str]]:
    """Return the samples whose type starts `flow`, by what `Wish.sample` takes, with words for people."""
    return samples_of(flow.plan.types)


def samples_of(types: Collection[str]) -> list[tuple[str, str]]:
    """Return the samples of `types`, as `samples` does."""
    return [
        (f"{slug}.{name}", f"{sample.event['type']} ({name.replace('_', ' ')})")
        for slug in catalogue.slugs()
        for name, sample in catalogue.samples(slug).items()
        if sample.event["type"] in types
    ]
