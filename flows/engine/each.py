"""This module takes the elements of a list through the body of a step, and says what that comes to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flows.engine.item import Item
from flows.engine.outcome import Done, Failure, GiveUp, Outcome, ReadAgain
from flows.engine.plan import Node
from flows.engine.within import DOUBTFUL, Along, Ended, count_ways, enter, settle, soonest

MOST_ELEMENTS = 1_000  # of lists that go through a body together: what the deadline of one call allows
ELEMENT = "each"  # the root under which a body finds its element, unless the step names another
_ID = re.compile(r"(?=.*[A-Za-z_])[A-Za-z0-9_.-]{1,64}")
LONGEST_PLACE = 180  # characters; with a step's id it has to fit where questions are kept
_NAMED = 5  # failed elements that a dead letter names


def take(node: Node, batch: Sequence[Item], outcomes: Sequence[Outcome], along: Along) -> list[Outcome]:
    """Take the elements of many items through the body together, and return what each item came to."""
    gathered = list(outcomes)
    (body,) = node.bodies.values()
    for places in _portions(outcomes):
        elements = {
            place: children(batch[place], node.id, outcome)
            for place in places
            if isinstance(outcome := outcomes[place], Done)
        }
        inside = [child for mine in elements.values() for child in mine]
        came_to = dict(zip(map(id, inside), along(body, inside), strict=True))
        for place, mine in elements.items():
            ended = [Ended(child, came_to[id(child)]) for child in mine]
            gathered[place] = gather(batch[place], ended) or ReadAgain(DOUBTFUL)
    return gathered


def _portions(outcomes: Sequence[Outcome]) -> Iterator[list[int]]:
    """Yield the places of lists that go through a body together: as many as one call can carry."""
    portion: list[int] = []
    count = 0
    for place, outcome in enumerate(outcomes):
        if not isinstance(outcome, Done):
            continue
        size = len(outcome.output["items"])
        if portion and count + size > MOST_ELEMENTS:
            yield portion
            portion, count = [], 0
        portion.append(place)
        count += size
    if portion:
        yield portion


def children(parent: Item, step: str, done: Done) -> list[Item]:
    """Return one item for each element that the step `done` found, in order."""
    output: dict[str, Any] = done.output
    name = output.get("name", ELEMENT)
    names = _names(output["items"])
    if max(map(len, names), default=0) + len(parent.place) + len(step) > LONGEST_PLACE:
        names = list(map(str, range(len(names))))
    return [
        _child(parent, f"{parent.place}[{step}:{names[number]}]", name, number, element)
        for number, element in enumerate(output["items"])
    ]


def _names(elements: Sequence[Any]) -> list[str]:
    """
    Return what tells each element from the others at every try: its id, or else its number.

    A list that is read anew may have an element more, and all others at another number.
    """
    ids = [_id_of(element) for element in elements]
    known = Counter(ids)
    return [one if one and known[one] == 1 else str(number) for number, one in enumerate(ids)]


def _id_of(element: Any) -> str:
    """Return the id of an element, or that an element is; what looks like a number is none."""
    found = element.get("id") if isinstance(element, Mapping) else element
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def _child(parent: Item, place: str, name: str, number: int, element: Any) -> Item:
    # What is kept between tries names the element.
    return enter(parent, place=place, roots={name: element, "number": number + 1})


def gather(parent: Item, ended: Sequence[Ended]) -> Outcome | None:
    """
    Put what the elements did into their `parent`, and return what that comes to: nothing if in doubt.

    Each element is tried whatever became of the others. What may work later is tried again before
    anything is given up, since a run ends in one way only.
    """
    for one in ended:
        count_ways(parent, one.item)
        settle(parent, one.item)
    outcomes = [one.outcome for one in ended]
    if None in outcomes:
        return None
    if (unfinished := soonest(parent, ended)) is not None:
        return unfinished
    failed = [(number, one) for number, one in enumerate(outcomes, 1) if isinstance(one, GiveUp)]
    if failed:
        return _given_up(failed, ended)
    return Done({"count": len(ended)}, notes=_shown(ended))


def _given_up(failed: Sequence[tuple[int, GiveUp]], ended: Sequence[Ended]) -> GiveUp:
    number, first = failed[0][0], failed[0][1].failure
    named = "; ".join(f"number {place}: {one.reason}" for place, one in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    message = f"{len(failed)} of {len(ended)} elements failed, the others are done. {named}{more}"
    failure = Failure(first.error_class, message, first.code, first.field, first.request_id)
    return GiveUp(message, failure, notes=[{"failed element": ended[number - 1].item.trace}])


def _shown(ended: Sequence[Ended]) -> list[Any]:
    """Return the trace of the first element, for whoever wants to see what the body did."""
    return [{"first element": ended[0].item.trace}] if ended else []
