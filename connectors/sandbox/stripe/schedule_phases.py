"""
This module reads the phases of subscription schedules: what is billed, from when until when.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import periods, subscription_items
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import check, choice, integer, merge_metadata

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec
    from connectors.sandbox.stripe.state import Caller

PHASE: Spec = {
    "billing_cycle_anchor": "enum:automatic|phase_start",
    "collection_method": "enum:charge_automatically|send_invoice",
    "currency": "id",
    "default_payment_method": "id",
    "description": "string",
    "duration": "object:interval|interval_count",
    "end_date": "id",
    "invoice_settings": "object:days_until_due",
    "items": "objects:metadata|price|price_data|quantity!",
    "metadata": "metadata",
    "proration_behavior": "enum:create_prorations|always_invoice|none",
    "start_date": "id",
    "trial": "boolean",
    "trial_end": "integer",
}
NAMES = "|".join(PHASE)
# What a phase has none of.
NOTHING = dict.fromkeys(
    (
        "application_fee_percent",
        "automatic_tax",
        "billing_thresholds",
        "invoice_settings",
        "on_behalf_of",
        "transfer_data",
        "trial",
    )
)
TAKEN = ("billing_cycle_anchor", "collection_method", "default_payment_method", "description")


@dataclass(slots=True)
class Course:
    """Phases by the calendar: months after the first start, so that the 31st comes back after February."""

    anchor: int
    interval: str = ""
    passed: int = 0

    def end(self, start: int, interval: str, count: int) -> int:
        """Return the second in which a phase ends that lasts for so many intervals."""
        if interval != self.interval or periods.boundary(self.anchor, interval, self.passed) != start:
            self.anchor, self.interval, self.passed = start, interval, 0
        self.passed += count
        return periods.boundary(self.anchor, interval, self.passed)


def read(caller: Caller, described: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    """
    Return the phases, one after the other from `start` on.

    :raises ApiError: 400 without phases, or for a price, an end or a trial that makes no sense
    """
    if not described:
        raise invalid("Missing required param: phases.", param="phases", code="parameter_missing")
    phases: list[dict[str, Any]] = []
    course = Course(start)
    for number, each in enumerate(described):
        phase = _phase(caller, each, start, course, param=f"phases[{number}]")
        if phases and phase["trial_end"] is not None:
            raise invalid(
                "The sandbox simulates a trial in the first phase only.",
                param=f"phases[{number}][trial_end]",
                code="sandbox_unsupported",
            )
        phases.append(phase)
        start = phase["end_date"]
    return phases


def of_subscription(subscription: dict[str, Any]) -> dict[str, Any]:
    """Return the phase that a running subscription is in: its current period."""
    items = subscription["items"]["data"]
    return {
        **_empty(subscription["currency"]),
        "end_date": min(item["current_period_end"] for item in items),
        "items": [_item(item["price"], item["quantity"], item["metadata"]) for item in items],
        "metadata": dict(subscription["metadata"]),
        "start_date": max(item["current_period_start"] for item in items),
        "trial_end": subscription["trial_end"] if subscription["status"] == "trialing" else None,
    }


def at(phases: list[dict[str, Any]], moment: int) -> dict[str, Any] | None:
    """Return the phase that a moment lies in, if any."""
    return next((each for each in phases if each["start_date"] <= moment < each["end_date"]), None)


def span(phase: dict[str, Any]) -> dict[str, int]:
    """Return how a schedule tells its current phase."""
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _phase(
    caller: Caller, described: dict[str, Any], start: int, course: Course, *, param: str
) -> dict[str, Any]:
    told = check(described, PHASE)
    items = [_read_item(caller, each) for each in told["items"]]
    if not 1 <= len(items) <= subscription_items.MOST:
        raise invalid("A phase has 1 to 20 items.", param=f"{param}[items]")
    prices = [price for price, _ in items]
    if len({price["currency"] for price in prices}) > 1:
        raise invalid("All prices of a phase must have the same currency.", param=f"{param}[items]")
    end = _end(caller, told, start, prices[0], course)
    if end <= start:
        raise invalid("A phase must end after it starts.", param=f"{param}[end_date]")
    days = (told.get("invoice_settings") or {}).get("days_until_due")
    return {
        **_empty(prices[0]["currency"]),
        **{name: told.get(name) for name in TAKEN},
        "end_date": end,
        "invoice_settings": _invoice_settings(days) if days else None,
        "items": [shown for _, shown in items],
        "metadata": merge_metadata({}, told.get("metadata", {})),
        "proration_behavior": told.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "trial_end": end if told.get("trial") else told.get("trial_end"),
    }


def _empty(currency: str) -> dict[str, Any]:
    return {
        **NOTHING,
        **dict.fromkeys(TAKEN),
        "add_invoice_items": [],
        "currency": currency,
        "default_tax_rates": [],
        "discounts": [],
        "proration_behavior": "create_prorations",
        "trial_end": None,
    }


def _invoice_settings(days: str) -> dict[str, Any]:
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": integer("invoice_settings[days_until_due]", days),
        "description": None,
        "footer": None,
        "issuer": None,
    }


def _read_item(caller: Caller, described: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    price = subscription_items.price_of(caller, described)
    quantity = subscription_items.quantity_of(described)
    metadata = subscription_items.check_metadata(described)
    return price, _item(price, quantity, metadata)


def _item(price: dict[str, Any], quantity: int, metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": dict(metadata),
        "plan": price["id"],
        "price": price["id"],
        "quantity": quantity,
        "tax_rates": [],
    }


def _end(caller: Caller, told: dict[str, Any], start: int, price: dict[str, Any], course: Course) -> int:
    """Return when a phase ends: at its date, after its duration, or with one period of its price."""
    if told.get("end_date") and told.get("duration"):
        raise invalid("You may only specify one of these parameters: duration, end_date.", param="phases")
    if told.get("end_date"):
        return caller.now if told["end_date"] == "now" else integer("end_date", told["end_date"])
    lasting = told.get("duration") or price["recurring"]
    interval = choice("phases[duration][interval]", lasting.get("interval"), periods.INTERVALS)
    count = integer("duration[interval_count]", str(lasting.get("interval_count", "1")))
    if not 1 <= count <= periods.INTERVALS[interval]:
        raise invalid("A phase lasts three years at most.", param="phases")
    return course.end(start, interval, count)
