"""This module lists what a flow writes to Salesforce: which fields of which objects, by which mapping."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flows.engine import contract
from flows.engine.definition import ERROR, FlowDocument, StepDefinition
from flows.engine.kind import Kind
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import written_field
from flows.steps.create import KEY_FIELD, CreateSettings
from flows.steps.parallel import Parallel
from flows.steps.parents import Parent
from flows.steps.scope import TRY, Scope
from flows.steps.update import UpdateSettings
from flows.steps.upsert import UpsertSettings

Operation = Literal["upsert", "update", "create"]


@dataclass(frozen=True, slots=True)
class Writing:
    """
    One way in which a flow writes records of `object`.

    `way` are the exits that lead to the step, outermost first; `record` says which record it is: the field
    that it is found by, or the paths of its id. A parent is made where it is missing, and not changed.
    """

    step: str
    object: str
    operation: Operation
    mapping: MappingSettings
    mapped_in: str  # the step that has the mapping
    way: tuple[tuple[str, str], ...] = ()
    record: tuple[str, ...] = ()
    key: str = ""
    also: tuple[str, ...] = ()  # fields that the step itself fills
    parent: Parent | None = None

    @property
    def fields(self) -> dict[str, str]:
        """Return the fields that are written, by their names in small letters."""
        names = [written_field(line.field) for line in self.mapping.lines]
        return {name.lower(): name for name in names if name.lower() != self.key.lower()}


def writings(document: FlowDocument, kinds: Mapping[str, Kind]) -> list[Writing]:
    """Return every way in which `document`, which is sound in itself, writes records."""
    maps: dict[str, MappingSettings] = {}
    found: list[Writing] = []
    for step, way in walk(document.steps):
        settings = kinds[step.kind].settings_model.model_validate(step.settings)
        if isinstance(settings, MappingSettings):
            maps[step.id] = settings
        else:
            found += _of_step(step.id, way, settings, maps)
    return found


def walk(
    steps: Sequence[StepDefinition], way: tuple[tuple[str, str], ...] = ()
) -> Iterator[tuple[StepDefinition, tuple[tuple[str, str], ...]]]:
    """Yield every step with the exits that lead to it, those first that are done first; see `exclusive`."""
    for step in steps:
        yield step, way
        for name, branch in sorted(step.exits.items(), key=lambda one: one[0] != TRY):
            yield from walk(branch, (*way, (step.id, _INSIDE + name if _is_inside(step, name) else name)))


_INSIDE = "&"  # before the name of what a run goes through beside the other exits of the step


def _is_inside(step: StepDefinition, exit_name: str) -> bool:
    if step.kind == Scope.slug:
        return exit_name not in Scope.exits
    if step.kind == contract.KIND:
        return exit_name == contract.INSIDE
    return step.kind == Parallel.slug and exit_name != ERROR


def exclusive(one: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> bool:
    """Tell whether no run comes both ways, since they part at different exits of one step."""
    exits = dict(one)
    parted = [(exits[step], name) for step, name in other if step in exits and exits[step] != name]
    return any(_INSIDE not in {here[0], there[0]} for here, there in parted)


def in_branches_apart(
    one: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]], parallel: Container[str]
) -> bool:
    """Tell whether two ways stand in different branches of one of the `parallel` steps."""
    exits = dict(one)
    parted = [
        (exits[step], name) for step, name in other if step in parallel and exits.get(step, name) != name
    ]
    return any({here[0], there[0]} == {_INSIDE} for here, there in parted)


def _of_step(
    step: str, way: tuple[tuple[str, str], ...], settings: Any, maps: Mapping[str, MappingSettings]
) -> Iterator[Writing]:
    record = getattr(settings, "record", "")
    mapping = maps.get(record) if isinstance(record, str) else None
    if isinstance(settings, UpsertSettings) and mapping is not None:
        key = settings.external_id
        yield Writing(step, settings.object, "upsert", mapping, settings.record, way, (key,), key)
        for parent in settings.parents:
            lines = MappingSettings(target=parent.object, lines=parent.lines)
            known = parent.external_id
            yield Writing(step, parent.object, "upsert", lines, step, way, (known,), known, parent=parent)
    elif isinstance(settings, UpdateSettings) and mapping is not None:
        yield Writing(step, settings.object, "update", mapping, settings.record, way, tuple(settings.id))
    elif isinstance(settings, CreateSettings) and mapping is not None:
        which = (KEY_FIELD, settings.purpose)
        yield Writing(
            step, settings.object, "create", mapping, settings.record, way, which, KEY_FIELD, (KEY_FIELD,)
        )
