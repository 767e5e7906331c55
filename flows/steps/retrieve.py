"""This module reads an object from Stripe, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from connectors.stripe.places import PLACES
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Params, Ports, Result
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.ids import id_in
from integrator.kernel.errors import IntegrationError, Missing

# Up to four levels: https://docs.stripe.com/api/expanding_objects
EXPANSION = r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){0,3}$"


class RetrieveSettings(BaseModel):
    """Which object is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is asked.")
    type: str = Field(
        json_schema_extra=shown("Kind of object", offers="stripe_objects"),
        description="The type of the object, such as customer or invoice.",
    )
    id: Paths = Field(
        json_schema_extra=shown("Its id is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the object's id is read.",
    )
    expand: list[Annotated[str, StringConstraints(pattern=EXPANSION, max_length=200)]] = Field(
        json_schema_extra=shown(
            "Read along with it", offers="expansions", of="type", more=True, add="Add a reference"
        ),
        default=[],
        max_length=10,
        description="References that are replaced by their objects, up to four levels deep.",
    )

    @field_validator("type")
    @classmethod
    def _can_be_read(cls, kind: str) -> str:
        if kind not in PLACES:
            raise ValueError(f"Objects of type {kind} are not read; these are: {', '.join(sorted(PLACES))}")
        return kind


class Retrieve(StepKind):
    """Read an object from Stripe as it is now, for later steps; what is deleted or not there has an exit."""

    slug: ClassVar[str] = "stripe.retrieve"
    label: ClassVar[str] = "Read from Stripe"
    exits: ClassVar[tuple[str, ...]] = ("next", "none")
    settings_model = RetrieveSettings
    nature: ClassVar[Nature] = "reads"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the reading as a function over a batch."""
        read = first_of(settings.id)
        fixed: Params = {"type": settings.type, "expand": list(settings.expand)}

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            wanted = [id_in(read(item.context)) for item in batch]
            ids = [stripe_id for stripe_id in dict.fromkeys(wanted) if stripe_id]
            requests = [{**fixed, "id": stripe_id} for stripe_id in ids]
            results = ports.call_many(settings.slot, "retrieve", requests) if requests else []
            found = dict(zip(ids, results, strict=True))
            return [_answer(stripe_id, found) for stripe_id in wanted]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "stripe" else [("slot", "Stripe's objects are read in the slot stripe")]


def _answer(stripe_id: str, found: Mapping[str, Result]) -> Answer:
    result = found.get(stripe_id)
    if result is None or isinstance(result, Missing):
        return Done(None, exit="none", seen={"id": stripe_id or None})
    if isinstance(result, IntegrationError):
        return result
    # Of a deleted object only the id is left: nothing in it may empty a field.
    gone = bool(result["object"].get("deleted"))
    return Done(None if gone else result["object"], exit="none" if gone else "next", seen={"id": stripe_id})
