"""This module finds what a flow could not undo as it says, and whose failures are handled around a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows.engine.definition import ERROR, FlowDocument, StepDefinition
from flows.mapping.issues import Issue
from flows.steps.for_each import ForEach
from flows.steps.parallel import Parallel
from flows.steps.scope import TRY, Scope
from flows.steps.sub_flow import SubFlow
from flows.steps.writes import walk


def issues_of(document: FlowDocument) -> Iterator[Issue]:
    """Yield an error for each step that is to be undone and does not stand among those done together."""
    for step, _ in walk(document.steps):
        if step.kind != Scope.slug:
            continue
        inside = {one.id for one in _once(step.exits.get(TRY, ()))}
        for undo in step.settings.get("undo", ()):
            if undo["step"] not in inside:
                message = (
                    f"{undo['step']} does not stand among the steps that are done together, or in a list"
                )
                fix = "Choose one of those steps; what is done for the elements of a list cannot be undone."
                yield Issue("error", "cannot_be_undone", "undo", message, fix, step.id)
            elif not step.exits.get(undo["exit"]):
                message = f"Nothing says how {undo['step']} is undone"
                fix = f"Add steps behind {undo['exit'].replace('_', ' ')}."
                yield Issue("warning", "nothing_undone", "undo", message, fix, step.id)


def handled(document: FlowDocument) -> frozenset[str]:
    """Return the steps whose failure is handled by a step that they stand inside of."""
    return frozenset(
        inner.id
        for step, _ in walk(document.steps)
        for name, branch in step.exits.items()
        if _handles(step, name)
        for inner, _ in walk(branch)
    )


def _handles(step: StepDefinition, exit_name: str) -> bool:
    if step.kind == Scope.slug:
        return exit_name == TRY
    goes_on = step.kind in {Parallel.slug, ForEach.slug, SubFlow.slug}
    return goes_on and exit_name != ERROR and ERROR in step.exits


def _once(steps: Sequence[StepDefinition]) -> Iterator[StepDefinition]:
    """Yield the steps that a run takes at most once: none of a list's elements."""
    for step in steps:
        yield step
        if step.kind != ForEach.slug:
            for branch in step.exits.values():
                yield from _once(branch)
