"""This module finds the object in Stripe that belongs to what the run is about, by metadata or by a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.stripe import places
from connectors.stripe.operations import SEARCHED
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.ports import Params, Ports, Result
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps import candidates
from flows.steps.base import StepKind
from flows.steps.candidates import id_of
from integrator.kernel.errors import IntegrationError

MOST = 20  # objects that are looked at, the newest first
LONGEST = 500

Found = Literal[
    "customer",
    "product",
    "price",
    "subscription",
    "subscription_schedule",
    "invoice",
    "invoiceitem",
    "credit_note",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
]
_NOTHING: Mapping[str, Any] = {"id": None, "object": None}


class FindInStripeSettings(BaseModel):
    """Which object is looked for, and by what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is asked.")
    object: Found = Field(
        json_schema_extra=shown("What is looked for", words={"invoiceitem": "Invoice item"}),
        description="The kind of object.",
    )
    by: Literal["field", "metadata"] = Field(
        json_schema_extra=shown("Found by", words={"field": "A field, such as the e-mail address"}),
        default="field",
        description="By a field that Stripe's list can be filtered by, or by a metadata key. What was given "
        "its metadata within the last minute may not be found by it yet.",
    )
    field: str = Field(
        json_schema_extra=shown("Field", offers="stripe_filters", of="object", unless={"by": ["metadata"]}),
        default="",
        max_length=40,
        description="The field that is compared, letter by letter: of a customer, email.",
    )
    key: str = Field(
        json_schema_extra=shown("Metadata key", unless={"by": ["field"]}),
        default="",
        max_length=40,
        description="The metadata key whose value is compared, such as salesforce_account_id.",
    )
    value: Paths = Field(
        json_schema_extra=shown("Value is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the value is read. Without one, nothing is asked and nothing is found.",
    )
    several: Literal["ask", "first", "fail"] = Field(
        json_schema_extra=shown(
            "If several are found",
            words={"ask": "Ask a person", "first": "Take the newest", "fail": "Fail"},
        ),
        default="ask",
        description="What happens if several objects are found: ask a person, take the newest, or fail.",
    )
    shows: list[Annotated[str, StringConstraints(min_length=1, max_length=80)]] = Field(
        json_schema_extra=shown("Fields to tell objects apart", more=True, add="Add a field"),
        default=["name", "email", "status", "description"],
        max_length=8,
        description="Fields by which a person tells objects apart.",
    )
    question: str = Field(
        json_schema_extra=shown("Question if several fit", more=True),
        default="Which object is it?",
        max_length=200,
        description="What a person is asked if several fit.",
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> FindInStripeSettings:
        if self.by == "metadata":
            if not self.key:
                raise ValueError("Say which metadata key is compared")
            if self.object not in SEARCHED:
                raise ValueError(f"Stripe finds these by metadata: {', '.join(SEARCHED)}")
        elif self.field not in (known := places.text_filters(self.object)):
            raise ValueError(f"Stripe's list of {self.object} objects is filtered by: {', '.join(known)}")
        return self


class FindInStripe(StepKind):
    """Find an object in Stripe by its metadata or by a field; a person chooses where several fit."""

    slug: ClassVar[str] = "stripe.find"
    label: ClassVar[str] = "Find in Stripe"
    exits: ClassVar[tuple[str, ...]] = ("found", "none")
    settings_model = FindInStripeSettings
    nature: ClassVar[Nature] = "reads"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the search as a function over a batch."""
        read = first_of(settings.value)
        action = "search" if settings.by == "metadata" else "list"

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            wanted = [_text(read(item.context)) for item in batch]
            values = list(dict.fromkeys(filter(None, wanted)))
            requests = [_request(settings, value) for value in values]
            results = ports.call_many(settings.slot, action, requests) if requests else []
            found = dict(zip(values, results, strict=True))
            return [
                _answer(step_id, settings, item, value, found.get(value))
                for item, value in zip(batch, wanted, strict=True)
            ]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return (
            [] if settings.slot == "stripe" else [("slot", "Stripe's objects are found in the slot stripe")]
        )


def _text(value: Any) -> str:
    """Return what may be looked for as text; what people type may have blanks around."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value).strip()
    return text if len(text) <= LONGEST else ""


def _request(settings: FindInStripeSettings, value: str) -> Params:
    if settings.by == "metadata":
        return {"type": settings.object, "key": settings.key, "value": value, "limit": MOST}
    takes_many = places.text_filters(settings.object)[settings.field]
    params = {settings.field: [value] if takes_many else value}
    return {"type": settings.object, "params": params, "limit": MOST}


def _answer(
    step_id: str, settings: FindInStripeSettings, item: Item, value: str, result: Result | None
) -> Answer:
    seen = {settings.key or settings.field: value or None}
    if isinstance(result, IntegrationError):
        return result
    found = [] if result is None else [one for one in result["objects"] if _is_meant(settings, one, value)]
    chosen = candidates.answer(item, step_id)
    if chosen:
        found = [one for one in found if id_of(one) == chosen]
    if not found:
        return Done(dict(_NOTHING), exit="none", seen=seen)
    if len(found) == 1 or settings.several == "first":
        return Done({"id": id_of(found[0]), "object": dict(found[0])}, exit="found", seen=seen)
    if settings.several == "fail":
        message = f"{len(found)} objects fit"
        return GiveUp(message, Failure("duplicate", message, code="several_found"), seen=seen)
    return candidates.ask(settings.question, found, settings.shows, none="None of these")


def _is_meant(settings: FindInStripeSettings, found: Mapping[str, Any], value: str) -> bool:
    """
    Tell whether an object is there and has the value letter by letter.

    To Stripe's search capitals are alike, while ids of Salesforce in 15 characters differ by nothing else:
    https://docs.stripe.com/search#query-structure-and-terminology
    """
    if found.get("deleted"):
        return False
    metadata = found.get("metadata")
    known = metadata.get(settings.key) if isinstance(metadata, Mapping) else None
    return settings.by != "metadata" or (isinstance(known, str) and known.strip() == value)
