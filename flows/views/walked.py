"""This module says of each card on the canvas what a trial of the draft, up to a step, did there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.designing import tree
from flows.engine.ways import FAILED
from flows.steps import registry
from flows.trials.desk import Served
from flows.trials.results import Trial
from flows.views import cards, traces, trials

# How a step is shown to have gone: word, tone and icon.
LOOKS: Mapping[str, tuple[str, str, str]] = {
    "done": ("Done", "ok", "check"),
    "handled": ("Failed, handled", "warn", "circle-x"),
    "failed": ("Failed", "err", "circle-x"),
    "ended": ("Ended here", "", "minus"),
    "question": ("Asks a person", "warn", "hand"),
    "waits": ("Waits", "warn", "clock"),
    "not_read": ("Not read", "warn", "eye"),
    "not_reached": ("Not reached", "", "circle-dashed"),
}
_OVERRULED = frozenset({"question", "waits", "not_read"})  # endings that say more than that it stopped


@dataclass(frozen=True, slots=True)
class Walked:
    """What became of one step; `shown` is what it saw and gave, empty for a step that was not reached."""

    step: str
    name: str
    state: str
    exits: Sequence[str] = ()  # the ways that were taken out of it
    elements: int = 0  # of a list that came to it
    failed: int = 0  # of these
    of_list: bool = False  # it stands within a list
    ways: Sequence[str] = ()  # what people call those of its exits that may have steps
    shown: traces.Step | None = None

    @property
    def which(self) -> str:
        """Say which element of a list is shown."""
        is_failed = self.shown is not None and self.shown.title.startswith(traces.FAILED)
        return "one that failed is shown" if is_failed else "the first is shown"

    @property
    def look(self) -> tuple[str, str, str]:
        """Return word, tone and icon of its state."""
        return LOOKS[self.state]


def of(served: Served, steps: list[tree.Step]) -> list[Walked]:
    """Return what became of each of `steps`, which are those up to the one that was asked for."""
    trial = served.tried.trial
    shown = _last_walk(trials.steps_of(served))
    last = next((str(entry["step"]) for entry in reversed(trial.entries)), "")
    ending = trial.ending if trial.ending in _OVERRULED else ""
    return [
        _walked(found.step, shown.get(found.step["id"]), trial, ending if found.step["id"] == last else "")
        for found in tree.walk(steps)
    ]


def _last_walk(steps: Iterable[traces.Step]) -> dict[str, traces.Step]:
    """Return the steps since the run last began; it does so anew where the state was in doubt."""
    found: dict[str, traces.Step] = {}
    for step in steps:
        if step.kind in traces.SOURCES:
            found.clear()
        else:
            found.setdefault(step.id, step)
    return found


def _walked(step: tree.Step, shown: traces.Step | None, trial: Trial, ending: str) -> Walked:
    of_elements = trial.elements.get(step["id"], {})
    elements, failed = sum(of_elements.values()), of_elements.get(FAILED, 0)
    exits = [name for name in of_elements if name and name != FAILED]
    if shown is not None:
        exits = exits or [_exit(trial, step["id"])]
    if _length_of_list(step, trial, shown):
        exits = [*exits, registry.load()[step["kind"]].body]
    return Walked(
        step=step["id"],
        name=cards.name_of(step),
        state=ending or _state(shown, elements, failed),
        exits=[name for name in exits if name],
        elements=elements or _length_of_list(step, trial, shown),
        failed=failed,
        of_list=bool(of_elements),
        ways=[label for name, label in cards.way_names(step).items() if name in exits],
        shown=shown,
    )


def _state(shown: traces.Step | None, elements: int, failed: int) -> str:
    if failed:
        return "failed"
    if shown is None:
        return "done" if elements else "not_reached"
    if shown.state == "failed":
        return "handled" if shown.exit else "failed"
    return shown.state


def _exit(trial: Trial, step: str) -> str:
    return trial.exits.get(step, "")


def _length_of_list(step: tree.Step, trial: Trial, shown: traces.Step | None) -> int:
    """Return how many elements went through the steps that stand in a list; 0 for any other step."""
    kind = registry.load().get(str(step.get("kind")))
    if kind is None or not kind.body or shown is None:
        return 0
    inside: Sequence[tree.Step] = (step.get("exits") or {}).get(kind.body) or ()
    if inside:
        return sum(trial.elements.get(inside[0]["id"], {}).values())
    output: Any = shown.output
    return int(output["count"]) if isinstance(output, Mapping) and "count" in output else 0
