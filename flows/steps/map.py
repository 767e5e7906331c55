"""This module makes a record out of what Stripe said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.apply import CompiledMapping, compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.spec import Mapping
from flows.steps.base import StepKind
from flows.steps.values import unmapped


class Map(StepKind):
    """Fill the fields of a record; a later step saves it."""

    slug: ClassVar[str] = "map"
    label: ClassVar[str] = "Map"
    settings_model = Mapping
    nature: ClassVar[Nature] = "pure"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the mapping as a function over a batch."""
        mapping = compile_mapping(settings)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [_map(mapping, item, step_id) for item in batch]

        return step


def _map(mapping: CompiledMapping, item: Item, step_id: str) -> Answer:
    fixes = item.fixes.get(step_id)
    sparse = item.event.foreign and not item.source.fetched
    try:
        if fixes:
            mapped = mapping.apply_mended(item.context, fixes, sparse=sparse)
        else:
            mapped = mapping.apply(item.context, sparse=sparse)
    except MappingFailed as failed:
        return unmapped(failed, seen=mapping.seen(item.context))
    notes = [note._asdict() for note in mapped.notes]
    return Done(mapped.record, seen=mapped.seen, notes=notes)
