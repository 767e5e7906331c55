"""This module goes through a list, such as the lines of an invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.ports import Ports
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.ids import id_in
from integrator.kernel.errors import IntegrationError

LARGEST_PAGE = 100  # https://docs.stripe.com/api/pagination
_TAKEN = frozenset({"event", "previous", "steps", "error", "number"})  # roots that are the engine's own


class ForEachSettings(BaseModel):
    """Which list is gone through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list: Paths = Field(
        json_schema_extra=shown("List", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the list is read. Of a list of Stripe that goes on, the rest is read first.",
    )
    name: str = Field(
        json_schema_extra=shown("Name of an element", more=True),
        default="each",
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="What paths call the element; its number in the list stands beside it.",
    )
    limit: int = Field(
        json_schema_extra=shown("Elements at most", more=True),
        default=200,
        ge=1,
        le=1000,
        description="How many elements there may be; a run with more gives up.",
    )

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in _TAKEN:
            raise ValueError(f"{name} has another meaning in paths")
        return name


class ForEach(StepKind):
    """Take the steps inside once for each element of a list."""

    slug: ClassVar[str] = "for_each"
    label: ClassVar[str] = "For each"
    settings_model = ForEachSettings
    nature: ClassVar[Nature] = "reads"
    body: ClassVar[str] = "each"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return what reads the list, as a function over a batch; the engine goes through it."""
        read = first_of(settings.list)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            lists = [_Growing.of(read(item.context), settings.limit) for item in batch]
            _complete(lists, ports)
            return [one.answer(settings.name) for one in lists]

        return step


@dataclass(slots=True)
class _Growing:
    """A list of one run, and where the rest of it is read."""

    limit: int
    items: list[Any] = field(default_factory=list)
    url: str = ""  # of what is still to be read
    failure: GiveUp | IntegrationError | None = None

    @classmethod
    def of(cls, value: Any, limit: int) -> _Growing:
        """Return what is known of the list `value`; none is an empty one."""
        if value is None:
            return cls(limit)
        if isinstance(value, list):
            return cls(limit, list(value))
        if (
            isinstance(value, Mapping)
            and value.get("object") == "list"
            and isinstance(value.get("data"), list)
        ):
            url = value.get("url") if value.get("has_more") else ""
            return cls(limit, list(value["data"]), url if isinstance(url, str) else "")
        message = f"{quoted(value)} is not a list"
        return cls(limit, failure=GiveUp(message, Failure("data", message, code="not_a_list", field="list")))

    @property
    def last(self) -> str:
        """Return the id after which the rest begins; empty if there is no rest, or it is of no use."""
        if not self.url or self.failure is not None or not self.items or len(self.items) > self.limit:
            return ""
        return id_in(self.items[-1])

    def take(self, page: Mapping[str, Any]) -> None:
        """Add the next part of the list."""
        self.items += page["objects"]
        if not page["has_more"] or not page["objects"]:
            self.url = ""

    def answer(self, name: str) -> Answer:
        """Return what the step comes to, whose elements are called `name`."""
        if self.failure is not None:
            return self.failure
        if len(self.items) > self.limit:
            message = f"The list has more than {self.limit} elements"
            return GiveUp(message, Failure("too_large", message, code="too_many", field="list"))
        return Done({"items": self.items, "name": name}, seen={"elements": len(self.items)})


def _complete(lists: Sequence[_Growing], ports: Ports) -> None:
    """Read the rest of every list that goes on, page by page, all of them at the same pace."""
    while growing := [one for one in lists if one.last]:
        requests = [{"url": one.url, "starting_after": one.last, "limit": LARGEST_PAGE} for one in growing]
        for one, result in zip(growing, ports.call_many("stripe", "list_of", requests), strict=True):
            if isinstance(result, IntegrationError):
                one.failure = result
            else:
                one.take(result)
