"""This module says what the engine needs of a step kind; `flows.steps.base` helps to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel

from flows.engine.item import Item
from flows.engine.outcome import Outcome
from flows.engine.ports import Ports
from integrator.kernel.errors import IntegrationError

# A kind may return a connector's failure as it came: what to do about it is the policy's business.
Answer = Outcome | IntegrationError
Step = Callable[[Sequence[Item], Ports], list[Answer]]


# What a kind does, for those who ask what may be left out of a flow's runs:
#   pure     nothing but its output          decides  sends a run one way or another, or ends it
#   reads    asks a system                   writes   saves a state, of which the newest counts
#   effect   does what must happen once      asks     waits for a person or for a time
#   creates  makes a record once for its source, whichever flow of the pair does
Nature = Literal["pure", "reads", "decides", "writes", "effect", "creates", "asks"]

# How a run goes through the steps that stand inside of a step, its bodies:
#   elements  the one body once for each element of `items` in the output
#   branches  every body once, whatever becomes of the others
#   undoing   the first body; if that fails for good, the others undo what was done in it
#   called    the one body, which came from another flow and reads what the step gives it
Inside = Literal["", "elements", "branches", "undoing", "called"]


class Earlier(NamedTuple):
    """A step that every run has taken before it comes to the one that is checked."""

    kind: str
    settings: Any


class Kind(Protocol):
    """A type of step: its settings, its exits, and how it is compiled."""

    slug: ClassVar[str]
    label: ClassVar[str]
    exits: ClassVar[tuple[str, ...]]
    settings_model: ClassVar[type[BaseModel]]
    nature: ClassVar[Nature]
    can_fail: ClassVar[bool]  # it may have an exit `error` for the steps that handle its failure
    body: ClassVar[str]  # the exit whose steps are taken once for each element of the output; or empty
    inside: ClassVar[Inside]

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits of a step with `settings`, the error exit apart."""
        ...

    def bodies_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits of a step with `settings` whose steps stand inside of it."""
        ...

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the function that takes a batch through the step, one answer each, in order."""
        ...

    def compile_behind(self, step_id: str, settings: Any, earlier: Mapping[str, Earlier]) -> Step:
        """Return the same for a kind that has to know steps before it; `earlier` has them by id."""
        ...

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return (setting, problem) pairs that need the `earlier` steps by id to be seen."""
        ...
