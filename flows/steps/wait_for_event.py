"""This module lets a run wait for an event that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from flows.engine.correlation import Awaited, key_of
from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp, Pause
from flows.engine.ports import Arrived, AwaitedResult, NothingCame, NotYet, Ports, Waiting
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from integrator.kernel.paths import BadPath, compile_path

LONGEST = timedelta(days=60)
CAME, TIMEOUT = "came", "timeout"


def _checked(path: str) -> str:
    try:
        compile_path(path)
    except BadPath as error:
        raise ValueError(str(error)) from None
    return path


class WaitForEventSettings(BaseModel):
    """Which event is waited for, and how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: Literal["stripe", "salesforce"] = Field(
        json_schema_extra=shown("From", words={"stripe": "Stripe", "salesforce": "Salesforce"}),
        default="stripe",
        description="The system that sends the event.",
    )
    types: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,255}$")]] = Field(
        json_schema_extra=shown("Types of event", offers="event_types", add="Add a type"),
        min_length=1,
        max_length=20,
        description="The types that count, as the page Events shows them: invoice.paid, Order.updated.",
    )
    key: Annotated[str, AfterValidator(_checked)] = Field(
        json_schema_extra=shown("Known by"),
        min_length=1,
        max_length=200,
        description="Where the object of the event has the value by which it is known, such as id, "
        "metadata.order_id or AccountId.",
    )
    equals: Paths = Field(
        json_schema_extra=shown("Equals", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where this run has the same value.",
    )
    minutes: int = Field(
        json_schema_extra=shown("Minutes"), default=0, ge=0, le=86_400, description="Minutes to wait at most."
    )
    hours: int = Field(
        json_schema_extra=shown("Hours"),
        default=0,
        ge=0,
        le=1440,
        description="Hours to wait at most, beside the minutes.",
    )
    days: int = Field(
        json_schema_extra=shown("Days"),
        default=0,
        ge=0,
        le=60,
        description="Days to wait at most, beside the hours.",
    )
    look_back_minutes: int = Field(
        json_schema_extra=shown("Look back, in minutes", more=True),
        default=5,
        ge=1,
        le=60,
        description="How long before the run came here an event may have been received to count as well. "
        "It never counts if it was received before the run's own event.",
    )

    @model_validator(mode="after")
    def _ends(self) -> WaitForEventSettings:
        if not self.span:
            raise ValueError("Say how long the run waits at most")
        if self.span > LONGEST:
            raise ValueError(f"A run waits at most {LONGEST.days} days")
        return self

    @property
    def span(self) -> timedelta:
        """Return how long the run waits at most."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


class WaitForEvent(StepKind):
    """Wait until an event comes that belongs to the run, such as that its invoice is paid, or time is up."""

    slug: ClassVar[str] = "wait_for_event"
    label: ClassVar[str] = "Wait for an event"
    exits: ClassVar[tuple[str, ...]] = (CAME, TIMEOUT)
    settings_model = WaitForEventSettings
    nature: ClassVar[Nature] = "asks"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the wait as a function over a batch."""
        read = first_of(settings.equals)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            now = ports.now()
            asked: list[Waiting | Answer] = [
                _asked(step_id, item, settings, read(item.context), now) for item in batch
            ]
            waits = [one for one in asked if isinstance(one, Waiting)]
            found = iter(ports.awaited(waits)) if waits else iter(())
            return [_answer(one, next(found), now) if isinstance(one, Waiting) else one for one in asked]

        return step


def _asked(
    step_id: str, item: Item, settings: WaitForEventSettings, value: Any, now: datetime
) -> Waiting | Answer:
    """Return what is waited for, by what was decided when the run first came here; or how it has ended."""
    if item.recall(step_id, "exit") == TIMEOUT:
        return Done({}, exit=TIMEOUT)
    known = item.recall(step_id, "wait")
    came = item.recall(step_id, "event")
    if known is not None:
        since, until, key = known
        awaited = _awaited(settings, key, datetime.fromisoformat(since), datetime.fromisoformat(until))
        return Waiting(item, step_id, awaited, came)
    key = key_of(value)
    if not key:
        message = f"{quoted(value)} names no event: a text or a whole number is needed"
        return GiveUp(message, Failure("data", message, code="no_key", field="equals"))
    since, until = now - timedelta(minutes=settings.look_back_minutes), now + settings.span
    item.keep(step_id, "wait", [since.isoformat(), until.isoformat(), key])
    return Waiting(item, step_id, _awaited(settings, key, since, until))


def _awaited(settings: WaitForEventSettings, key: str, since: datetime, until: datetime) -> Awaited:
    return Awaited(settings.system, tuple(settings.types), settings.key, key, since, until)


def _answer(waiting: Waiting, result: AwaitedResult, now: datetime) -> Answer:
    item, step = waiting.item, waiting.step
    match result:
        case Arrived():
            item.keep(step, "event", result.event_id)
            output = {"id": result.id, "type": result.type, "object": result.object}
            return Done(output, exit=CAME)
        case NothingCame():
            item.keep(step, "exit", TIMEOUT)
            return Done({}, exit=TIMEOUT)
        case NotYet(until=until):
            types = " or ".join(waiting.awaited.types)
            told = f"It waits for {types}, until {waiting.awaited.until:%Y-%m-%d %H:%M} UTC"
            return Pause(max(until, now), told, holds="run")
        case _:
            return result
