"""
This module names what a step can come to, and so what becomes of a run.

Every step of every event makes one of these, and a struct is made in a tenth of a dataclass's time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from flows.engine.approving import Terms

Effect = Literal["none", "applied", "superseded", "unchanged", "echo", "skipped"]
EndingFate = Literal["applied", "ignored", "superseded"]
Question = Literal["question", "in_doubt", "several", "conflict", "loop", "approval", "duplicate"]
Holds = Literal["connection", "flow", "run"]


class Failure(msgspec.Struct, frozen=True):
    """What went wrong, in the words that a dead letter shows."""

    error_class: str  # a class of flows.error_catalogue
    message: str
    code: str = ""
    field: str = ""
    request_id: str = ""
    system: str = ""  # that answered; empty if the failure is our own
    http_status: int | None = None


class Done(msgspec.Struct, frozen=True):
    """The step did its work; the run leaves it through `exit`. `seen` is its input, for the trace."""

    output: Any = None
    exit: str = "next"
    effect: Effect = "none"
    seen: Any = None
    notes: Sequence[Any] = ()  # what a person should see although all went well


class RetryAt(msgspec.Struct, frozen=True):
    """It may work later. This burns an attempt; the run starts at its first step again."""

    when: datetime
    reason: str
    failure: Failure | None = None


class Option(msgspec.Struct, frozen=True):
    """One answer that a person may give; `value` is what the step finds in the item's memory."""

    value: str
    label: str
    description: str = ""


class AskHuman(msgspec.Struct, frozen=True):
    """
    Only a person can answer: the run waits with a review.

    The answer is one of `options` and stands under `answer` in what the step remembers, see
    `Item.recall`. Without options the only answer is to try again.
    """

    question: str
    kind: Question = "question"
    options: Sequence[Option] = ()
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    failure: Failure | None = None
    terms: Terms | None = None  # of an approval: who may answer, and until when


class Pause(msgspec.Struct, frozen=True):
    """
    It waits, and nothing is burnt: the connection or the flow is at fault, or the run itself has to wait.

    A run that waits for itself is due again at `until`; it starts at its first step.
    """

    until: datetime
    reason: str
    holds: Holds = "connection"
    failure: Failure | None = None


class GiveUp(msgspec.Struct, frozen=True):
    """It will not work however often it is tried: a dead letter."""

    reason: str
    failure: Failure
    seen: Any = None
    notes: Sequence[Any] = ()  # what a person should see beside the failure


class End(msgspec.Struct, frozen=True):
    """The flow itself says that it ends here: a filter, a stop, or a step that lets only some runs pass."""

    fate: EndingFate
    reason: str
    seen: Any = None


class ReadAgain(msgspec.Struct, frozen=True):
    """It is in doubt which state is newer: the engine reads the object and starts over, once."""

    reason: str


Outcome = Done | RetryAt | AskHuman | Pause | GiveUp | End | ReadAgain
