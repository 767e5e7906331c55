"""This module takes batches through one step, for the tests of step kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier
from flows.steps import registry
from tests.fakes import FakePorts, an_event, an_item

KINDS = registry.load()


def take(
    kind: str, settings: dict[str, Any], items: Sequence[Item], ports: FakePorts | None = None
) -> list[Answer]:
    """Return what becomes of each of `items` at a step called `here`."""
    step = KINDS[kind].compile("here", KINDS[kind].settings_model.model_validate(settings))
    return step(items, ports or FakePorts())


def a_mapped(record: dict[str, Any], /, *, run_id: int = 1, **fields: Any) -> Item:
    """Return a run whose step `describe` made `record`."""
    item = an_item(an_event(id=f"evt_{run_id}", **fields), run_id=run_id)
    item.outputs["describe"] = record
    item.context["steps"] = item.outputs
    item.context["event"] = item.event.as_root()
    return item


def problems(kind: str, settings: dict[str, Any], **earlier: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the kind finds wrong with `settings` behind map steps of these names."""
    known = {
        name: Earlier("map", KINDS["map"].settings_model.model_validate(mapping))
        for name, mapping in earlier.items()
    }
    return KINDS[kind].check(KINDS[kind].settings_model.model_validate(settings), known)
