"""This module lets a run wait for some time, or until a moment that is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp, Pause
from flows.engine.ports import Ports
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.moments import Zone, moment_of

LONGEST = timedelta(days=60)
FURTHEST = timedelta(days=366)  # how far a moment that is read may lie ahead

_SPAN = ("How long", "For some time")
_MOMENT = ("How long", "Until a moment")
_UNITS: Mapping[str, timedelta] = {
    "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)
}  # fmt: skip


class WaitSettings(BaseModel):
    """How long the run waits, or until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: int = Field(
        json_schema_extra=shown("Minutes", either=_SPAN),
        default=0,
        ge=0,
        le=86_400,
        description="Minutes to wait.",
    )
    hours: int = Field(
        json_schema_extra=shown("Hours", either=_SPAN),
        default=0,
        ge=0,
        le=1440,
        description="Hours to wait, beside the minutes.",
    )
    days: int = Field(
        json_schema_extra=shown("Days", either=_SPAN),
        default=0,
        ge=0,
        le=60,
        description="Days to wait, beside the hours.",
    )
    until: Paths = Field(
        json_schema_extra=shown("Moment", offers="paths", add="Add a fallback", either=_MOMENT),
        default=[],
        description="Where it is read until when the run waits: a Unix time, as Stripe has them, a date, or "
        "a date with a time.",
    )
    offset: int = Field(
        json_schema_extra=shown("Sooner or later", either=_MOMENT),
        default=0,
        ge=-86_400,
        le=86_400,
        description="By how much later than the moment the wait is over; a number below zero is before it, "
        "such as -3 for three days before.",
    )
    offset_unit: Literal["minute", "hour", "day"] = Field(
        json_schema_extra=shown(
            "Unit of that",
            either=_MOMENT,
            words={"minute": "minutes", "hour": "hours", "day": "days"},
        ),
        default="day",
        description="Days are those of the calendar: the time of day stays, whatever the clocks do.",
    )
    at: str = Field(
        json_schema_extra=shown("Time of day, if it is a date", either=_MOMENT),
        default="00:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When on that day, such as 09:00, in the time zone.",
    )
    zone: Zone = Field(
        json_schema_extra=shown("Time zone", offers="zones", either=_MOMENT),
        default="UTC",
        description="The time zone that dates, and times without one of their own, are meant in.",
    )
    if_past: Literal["go_on", "exit", "fail"] = Field(
        json_schema_extra=shown(
            "If it has passed already",
            either=_MOMENT,
            words={"go_on": "Go on at once", "exit": "Go another way", "fail": "Fail"},
        ),
        default="go_on",
        description="What happens if that is over before the run begins to wait: it goes on at once, goes "
        "another way (past), or fails.",
    )
    if_far: Literal["exit", "fail"] = Field(
        json_schema_extra=shown(
            "If it is more than a year ahead",
            either=_MOMENT,
            more=True,
            words={"exit": "Go another way", "fail": "Fail"},
        ),
        default="fail",
        description="What happens if that is more than a year ahead: the run goes another way (far), or "
        "fails.",
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> WaitSettings:
        if bool(self.until) is bool(self.span):
            raise ValueError("Say either how long the run waits, or where the time is read")
        if self.span > LONGEST:
            raise ValueError(f"A run waits at most {LONGEST.days} days")
        if abs(self.shift) > FURTHEST:
            raise ValueError("It can be at most a year sooner or later")
        return self

    @property
    def span(self) -> timedelta:
        """Return how long the run waits."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)

    @property
    def shift(self) -> timedelta:
        """Return by how much later than the moment it is over."""
        return self.offset * _UNITS[self.offset_unit]


class Wait(StepKind):
    """Wait for some time, or until a moment; the run goes on by itself afterwards."""

    slug: ClassVar[str] = "wait"
    label: ClassVar[str] = "Wait"
    settings_model = WaitSettings
    nature: ClassVar[Nature] = "asks"

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits: those for a moment that cannot be waited for only where that is wanted."""
        past = ("past",) if settings.until and settings.if_past == "exit" else ()
        far = ("far",) if settings.until and settings.if_far == "exit" else ()
        return ("in_time", *past, *far) if past or far else ("next",)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the wait as a function over a batch."""
        moment = _moment(settings) if settings.until else None
        on, *_ = self.exits_of(settings)

        def wait(item: Item, now: datetime) -> Answer:
            known = item.recall(step_id, "until")
            if isinstance(known, str):  # what was decided at the first try holds
                return _until(datetime.fromisoformat(known), now, item.recall(step_id, "exit"), on)
            found = now + settings.span if moment is None else moment(item)
            if isinstance(found, GiveUp):
                return found
            way = _way(settings, found, now)
            if isinstance(way, GiveUp):
                return way
            item.keep(step_id, "until", found.isoformat())
            item.keep(step_id, "exit", way)
            return _until(found, now, way, on)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            now = ports.now()
            return [wait(item, now) for item in batch]

        return step


def _moment(settings: WaitSettings) -> Callable[[Item], datetime | GiveUp]:
    """Return what reads when the wait is over."""
    read, zone, at = first_of(settings.until), ZoneInfo(settings.zone), time.fromisoformat(settings.at)

    def until(item: Item) -> datetime | GiveUp:
        value = read(item.context)
        found = moment_of(value, zone, at=at)
        if found is None:
            return _bad(f"{quoted(value)} is no time", "not_a_time")
        try:
            if settings.offset and settings.offset_unit == "day":  # which stays at the same time of day
                local = found.astimezone(zone)
                return (local.replace(tzinfo=None) + settings.shift).replace(tzinfo=zone).astimezone(UTC)
            return found + settings.shift
        except OverflowError:
            return _bad(f"{quoted(value)} lies outside of the times that there are", "not_a_time")

    return until


def _way(settings: WaitSettings, until: datetime, now: datetime) -> str | GiveUp | None:
    """Return the exit that a run takes which cannot wait: its moment has passed, or is too far ahead."""
    if settings.until and until <= now and settings.if_past != "go_on":
        if settings.if_past == "exit":
            return "past"
        return _bad(f"{until:%Y-%m-%d %H:%M} UTC has passed already", "too_late")
    if until > now + FURTHEST:
        if settings.if_far == "exit":
            return "far"
        return _bad(f"{until:%Y-%m-%d} lies more than a year ahead", "too_far")
    return None


def _bad(message: str, code: str) -> GiveUp:
    return GiveUp(message, Failure("data", message, code=code, field="until"))


def _until(until: datetime, now: datetime, way: str | None, on: str) -> Answer:
    if now < until and way is None:
        return Pause(until, f"It waits until {until:%Y-%m-%d %H:%M} UTC", holds="run")
    return Done({"waited_until": until.isoformat()}, exit=way or on)
