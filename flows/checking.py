"""
This module checks a flow before it is published: against Stripe's fields, the live org and the other flows.

Salesforce is asked for what is not known of it, unless this is inside a transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from pydantic import ValidationError

from connectors import schemas
from flows import designer, fields, startable, taken
from flows.designing import judging, starting
from flows.engine import definition
from flows.engine.definition import FlowDocument, InvalidDocument, Problem
from flows.mapping import record_types
from flows.mapping.check import validate
from flows.mapping.expressions import Fault, InvalidExpression, typed
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.issues import Issue, errors_in
from flows.mapping.linting import lint
from flows.mapping.record_types import RecordType
from flows.mapping.sources import Sources
from flows.models import Deployment, Draft, Event, Flow, FlowVersion, Pair
from flows.steps import both_ways, parameter_types, registry, returning, soundness, writes
from flows.steps.writes import Writing
from integrator.accounts.models import Environment

COUNTED = 10_000  # events by which it is told how many come a day
_LARGE_SHARE = 0.2  # of the org's daily calls, from which a flow's share is worth a word

# Roots that steps behind a failure and events of a change have.
_ALWAYS = (SrcField("error", "map"), SrcField("previous", "map"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a flow costs a day: events that start it, and calls of Salesforce at least and at most."""

    events: float
    least: float
    most: float
    allowed: int | None  # calls that the org has in 24 hours, if it is known


@dataclass(frozen=True, slots=True)
class Known:
    """What both sides consist of, or once did, where it is told and not looked up."""

    objects: Mapping[str, schemas.Schema]  # of Salesforce
    events: Sequence[SrcField]  # what the events have to read
    others: dict[str, Sequence[SrcField]] = field(default_factory=dict)  # by type; what is learnt is added


def check(
    document: FlowDocument | Mapping[str, Any],
    pair: Pair,
    *,
    now: datetime,
    flow: Flow | None = None,
    ask: bool = True,
    known: Known | None = None,
) -> list[Issue]:
    """
    Return what is wrong with `document` in the systems of `pair`, errors first.

    `flow` is the one that the document belongs to; the pair's other live flows are compared with it. What
    the org does not tell now is a warning, and never a reason to refuse. Without `ask` it is not asked: which
    objects a document names costs calls. Where it is told what is `known`, that alone counts: other flows and
    the cost are left out.
    """
    kinds = registry.load()
    raw = document.model_dump(mode="json") if isinstance(document, FlowDocument) else document
    if problems := judging.problems(raw, kinds):
        invalid = [Issue("error", "invalid", one.field, one.message, step=one.step) for one in problems]
        return taken.told_of_takers(invalid, raw)
    checked = definition.load(raw, kinds=kinds)
    checking = _Checking(checked, pair, now, ask=ask, known=known)
    found = [
        *checking.of_start(),
        *checking.of_mappings(),
        *checking.of_settings(),
        *soundness.issues_of(checked, kinds, checking.writings),
        *(checking.of_company(flow) if known is None else ()),
    ]
    if known is None:  # an impact is told line by line, wherever the line stands
        found = taken.told_of_takers(found, raw)
    unique = [issue for place, issue in enumerate(found) if issue not in found[:place]]
    return sorted(unique, key=lambda issue: issue.level != "error")


def cost(document: FlowDocument | Mapping[str, Any], pair: Pair, *, now: datetime) -> Cost:
    """
    Return what `document` costs a day, by the events that came last.

    :raises InvalidDocument: if it cannot be run
    """
    kinds = registry.load()
    checked = document if isinstance(document, FlowDocument) else definition.load(document, kinds=kinds)
    source = pair.slots()[checked.trigger.slot]
    events = _events_per_day(source, checked.trigger.types, now)
    least, most = soundness.calls_per_day(checked, kinds, events)
    return Cost(events, least, most, pair.salesforce.api_limit)


# Expressions


@dataclass(frozen=True, slots=True)
class Judged:
    """What an expression gives, or why it cannot be evaluated, and what is doubtful in it."""

    type: str | None
    faults: tuple[Fault, ...] = ()
    issues: tuple[Issue, ...] = ()


def judge(text: str, known: Sequence[SrcField]) -> Judged:
    """Return what the expression `text` gives if it reads the fields that are `known`."""
    sources = Sources(known)
    try:
        gives = typed(text, sources.types, sources.roots)
    except InvalidExpression as invalid:
        return Judged(None, invalid.faults)
    return Judged(gives, issues=tuple(lint(text, sources)))


def readable(pair: Pair, event_types: Sequence[str], *, now: datetime) -> list[SrcField]:
    """Return what an expression may read of events of `event_types`."""
    return [*fields.source_fields(pair, event_types, now=now), *_ALWAYS]


def readable_in(flow: Flow, step: str, pair: Pair, *, now: datetime) -> list[SrcField]:
    """
    Return what an expression in a step of the flow's draft may read, or in a new one behind its trigger.

    Without a draft, the newest version is looked at.
    """
    draft = Draft.objects.filter(flow=flow).first()
    newest = flow.versions.order_by("-number").first()
    document = draft.document if draft is not None else newest.document if newest is not None else {}
    found = [*fields.start_fields(pair, starting.of(document), now=now), *_ALWAYS]
    try:
        checked = FlowDocument.model_validate(document)
        return [*found, *fields.step_fields(checked, step, place=pair, sources=found)]
    except (LookupError, ValidationError):  # a step that is not there yet, or a draft that is unfinished
        return found


# Publishing


def pairs_of(flow: Flow, environments: Iterable[Environment]) -> list[Pair]:
    """Return the pairs of the flow in `environments`, in the order of promotion."""
    return pairs_in(environments, Pair.objects.filter(integration=flow.integration))


def pairs_in(environments: Iterable[Environment], rows: QuerySet[Pair]) -> list[Pair]:
    """Return those of `rows` that are in `environments`, in the order of promotion."""
    found = rows.filter(environment__in=environments).order_by("environment__position", "id")
    return list(found.select_related("stripe", "salesforce", "environment", "integration__workspace"))


def pair_to_publish_for(flow: Flow, environments: Iterable[Environment]) -> list[Pair]:
    """
    Return the pair that a draft of `flow` has to be right for: of `environments`, or else of any.

    It is the first in the order of promotion; there is none where the flow is connected nowhere.
    """
    every = Environment.objects.filter(workspace=flow.integration.workspace_id)
    return (pairs_of(flow, environments) or pairs_of(flow, every))[:1]


def publish(
    *, draft: Draft, pairs: Iterable[Pair], revision: int, note: str, actor: str, now: datetime
) -> FlowVersion:
    """
    Freeze the draft as the next version, unless it would fail in the systems of one of `pairs`.

    :raises InvalidDocument: if it could not be run, or an issue of level error stands
    :raises flows.designer.Conflict: if somebody changed it after `revision`
    :raises flows.designer.SaidAlready: if a version does the same
    :raises ValueError: without a note
    """
    designer.must_be_seen(draft, revision)  # so that what is checked is what is published
    for pair in pairs:
        if standing := errors_in(check(draft.document, pair, now=now, flow=draft.flow)):
            raise InvalidDocument([_problem(issue) for issue in standing])
    return designer.publish_draft(draft, revision=revision, note=note, actor=actor, now=now)


def _problem(issue: Issue) -> Problem:
    return Problem(f"{issue.message.rstrip('.')}. {issue.fix}".strip(), issue.step, issue.field)


class _Checking:
    """One document in one pair, with what is known of both sides."""

    def __init__(
        self,
        document: FlowDocument,
        pair: Pair,
        now: datetime,
        *,
        ask: bool,
        known: Known | None,
    ) -> None:
        self.kinds = registry.load()
        self.writings = writes.writings(document, self.kinds)
        self._document = document
        self._pair = pair
        self._now = now
        self._asks = ask and not connection.in_atomic_block
        self._known = known
        self._start = starting.of({"trigger": document.trigger.model_dump()})
        self._events = (
            known.events if known else fields.start_fields(pair, self._start, now=now, ask=self._asks)
        )
        self._others: dict[str, Sequence[SrcField]] = known.others if known else {}
        self._read: dict[str, Sources] = {}  # by step
        self._described: dict[str, Sequence[SObjField]] = {
            name: fields.fields_in(schema) for name, schema in (known.objects if known else {}).items()
        }
        self._objects: dict[str, Sequence[SObjField] | Issue] = {}
        self._types: dict[str, Sequence[RecordType]] = {}  # by object
        self._learn({writing.object for writing in self.writings} | self._starting())
        self._learn(self._related())

    def of_start(self) -> Iterator[Issue]:
        """Yield what keeps the org from starting the flow, where Salesforce starts it."""
        for name in self._starting():
            told = self._objects.get(name)
            org, asks = self._pair.salesforce, self._asks and self._known is None
            yield from startable.issues_of(self._start, org, described=told, now=self._now, ask=asks)
        yield from startable.of_condition(self._document, Sources([*self._events, *_ALWAYS]))
        yield from startable.of_waits(self._document, self._pair.salesforce)

    def _starting(self) -> set[str]:
        """Return the object or the platform event of Salesforce that starts the flow, if one does."""
        return {name for name in (self._start.object, self._start.event) if name}

    def of_mappings(self) -> Iterator[Issue]:
        """Yield what is wrong with each mapping where its record is written."""
        for writing in self.writings:
            known = self._objects[writing.object]
            step = writing.step if writing.parent is not None else writing.mapped_in
            if isinstance(known, Issue):
                yield replace(known, step=writing.step)
                continue
            found = validate(
                writing.mapping,
                self._sources(writing),
                known,
                operation=writing.operation,
                key=writing.key,
                also=writing.also,
                related={name: one for name, one in self._objects.items() if not isinstance(one, Issue)},
                types=self._types[writing.object],
            )
            yield from (replace(issue, step=step) for issue in found)

    def of_settings(self) -> Iterator[Issue]:
        """Yield paths in the settings of steps that nothing gives, or not as they are wanted."""
        for step, _ in writes.walk(self._document.steps):
            if step.kind != "map":  # whose lines are looked at where its record is written
                yield from soundness.unknown_paths(step, self.kinds, self._read_by(step.id))
                yield from soundness.uncounted(step, self.kinds, self._read_by(step.id))
                yield from parameter_types.issues_of(step, self.kinds, self._read_by(step.id))

    def of_company(self, flow: Flow | None) -> Iterator[Issue]:
        """Yield what is wrong in the company of the pair's other live flows, and what it all costs."""
        others = _others(self._pair, flow)
        written = {name: writes.writings(other, self.kinds) for name, other in others.items()}
        yield from soundness.shared(self.writings, written, name=self._document.name)
        yield from returning.issues_of(self._document, others, self.kinds)
        if flow is not None:
            yield from taken.newer(self._document, flow)
        yield from both_ways.issues_of(self._document, others, self.kinds)
        yield from _of_cost(self._document, self._pair, self._now)

    def _sources(self, writing: Writing) -> Sources:
        if writing.parent is None:
            return self._read_by(writing.mapped_in)
        # Its lines read the object that it is made of, and nothing else.
        kind = f"{writing.parent.read}.updated"
        if kind not in self._others:
            self._others[kind] = fields.source_fields(self._pair, [kind], now=self._now)
        return Sources(self._others[kind])

    def _read_by(self, step: str) -> Sources:
        if step not in self._read:
            before = fields.step_fields(
                self._document, step, place=self._pair, sources=self._events, described=self._described
            )
            self._read[step] = Sources([*self._events, *before, *_ALWAYS])
        return self._read[step]

    def _related(self) -> set[str]:
        """Return the objects that look-ups by external id lead to."""
        wanted: set[str] = set()
        for writing in self.writings:
            names = {line.field.lower() for line in writing.mapping.lines if "." in line.field}
            # What record types there are is told by the object that has them.
            relations = {name.partition(".")[0] for name in names - {record_types.FIELD.lower()}}
            known = self._objects[writing.object]
            if not isinstance(known, Issue):
                wanted |= {
                    name
                    for field in known
                    if field.relationship.lower() in relations
                    for name in field.references
                }
        return wanted

    def _learn(self, objects: set[str]) -> None:
        """Find out what the objects consist of, or why that is not known."""
        wanted = sorted(objects - self._objects.keys())
        told = self._told(wanted)
        for name in wanted:
            found = told[name]
            if isinstance(found, schemas.Unknown) or (isinstance(found, schemas.Schema) and found.gone):
                message = f"The org has no object {name}, or does not show it"
                fix = "Create it, or give the integration user access to it."
                self._objects[name] = Issue("error", "no_such_object", "object", message, fix)
            elif isinstance(found, schemas.Unavailable):
                message = f"What {name} consists of is not known: {found}".rstrip(".")
                fix = "Test the connection, then check again."
                self._objects[name] = Issue("warning", "schema_unknown", "object", message, fix)
            else:
                self._objects[name] = fields.fields_in(found)
                self._types[name] = record_types.types_in(found.content)

    def _told(self, objects: Sequence[str]) -> Mapping[str, schemas.Schema | schemas.Unavailable]:
        """Return what is known of the objects."""
        org = self._pair.salesforce
        unread = schemas.Unavailable("it has not been read yet")
        if self._known is not None:
            return {name: self._known.objects.get(name, unread) for name in objects}
        if self._asks:
            return schemas.of_many(connection=org, objects=objects, now=self._now)
        return {name: schemas.kept(connection=org, object=name) or unread for name in objects}


def _others(pair: Pair, flow: Flow | None) -> dict[str, FlowDocument]:
    """Return the other live flows of `pair`, by their names."""
    live = Deployment.objects.filter(pair=pair, ended_at__isnull=True, enabled=True)
    if flow is not None:
        live = live.exclude(flow=flow)
    kinds = registry.load()
    found: dict[str, FlowDocument] = {}
    for deployment in live.select_related("flow", "version"):
        try:
            document = definition.load(deployment.version.document, kinds=kinds)
        except InvalidDocument:  # a step kind was uninstalled: it writes nothing any more
            continue
        found[deployment.flow.name] = document
    return found


def _of_cost(document: FlowDocument, pair: Pair, now: datetime) -> Iterator[Issue]:
    costs = cost(document, pair, now=now)
    if not costs.allowed or costs.most < _LARGE_SHARE * costs.allowed:
        return
    message = (
        f"{costs.events:,.0f} events a day start this flow: {costs.least:,.0f} to {costs.most:,.0f} calls of "
        f"Salesforce, of {costs.allowed:,} that the org has"
    )
    fix = "Filter events that are not needed, before the first step that asks or writes."
    yield Issue("warning", "cost", "trigger", message, fix)


def _events_per_day(source: int, types: Sequence[str], now: datetime) -> float:
    """Return how many events of `types` came a day, by the last that the connection `source` received."""
    last = Event.objects.filter(connection=source).order_by("-id").values_list("type", "received_at")
    rows = list(last[:COUNTED])
    if not rows:
        return 0.0
    came = Counter(kind for kind, _ in rows)
    least = timedelta(hours=1) if len(rows) == COUNTED else timedelta(days=1)
    days = max(now - rows[-1][1], least) / timedelta(days=1)
    return sum(came[kind] for kind in set(types)) / days
