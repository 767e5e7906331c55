"""This module reads several objects from Stripe by the filters of their list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.stripe.places import LARGEST_PAGE, Takes, filters_of
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Failure, GiveUp
from flows.engine.ports import Params, Ports
from flows.mapping.failure import quoted
from flows.mapping.reading import Read
from flows.mapping.widgets import shown
from flows.steps import listing
from flows.steps.base import StepKind
from flows.steps.ids import id_in
from flows.steps.moments import Zone, moment_of
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError

Listed = Literal[
    "balance_transaction", "charge", "checkout.session", "credit_note", "customer", "dispute", "invoice",
    "invoice_payment", "invoiceitem", "payment_intent", "payment_link", "payment_method", "payout", "price",
    "product", "refund", "setup_intent", "subscription", "subscription_item", "subscription_schedule",
]  # fmt: skip
# Bounds of a span of time: https://docs.stripe.com/api/charges/list
_BOUNDS: Mapping[str, str] = {"at_least": "gte", "greater": "gt", "at_most": "lte", "less": "lt"}
_WORDS: Mapping[str, str] = {
    "equal": "is",
    "greater": "is after",
    "at_least": "is not before",
    "less": "is before",
    "at_most": "is not after",
}


class ObjectFilter(BaseModel):
    """One filter of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    field: str = Field(
        json_schema_extra=shown("Filter", offers="stripe_list_filters", of="/object"),
        min_length=1,
        max_length=40,
        description="What Stripe's list can be filtered by, such as customer, status or created.",
    )
    operator: Literal["equal", "greater", "at_least", "less", "at_most"] = Field(
        json_schema_extra=shown("Comparison", words=_WORDS),
        default="equal",
        alias="is",
        description="How it is compared; only times can be before or after something.",
    )
    sources: listing.Sources = Field(default=[], alias="from")
    value: listing.Fixed = None

    @model_validator(mode="after")
    def _fits(self) -> ObjectFilter:
        listing.is_one_of_them(self.sources, self.value)
        return self


class ListInStripeSettings(BaseModel):
    """Which objects are read, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is asked.")
    object: Listed = Field(
        json_schema_extra=shown("What is read", words={"invoiceitem": "Invoice item"}),
        description="The kind of object.",
    )
    where: list[ObjectFilter] = Field(
        json_schema_extra=shown("Filters", add="Add a filter"),
        default=[],
        max_length=10,
        description="What the objects have to fulfil, all of it. The newest come first.",
    )
    limit: listing.Limit = 100
    beyond: listing.Beyond = "exit"
    zone: Zone = "UTC"

    @model_validator(mode="after")
    def _can_be_asked(self) -> ListInStripeSettings:
        takes = filters_of(self.object)
        for one in self.where:
            if one.field not in takes:
                known = ", ".join(sorted(takes)) or "nothing"
                raise ValueError(f"Stripe's list of {self.object} objects is filtered by: {known}")
            if one.operator in _BOUNDS and takes[one.field] != "moment":
                raise ValueError(f"{one.field} is no time: it can only be compared by “is”")
        if self.object == "subscription_item" and not self.where:
            raise ValueError("Stripe lists the items of one subscription: add the filter subscription")
        return self


class ListInStripe(StepKind):
    """Read the objects in Stripe that fulfil filters, as a list that a for-each goes through."""

    slug: ClassVar[str] = "stripe.list"
    label: ClassVar[str] = "List in Stripe"
    exits: ClassVar[tuple[str, ...]] = ("found", "none", listing.TOO_MANY)
    settings_model = ListInStripeSettings
    nature: ClassVar[Nature] = "reads"

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits: one for too many objects only where the run goes another way then."""
        return listing.exits_of(settings.beyond)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the reading as a function over a batch."""
        filters = [_Filter.of(one, settings) for one in settings.where]
        wanted = settings.limit + (settings.beyond != "first")

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            asked = [_params(filters, item) for item in batch]
            lists: dict[bytes, _Pages] = {}
            for one in asked:
                if isinstance(one, dict):
                    request = {"type": settings.object, "params": one}
                    lists.setdefault(canonical.dumps(one), _Pages(request, wanted))
            _complete(list(lists.values()), settings.slot, ports)
            return [
                _answer(settings, lists[canonical.dumps(one)] if isinstance(one, dict) else one)
                for one in asked
            ]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "stripe" else [("slot", "Stripe's objects are read in the slot stripe")]


class _Filter(NamedTuple):
    """A filter, compiled."""

    name: str
    bound: str  # of a span of time; empty for the value itself
    takes: Takes
    read: Read
    zone: ZoneInfo

    @classmethod
    def of(cls, one: ObjectFilter, settings: ListInStripeSettings) -> _Filter:
        """Return how the filter `one` is filled."""
        takes = filters_of(settings.object)[one.field]
        read = listing.reader(one.sources, one.value)
        return cls(one.field, _BOUNDS.get(one.operator, ""), takes, read, ZoneInfo(settings.zone))

    def fit(self, value: Any) -> Any:
        """Return `value` as Stripe takes it here; None if it does not."""
        match self.takes:
            case "moment":
                moment = moment_of(value, self.zone)
                return None if moment is None else int(moment.timestamp())
            case "switch":
                return value if isinstance(value, bool) else None
            case _:
                if isinstance(value, bool) or not isinstance(value, (str, int)):
                    return id_in(value) or None
                return str(value) if self.takes == "text" else [str(value)]


def _params(filters: Sequence[_Filter], item: Item) -> dict[str, Any] | GiveUp | None:
    """Return the filters of one run; None if one has no value, since without it others would be found."""
    params: dict[str, Any] = {}
    for one in filters:
        value = one.read(item.context)
        if value is None:
            return None
        fitted = one.fit(value)
        if fitted is None:
            message = f"{quoted(value)} is nothing that {one.name} can be compared with"
            return GiveUp(message, Failure("data", message, code="not_a_value", field=one.name))
        if one.bound:
            params[one.name] = {**params.get(one.name, {}), one.bound: fitted}
        else:
            params[one.name] = fitted
    return params


class _Pages:
    """A list that is read page by page, until there is enough of it."""

    def __init__(self, request: Params, wanted: int) -> None:
        self._request = request
        self._wanted = wanted
        self._has_more = True
        self._last = ""
        self.found: list[Mapping[str, Any]] = []
        self.failure: IntegrationError | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether another page is needed."""
        return self._has_more and self.failure is None and len(self.found) < self._wanted

    def next(self) -> Params:
        """Return the request of the next page: no larger than is needed."""
        after = {"starting_after": self._last} if self._last else {}
        limit = min(LARGEST_PAGE, self._wanted - len(self.found))
        return {**self._request, **after, "limit": limit}

    def take(self, result: Mapping[str, Any] | IntegrationError) -> None:
        """Add what came of it."""
        if isinstance(result, IntegrationError):
            self.failure = result
            return
        objects = result["objects"]
        self._has_more = bool(result["has_more"] and objects)
        self._last = id_in(objects[-1]) if objects else ""
        self.found += [one for one in objects if not one.get("deleted")]


def _complete(lists: Sequence[_Pages], slot: str, ports: Ports) -> None:
    """Read every list as far as it is needed, all of them at the same pace."""
    while growing := [one for one in lists if one.is_open]:
        results = ports.call_many(slot, "list", [one.next() for one in growing])
        for one, result in zip(growing, results, strict=True):
            one.take(result)


def _answer(settings: ListInStripeSettings, pages: _Pages | GiveUp | None) -> Answer:
    if isinstance(pages, GiveUp):
        return pages
    if pages is not None and pages.failure is not None:
        return pages.failure
    found = [] if pages is None else pages.found
    return listing.answer(found, "object", key="id", limit=settings.limit, beyond=settings.beyond)
