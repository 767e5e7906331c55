"""This module lets only so many runs through in a period; the others wait for their turn, or do not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, End, Failure, GiveUp, Pause
from flows.engine.pacing import Pace
from flows.engine.ports import Ports
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from integrator.kernel import canonical

_UNITS: Mapping[str, timedelta] = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
LATE = timedelta(minutes=1)  # by which a turn may be missed however short the period is

Key = Annotated[
    Paths,
    Field(
        json_schema_extra=shown("Counted apart for each", offers="paths", add="Add a fallback"),
        description="Where it is read what runs have in common that are counted together, such as "
        "charge.customer. Without it, all runs of the flow are.",
    ),
]


class ThrottleSettings(BaseModel):
    """How many runs may pass, and what becomes of the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(
        json_schema_extra=shown("Runs at most"),
        ge=1,
        le=100_000,
        description="How many runs may pass in one period.",
    )
    every: int = Field(
        json_schema_extra=shown("Within"), default=1, ge=1, le=365, description="How long a period is."
    )
    unit: Literal["second", "minute", "hour", "day"] = Field(
        json_schema_extra=shown(
            "Unit of that", words={"second": "seconds", "minute": "minutes", "hour": "hours", "day": "days"}
        ),
        default="hour",
        description="What that is counted in. A day has 24 hours from the first run, wherever it began.",
    )
    key: Key = []
    beyond: Literal["wait", "end", "exit"] = Field(
        json_schema_extra=shown(
            "All others",
            words={"wait": "Wait for their turn", "end": "End there", "exit": "Go another way"},
        ),
        default="wait",
        description="What becomes of runs for which there is no room: they wait in the order in which they "
        "came, end as ignored, or go another way (over).",
    )
    longest_hours: int = Field(
        json_schema_extra=shown("Wait at most (hours)", more=True, unless={"beyond": ["end", "exit"]}),
        default=24 * 7,
        ge=1,
        le=24 * 60,
        description="A run that would have to wait longer fails instead, so that a queue that only grows is "
        "noticed.",
    )
    evenly: bool = Field(
        json_schema_extra=shown("Spread evenly", more=True),
        default=False,
        description="One after the other at equal distances, instead of all at the beginning of a period. "
        "Only so no span of time of that length, wherever it begins, has more.",
    )

    @property
    def period(self) -> timedelta:
        """Return how long a period is."""
        return self.every * _UNITS[self.unit]

    @property
    def pace(self) -> Pace:
        """Return how turns are given."""
        period, limit = (self.period / self.limit, 1) if self.evenly else (self.period, self.limit)
        ahead = timedelta(hours=self.longest_hours) // period if self.beyond == "wait" else 0
        return Pace(limit, period, ahead)

    @model_validator(mode="after")
    def _can_be_counted(self) -> ThrottleSettings:
        if self.evenly and self.period / self.limit < timedelta(milliseconds=1):
            raise ValueError("More than a thousand a second cannot be spread evenly")
        return self


class Throttle(StepKind):
    """Let only so many runs through in a period, for each customer or in all; the others wait in order."""

    slug: ClassVar[str] = "throttle"
    label: ClassVar[str] = "Throttle"
    settings_model = ThrottleSettings
    nature: ClassVar[Nature] = "asks"

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits: two only where those beyond go another way."""
        return ("within", "over") if settings.beyond == "exit" else ("next",)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the throttle as a function over a batch, which asks once for all who need a turn."""
        key, passing = key_of(settings.key), _Passing(step_id, settings)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            now = ports.now()
            known = [passing.known(item, now) for item in batch]
            new = [place for place, answer in enumerate(known) if answer is None]
            keys = [key(batch[place]) for place in new]
            turns = ports.turns(step_id, keys, settings.pace) if new else []
            at, now = dict(zip(new, turns, strict=True)), ports.now()  # later than the turns of this moment
            return [
                passing.with_turn(item, at[place], now) if answer is None else answer
                for place, (item, answer) in enumerate(zip(batch, known, strict=True))
            ]

        return step


class _Passing:
    """What becomes of single runs at one step."""

    def __init__(self, step_id: str, settings: ThrottleSettings) -> None:
        self._step = step_id
        self._settings = settings
        several = settings.every != 1
        unit = f"{settings.every} {settings.unit}s" if several else f"a {settings.unit}"
        self._rule = f"{settings.limit} in {unit}".replace("a hour", "an hour")

    def known(self, item: Item, now: datetime) -> Answer | None:
        """Return what is known from an earlier try; None if the run needs a turn."""
        known = item.recall(self._step, "passed")
        if isinstance(known, bool):
            return self._passed(item) if known else self._beyond(item)
        turn = item.recall(self._step, "turn")
        if not isinstance(turn, str):
            return None
        at = datetime.fromisoformat(turn)
        if now < at:
            return self._waits(at)
        # Whoever missed it by far, because a connection rested, would come with all others that did.
        late = now - at >= max(self._settings.period, LATE)
        return None if late else self._passed(item)

    def with_turn(self, item: Item, at: datetime | None, now: datetime) -> Answer:
        """Return what becomes of a run that was given the turn at `at`, or none."""
        if at is None:
            return self._beyond(item)
        if at <= now:
            return self._passed(item)
        item.keep(self._step, "turn", at.isoformat())
        return self._waits(at)

    def _passed(self, item: Item) -> Done:
        item.keep(self._step, "passed", True)
        output = {"waited": item.recall(self._step, "turn") is not None}
        return Done(output, exit="within" if self._settings.beyond == "exit" else "next")

    def _waits(self, at: datetime) -> Pause:
        return Pause(at, f"At most {self._rule}: its turn is at {at:%Y-%m-%d %H:%M:%S} UTC", holds="run")

    def _beyond(self, item: Item) -> Answer:
        reason = f"At most {self._rule} pass, and as many have"
        match self._settings.beyond:
            case "wait":
                longest = self._settings.longest_hours
                message = f"At most {self._rule} pass: this one would wait longer than {longest} hours"
                return GiveUp(message, Failure("too_large", message, code="queue_too_long", field="limit"))
            case "exit":
                item.keep(self._step, "passed", False)
                return Done({"waited": False}, exit="over")
            case _:
                return End("ignored", reason)


def key_of(paths: Sequence[str]) -> Callable[[Item], str]:
    """Return what reads what a run has in common with others, as a text; nothing is a key of its own."""
    if not paths:
        return lambda _item: ""
    read = first_of(paths)
    return lambda item: _text(read(item.context))


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("id"), str):
        value = value["id"]  # an object in the place of its id
    if isinstance(value, str) or value is None:
        return value or ""
    return canonical.dumps(value).decode()
