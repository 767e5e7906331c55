"""This module lets of many runs that come one soon after the other only the last go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.stripe.places import PLACES
from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, End, Pause, ReadAgain
from flows.engine.pacing import Calm, Member, Standing, rank_of
from flows.engine.ports import Ports
from flows.mapping.reading import Paths
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.throttle import key_of

_UNITS: Mapping[str, timedelta] = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
}
_LONGEST = timedelta(days=7)
_WORDS = {"second": "seconds", "minute": "minutes", "hour": "hours"}


class DebounceSettings(BaseModel):
    """How long it has to be quiet, and what runs have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quiet: int = Field(
        json_schema_extra=shown("Quiet for"),
        ge=1,
        le=10_000,
        description="How long no other run with the same key must have come.",
    )
    unit: Literal["second", "minute", "hour"] = Field(
        json_schema_extra=shown("Unit", words=_WORDS),
        default="second",
        description="What that is counted in.",
    )
    longest: int = Field(
        json_schema_extra=shown("Wait at most"),
        ge=1,
        le=10_000,
        description="After so long since the first of them the last goes on, however many still come.",
    )
    longest_unit: Literal["second", "minute", "hour"] = Field(
        json_schema_extra=shown("Unit of that", words=_WORDS),
        default="minute",
        description="What that is counted in.",
    )
    key: Paths = Field(
        json_schema_extra=shown("What they have in common", offers="paths", add="Add a fallback"),
        default=[],
        description="Where it is read what tells which runs belong together, such as charge.customer. "
        "Without it, those of the same object do. A run that has no value there goes on at once.",
    )

    @property
    def calm(self) -> Calm:
        """Return how long it has to be quiet, and how long that is waited for."""
        return Calm(self.quiet * _UNITS[self.unit], self.longest * _UNITS[self.longest_unit])

    @model_validator(mode="after")
    def _is_short_enough(self) -> DebounceSettings:
        calm = self.calm
        if calm.longest < calm.quiet:
            raise ValueError("The longest wait is not shorter than the quiet time")
        if calm.longest > _LONGEST:
            raise ValueError(f"A run waits at most {_LONGEST.days} days")
        return self


class Debounce(StepKind):
    """Wait until it is quiet: of runs that come one soon after the other, only the last goes on."""

    slug: ClassVar[str] = "debounce"
    label: ClassVar[str] = "Wait for quiet"
    settings_model = DebounceSettings
    nature: ClassVar[Nature] = "asks"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the wait as a function over a batch."""
        read, calm = key_of(settings.key), settings.calm
        by_object = not settings.key

        def arrive(item: Item) -> Member | Done:
            key = item.root_id if by_object else read(item)
            went_on = item.recall(step_id, "went_on")
            if went_on or not key:
                return Done({"runs": went_on or 1})
            return Member(key, rank_of(item), joined=item.recall(step_id, "joined") is True)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            arrived = [arrive(item) for item in batch]
            members = [one for one in arrived if isinstance(one, Member)]
            standings = iter(ports.bursts(step_id, members, calm) if members else ())
            return [
                one if isinstance(one, Done) else _answer(step_id, item, next(standings))
                for item, one in zip(batch, arrived, strict=True)
            ]

        return step


def _answer(step_id: str, item: Item, standing: Standing) -> Answer:
    item.keep(step_id, "joined", True)
    if not standing.is_last:
        return End(
            "superseded", "A later run with the same key came before it was quiet, and goes on instead"
        )
    if not standing.goes:
        return Pause(standing.due, f"It waits for quiet until {standing.due:%H:%M:%S} UTC", holds="run")
    item.keep(step_id, "went_on", standing.members)
    if standing.members > 1 and _can_be_read(item):
        # Within a second nobody knows which event was the last, and none before it was applied.
        return ReadAgain("Of several events that came together the newest state counts")
    return Done({"runs": standing.members})


def _can_be_read(item: Item) -> bool:
    settled = item.source.fetched or item.source.gone
    return not settled and not PLACES.keys().isdisjoint(item.context)
