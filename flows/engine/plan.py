"""This module lays the tree of a flow's steps out as a line with jumps, compiled once for each version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from flows.engine import definition, records
from flows.engine.definition import FlowDocument, StepDefinition
from flows.engine.kind import Earlier, Inside, Kind, Nature, Step
from flows.engine.trigger import ChangeTrigger
from flows.mapping.rules import CompiledRules


@dataclass(frozen=True, slots=True)
class Node:
    """One step, and for each of its exits the place in the line where the run goes on."""

    id: str
    kind: str
    title: str
    step: Step
    exits: Mapping[str, int]
    nature: Nature = "pure"
    on_error: int | None = None  # where a run goes on whose failure this flow handles itself
    inside: Inside = ""  # how a run goes through the steps that stand inside of this one
    bodies: Mapping[str, Line] = field(default_factory=dict)

    @property
    def leads_apart(self) -> bool:
        """Tell whether one run may go another way from here than the next."""
        return self.on_error is not None or len(set(self.exits.values())) > 1


Line = tuple[Node, ...]


class Left(NamedTuple):
    """What is left to do of a run, by the steps that do it."""

    writes: frozenset[str]  # they save a state, of which the newest counts
    creates: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A version that is ready to run.

    Jumps lead only forward, so one pass over `nodes` takes every run to its end; the
    end is the place behind the last node.
    """

    nodes: Line
    types: frozenset[str]
    fetch: frozenset[str]
    content_hash: str
    effects_within: timedelta = timedelta(hours=24)
    reads: tuple[str, ...] = ()  # the fields of the record that started the run
    begins: CompiledRules | None = None  # what must hold of that record
    goes_by_record: bool = False  # and by nothing else: every event that finds it the same does the same
    weighs_changes: bool = False  # who changed which field counts, and each event tells that of its own

    @property
    def asks_stripe(self) -> bool:
        """Tell whether steps ask Stripe, which takes one thing at a time and only so many a second."""
        return any(node.kind.startswith("stripe.") for node in _every(self.nodes))

    @property
    def asks_salesforce(self) -> bool:
        """Tell whether steps ask Salesforce, which takes only so many calls a day."""
        return any(node.kind.startswith("salesforce.") for node in _every(self.nodes))

    @property
    def collapses(self) -> bool:
        """
        Tell whether of several waiting events of one object the newest alone does the work of all.

        Only where every event reaches the same writes: nothing decides, asks, creates or must happen once,
        and no step leads one way or another or has its failure handled. Where a record is read anew and
        decides alone, all go the same way; then only what asks, or must happen once for each event, forbids.
        Where two sides of a link agree, a person's change counts although one of ours came behind it.
        """
        if self.weighs_changes:
            return False
        if self.goes_by_record:
            return all(node.nature in _OF_A_RECORD or node.kind == _ALERT for node in _every(self.nodes))
        alike = all(node.nature in _STATE_ONLY and not node.leads_apart for node in _every(self.nodes))
        return alike and self.begins is None

    def only_reads(self, step: str) -> bool:
        """Tell whether `step` asks another system for something and changes nothing there."""
        known = (node for node in _every(self.nodes) if node.id == step)
        return any(node.nature == "reads" and not node.bodies for node in known)

    def place_of(self, step: str) -> int | None:
        """Return where in the line `step` stands; None if it stands inside of another, or nowhere."""
        return next((place for place, node in enumerate(self.nodes) if node.id == step), None)

    def left_from(self, step: str) -> Left | None:
        """
        Return what is left to do from `step` on; None if it must happen once, whatever came after.

        An empty `step` stands for the beginning.
        """
        place = next((at for at, node in enumerate(self.nodes) if node.id == step), 0)
        rest = [node for node in _every(self.nodes) if self._is_behind(node, place)]
        if any(node.nature == "effect" for node in rest):
            return None
        writes, creates = (
            frozenset(node.id for node in rest if node.nature == nature) for nature in ("writes", "creates")
        )
        return Left(writes, creates)

    def _is_behind(self, node: Node, place: int) -> bool:
        return any(node is known for after in self.nodes[place:] for known in (after, *inner_nodes(after)))


_STATE_ONLY = frozenset({"pure", "reads", "writes"})
_OF_A_RECORD = _STATE_ONLY | {"decides", "creates"}
_ALERT = "alert"  # which is given once for each state of the record that was read


def _every(line: Line) -> Iterator[Node]:
    for node in line:
        yield node
        yield from inner_nodes(node)


def inner_nodes(node: Node) -> Iterator[Node]:
    """Yield the steps that stand inside of a step, however deep."""
    for body in node.bodies.values():
        yield from _every(body)


def build(document: FlowDocument, *, kinds: Mapping[str, Kind]) -> Plan:
    """Compile `document`, which `definition.load` has accepted."""
    return Plan(
        nodes=tuple(
            _lay(document.steps, start=0, behind=_length(document.steps, kinds), kinds=kinds, laid={})
        ),
        types=frozenset(document.trigger.types),
        fetch=frozenset(document.trigger.fetch),
        content_hash=definition.content_hash(document),
        effects_within=timedelta(hours=document.trigger.effects_within_hours),
        reads=records.fields_read(document, kinds),
        begins=_begins(document),
        goes_by_record=_goes_by_record(document),
        weighs_changes=_weighs_changes(document),
    )


def _goes_by_record(document: FlowDocument) -> bool:
    """Tell whether the record, as it is read at the beginning, is all that the event has to say."""
    trigger = document.trigger
    is_read = isinstance(trigger, ChangeTrigger) and "deleted" not in trigger.changes
    return is_read and not records.reads_event(document)


def _weighs_changes(document: FlowDocument) -> bool:
    is_two_way = any(step.settings.get("two_way") is not None for step, _ in definition.walk(document.steps))
    return isinstance(document.trigger, ChangeTrigger) and is_two_way


def _begins(document: FlowDocument) -> CompiledRules | None:
    trigger = document.trigger
    when = trigger.when if isinstance(trigger, ChangeTrigger) else None
    return None if when is None else CompiledRules(when)


def _length(steps: list[StepDefinition], kinds: Mapping[str, Kind]) -> int:
    return sum(_size(step, kinds) for step in steps)


def _size(step: StepDefinition, kinds: Mapping[str, Kind]) -> int:
    """Return how many places a step takes with its branches; a body is a line of its own."""
    bodies = _bodies_of(step, kinds[step.kind])
    return 1 + sum(_length(branch, kinds) for name, branch in step.exits.items() if name not in bodies)


def _bodies_of(step: StepDefinition, kind: Kind) -> tuple[str, ...]:
    return kind.bodies_of(kind.settings_model.model_validate(step.settings)) if kind.inside else ()


def _lay(
    steps: list[StepDefinition],
    *,
    start: int,
    behind: int,
    kinds: Mapping[str, Kind],
    laid: dict[str, Earlier],
) -> list[Node]:
    """Return the nodes of `steps`, which begin at `start` and go on at `behind`; `laid` stand before them."""
    nodes: list[Node] = []
    place = start
    for number, step in enumerate(steps):
        after = place + _size(step, kinds) if number + 1 < len(steps) else behind
        nodes += _lay_step(step, place=place, after=after, kinds=kinds, laid=laid)
        place += _size(step, kinds)
    return nodes


def _lay_step(
    step: StepDefinition, *, place: int, after: int, kinds: Mapping[str, Kind], laid: dict[str, Earlier]
) -> list[Node]:
    kind = kinds[step.kind]
    settings = kind.settings_model.model_validate(step.settings)
    compiled = kind.compile_behind(step.id, settings, laid)
    laid[step.id] = Earlier(step.kind, settings)
    bodies = {name: _lay_body(step.exits.get(name, []), kinds, laid) for name in kind.bodies_of(settings)}
    exits = dict.fromkeys(kind.exits_of(settings), after)
    branches: list[Node] = []
    on_error = None
    for name in (*exits, definition.ERROR):
        if branch := step.exits.get(name):
            begin = place + 1 + len(branches)
            branches += _lay(branch, start=begin, behind=after, kinds=kinds, laid=laid)
            if name == definition.ERROR:
                on_error = begin
            else:
                exits[name] = begin
    node = Node(
        id=step.id,
        kind=step.kind,
        title=step.title or kind.label,
        step=compiled,
        exits=exits,
        nature=kind.nature,
        on_error=on_error,
        inside=kind.inside,
        bodies=bodies,
    )
    return [node, *branches]


def _lay_body(steps: list[StepDefinition], kinds: Mapping[str, Kind], laid: dict[str, Earlier]) -> Line:
    return tuple(_lay(steps, start=0, behind=_length(steps, kinds), kinds=kinds, laid=laid))
