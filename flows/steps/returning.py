"""This module finds values that two flows carry to and fro: what one writes starts the other, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.engine.definition import FlowDocument
from flows.engine.kind import Kind
from flows.mapping.issues import Issue
from flows.steps.update_in_stripe import UpdateInStripeSettings
from flows.steps.writes import walk, writings

Place = tuple[str, str]  # an object of either system and a field of it, in small letters
_OWN_ROOTS = frozenset({"event", "previous", "steps", "error", "number"})


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that a step takes from the object that started the flow to a field of another object."""

    source: Place
    target: Place
    step: str
    said: str  # both places as the flow writes them
    is_agreed: bool  # the step compares both sides and follows a policy


def carried(document: FlowDocument, kinds: Mapping[str, Kind]) -> list[Carried]:
    """Return what `document` carries from the object that starts it to the other system."""
    two_way: dict[str, bool] = {}
    found: list[Carried] = []
    for step, _ in walk(document.steps):
        settings = kinds[step.kind].settings_model.model_validate(step.settings)
        two_way[step.id] = getattr(settings, "two_way", None) is not None
        if isinstance(settings, UpdateInStripeSettings) and document.trigger.slot != "stripe":
            for name, value in settings.parameters.items():
                reads = value.line("Value").reads()
                found += _from(reads, settings.object, name, step.id, is_agreed=two_way[step.id])
    for writing in writings(document, kinds) if document.trigger.slot == "stripe" else ():
        if writing.parent is None and writing.operation != "create":
            for line in writing.mapping.lines:
                agreed = two_way[writing.step]
                found += _from(line.reads(), writing.object, line.field, writing.step, is_agreed=agreed)
    return found


def _from(paths: Iterable[str], object_: str, field: str, step: str, *, is_agreed: bool) -> Iterator[Carried]:
    for path in paths:
        root, _, rest = path.partition(".")
        if rest and root not in _OWN_ROOTS:
            target = (object_.lower(), field.lower())
            said = f"{path} into {object_}.{field}"
            yield Carried((root.lower(), rest.lower()), target, step, said, is_agreed)


def issues_of(
    document: FlowDocument, others: Mapping[str, FlowDocument], kinds: Mapping[str, Kind]
) -> Iterator[Issue]:
    """
    Find values that come back to where they were taken from, through one of the `others`, by their names.

    Where one of the two steps follows a policy for both sides, a value that comes back ends there.
    """
    ours = carried(document, kinds)
    for name, other in others.items() if ours else ():
        back = {(one.target, one.source): one for one in carried(other, kinds)}
        for one in ours:
            returned = back.get((one.source, one.target))
            if returned is None or one.is_agreed or returned.is_agreed:
                continue
            message = f"{name} carries back what is carried here, {one.said}: the two may go on for ever"
            fix = "Let one of the two steps keep both sides in agreement, under its more settings."
            yield Issue("warning", "to_and_fro", "", message, fix, one.step)
