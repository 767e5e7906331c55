"""This module acts in Stripe, such as by canceling a subscription, once for each occurrence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.stripe.operations import ACTS, Operation
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.once import ONCE_KEY
from flows.engine.ports import Intent
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import id_in, no_id
from flows.steps.parameters import Given, compile_parameters, faults
from flows.steps.values import unmapped

What = Literal[
    "subscription.cancel",
    "subscription.cancel_later",
    "subscription.keep",
    "subscription.pause",
    "subscription.resume",
    "subscription.pause_collection",
    "subscription.resume_collection",
    "subscription_item.remove",
    "subscription_schedule.cancel",
    "subscription_schedule.release",
    "invoice.finalize",
    "invoice.send",
    "invoice.pay",
    "invoice.void",
    "invoice.mark_uncollectible",
    "dispute.submit",
    "dispute.accept",
    "refund.cancel",
    "payment_link.deactivate",
    "payment_intent.capture",
    "payment_intent.cancel",
]


class ActInStripeSettings(BaseModel):
    """What is done, with which object, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is written to.")
    act: What = Field(
        json_schema_extra=shown("What is done", words={name: act.label for name, act in ACTS.items()}),
        description="What is done.",
    )
    id: Paths = Field(
        json_schema_extra=shown("Its id is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the id of the object is read that it is done with.",
    )
    parameters: Given = Field(
        json_schema_extra=shown(
            "Parameters", offers="paths", add="Add a parameter", names=("Parameter", "stripe_acts", "act")
        ),
        default={},
        max_length=100,
        description="How it is done, by Stripe's names. Amounts are in the currency's smallest unit, such as "
        "cents.",
    )
    occurrence: Paths = Field(
        json_schema_extra=shown("What happened", offers="paths", more=True, add="Add a fallback"),
        default=["event.id"],
        min_length=1,
        description="Where the id is read of what happened. It is done once for each object and occurrence.",
    )

    @property
    def operation(self) -> Operation:
        """Return the write of Stripe that it is."""
        return ACTS[self.act]


class ActInStripe(StepKind):
    """Do something in Stripe once for each occurrence: cancel, pause, finalise, send, submit and more."""

    slug: ClassVar[str] = "stripe.act"
    label: ClassVar[str] = "Act in Stripe"
    settings_model = ActInStripeSettings
    nature: ClassVar[Nature] = "effect"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the act as a function over a batch."""
        act = ACTS[settings.act]
        read_id, read_occurrence = first_of(settings.id), first_of(settings.occurrence)
        made = compile_parameters(act, settings.parameters)

        def intent(item: Item) -> Intent | Answer:
            own_id, occurrence = id_in(read_id(item.context)), id_in(read_occurrence(item.context))
            if not own_id:
                return no_id("id", "There is no id of the object that it would be done with")
            if not occurrence:
                return no_id("occurrence", "It is not known which occurrence it would be done for")
            try:
                params = made(item)
            except MappingFailed as failed:
                return unmapped(failed)
            request = {"act": settings.act, "type": act.type, "id": own_id, "params": params, "key": ONCE_KEY}
            return Intent(
                item=item,
                step=step_id,
                kind="starting",
                purpose=act.label,
                record=own_id,
                slot=settings.slot,
                action="act",
                request=request,
                occurrence=occurrence,
                keyed=act.method == "post",  # keys have no effect on what is deleted
                look_up=("reached", {"act": settings.act, "id": own_id}) if act.done is not None else None,
            )

        return once.step_of(intent)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot and the parameters."""
        if settings.slot != "stripe":
            return [("slot", "Something is done in the slot stripe")]
        return [("parameters", one) for one in faults(settings.operation, settings.parameters)]
