"""This module creates an object in Stripe, such as a customer or a refund, never a second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.stripe.operations import CREATIONS, MARKER, Operation
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.once import FIRST_SENT, ONCE_KEY
from flows.engine.ports import Intent
from flows.mapping.failure import MappingFailed
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import About, about, no_id
from flows.steps.parameters import Given, Repeat, compile_parameters, faults
from flows.steps.values import unmapped

Created = Literal[
    "customer",
    "product",
    "price",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "invoiceitem",
    "invoice",
    "credit_note",
    "payment_link",
    "refund",
]


class CreateInStripeSettings(BaseModel):
    """What is created, from what, and what for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is written to.")
    object: Created = Field(
        json_schema_extra=shown("What is created", words={"invoiceitem": "Invoice item"}),
        description="The kind of object.",
    )
    parameters: Given = Field(
        json_schema_extra=shown(
            "Parameters",
            offers="paths",
            add="Add a parameter",
            names=("Parameter", "stripe_creation", "object"),
        ),
        min_length=1,
        max_length=100,
        description="What it is made from, by Stripe's names. Amounts are in the currency's smallest unit, "
        "such as cents.",
    )
    repeat: Repeat = {}
    purpose: str = Field(
        json_schema_extra=shown("Purpose"),
        min_length=1,
        max_length=150,
        description="What it is for. There is one for each purpose and source, whatever the flow.",
    )
    about: About = []

    @property
    def operation(self) -> Operation:
        """Return the write of Stripe that it is."""
        return CREATIONS[self.object]


class CreateInStripe(StepKind):
    """Create an object in Stripe, once for each source and purpose however often it is tried."""

    slug: ClassVar[str] = "stripe.create"
    label: ClassVar[str] = "Create in Stripe"
    settings_model = CreateInStripeSettings
    nature: ClassVar[Nature] = "creates"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the creation as a function over a batch."""
        source_of = about(settings.about)
        made = compile_parameters(settings.operation, settings.parameters, repeat=settings.repeat)

        def intent(item: Item) -> Intent | Answer:
            source = source_of(item)
            if not source:
                return no_id("about", "It is not known what the object would be about")
            try:
                params = made(item)
            except MappingFailed as failed:
                return unmapped(failed)
            marked = {**params, "metadata": {**(params.get("metadata") or {}), MARKER: "{effect}"}}
            wanted = {"type": settings.object, "params": params}
            return Intent(
                item=item,
                step=step_id,
                kind="creating",
                purpose=settings.purpose,
                record=source,
                slot=settings.slot,
                action="create",
                request={"type": settings.object, "params": marked, "key": ONCE_KEY},
                created=f"stripe.{settings.object}",
                keyed=True,
                look_up=("find_marked", {**wanted, "effect": "{effect}", "since": FIRST_SENT}),
            )

        return once.step_of(intent)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot and the parameters."""
        if settings.slot != "stripe":
            return [("slot", "Objects of Stripe are created in the slot stripe")]
        found = faults(settings.operation, settings.parameters, repeat=[*settings.repeat])
        return [("parameters", one) for one in found]
