"""This module changes the items of a subscription in the middle of a period, and prorates what that costs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    billing,
    invoice_items,
    invoice_lines,
    invoicing,
    periods,
    subscription_changes,
    subscription_items,
)
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.invoicing import Bill

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller


def change_items(
    caller: Caller,
    subscription: dict[str, Any],
    described: list[dict[str, Any]],
    behavior: str,
    *,
    at: int | None = None,
) -> None:
    """
    Change, add and delete items; `behavior` says what becomes of the difference, `at` since when.

    :raises ApiError: 400 for an item or a price that there is not, or if no item would remain
    """
    moment = _moment(caller, subscription, at)
    before = copy.deepcopy({name: subscription[name] for name in ("items", "latest_invoice")})
    prorates = behavior != "none" and subscription["status"] not in {"paused", "trialing"}
    for wanted in described:
        _change_item(caller, subscription, wanted, at=moment if prorates else None)
    if behavior == "always_invoice" and prorates:
        invoice_at_once(caller, subscription)
    subscription_changes.tell(caller, subscription, before)


def give_back(
    caller: Caller, subscription: dict[str, Any], item: dict[str, Any], *, at: int | None = None
) -> None:
    """Credit the time of an item that is unused, since a moment, to the next invoice."""
    _prorate(caller, subscription, item, sign=-1, at=caller.now if at is None else at)


def charge_rest(caller: Caller, subscription: dict[str, Any], item: dict[str, Any]) -> None:
    """Charge what is left of the current period of an item with the next invoice."""
    _prorate(caller, subscription, item, sign=1, at=caller.now)


def invoice_at_once(caller: Caller, subscription: dict[str, Any]) -> None:
    """Invoice what waits for the subscription, and collect it; nothing if nothing waits."""
    waiting = invoice_items.pending(caller, subscription["customer"], subscription=subscription["id"])
    if not waiting:
        return
    customer = caller.find(caller.state.customers, subscription["customer"])
    invoice = invoicing.draft(
        caller,
        Bill(
            customer=customer,
            reason="subscription_update",
            currency=subscription["currency"],
            subscription=subscription,
        ),
    )
    invoice_items.attach(caller, invoice, waiting)
    subscription["latest_invoice"] = invoice["id"]
    invoicing.finalize(caller, invoice)
    if invoice["status"] == "open":
        billing.collect_by_itself(caller, invoice)


def _moment(caller: Caller, subscription: dict[str, Any], at: int | None) -> int:
    """Return since when a change counts: now, or a moment of the current period."""
    if at is None:
        return caller.now
    items = subscription["items"]["data"]
    first = max(item["current_period_start"] for item in items)
    last = min(item["current_period_end"] for item in items)
    if not first <= at <= last:
        raise invalid(
            "Cannot specify a proration date outside of the current billing period.", param="proration_date"
        )
    return at


def _change_item(
    caller: Caller, subscription: dict[str, Any], wanted: dict[str, Any], *, at: int | None
) -> None:
    """Change one item; without a moment nothing is prorated."""
    items = subscription["items"]["data"]
    if "id" not in wanted:
        if len(items) >= subscription_items.MOST:
            raise invalid("A subscription has 1 to 20 items.", param="items")
        price = subscription_items.price_of(caller, wanted)
        _same_currency(subscription, price)
        added = subscription_items.make(
            caller, subscription["id"], wanted, price, _span(caller, subscription, price)
        )
        items.append(added)
        if at is not None:
            _prorate(caller, subscription, added, sign=1, at=at)
        return
    item = next((item for item in items if item["id"] == wanted["id"]), None)
    if item is None:
        raise invalid(f"No such subscription item: '{wanted['id']}'", param="items", code="resource_missing")
    old = copy.deepcopy(item)
    if wanted.get("deleted") == "true":
        _delete(caller, subscription, item)
        if at is not None:
            give_back(caller, subscription, old, at=at)
        return
    _alter(caller, subscription, item, wanted)
    differs = (old["price"]["id"], old["quantity"]) != (item["price"]["id"], item["quantity"])
    if at is not None and differs:
        give_back(caller, subscription, old, at=at)
        _prorate(caller, subscription, item, sign=1, at=at)


def _alter(
    caller: Caller, subscription: dict[str, Any], item: dict[str, Any], wanted: dict[str, Any]
) -> None:
    if "quantity" in wanted:
        item["quantity"] = subscription_items.quantity_of(wanted)
    if "metadata" in wanted:
        change = subscription_items.check_metadata(wanted)
        item["metadata"] = merge_metadata(item["metadata"], change)
    if not {"price", "price_data"} & set(wanted):
        return
    price = subscription_items.price_of(caller, wanted)
    _same_currency(subscription, price)
    other = price["recurring"] != item["price"]["recurring"]
    subscription_items.use(item, price)
    if other and subscription["status"] != "trialing":
        item["current_period_start"], item["current_period_end"] = _span(caller, subscription, price)


def _same_currency(subscription: dict[str, Any], price: dict[str, Any]) -> None:
    if price["currency"] != subscription["currency"]:
        raise invalid("All prices of a subscription must have the same currency.", param="items")


def _delete(caller: Caller, subscription: dict[str, Any], item: dict[str, Any]) -> None:
    items = subscription["items"]["data"]
    if len(items) == 1:
        raise invalid("A subscription must have at least one active plan.", param="items")
    items.remove(item)
    caller.state.subscription_items.remove(item["id"])


def _span(caller: Caller, subscription: dict[str, Any], price: dict[str, Any]) -> tuple[int, int]:
    if subscription["status"] == "trialing":
        return subscription["trial_start"], subscription["trial_end"]
    first = subscription["items"]["data"][0]
    if first["current_period_end"] <= caller.now:
        # It renews in this very second: the renewal begins the period of what is changed just before.
        return first["current_period_start"], first["current_period_end"]
    recurring = price["recurring"]
    return periods.period(
        subscription["billing_cycle_anchor"],
        recurring["interval"],
        recurring["interval_count"],
        at=caller.now,
    )


def _prorate(
    caller: Caller, subscription: dict[str, Any], item: dict[str, Any], *, sign: int, at: int
) -> None:
    price, quantity = item["price"], item["quantity"]
    start, end = item["current_period_start"], item["current_period_end"]
    if at >= end:
        return  # nothing of the period is left
    amount = sign * invoice_lines.share(price["unit_amount"] * quantity, start=start, end=end, at=at)
    name = (caller.state.products.get(price["product"]) or {}).get("name", "")
    details = {"subscription": subscription["id"], "subscription_item": item["id"]}
    invoice_items.make(
        caller,
        subscription["customer"],
        {
            "amount": amount,
            "currency": price["currency"],
            "description": f"{'Remaining' if sign > 0 else 'Unused'} time on {quantity} × {name}",
            "parent": {"subscription_details": details, "type": "subscription_details"},
            "period": {"start": at, "end": end},
            "pricing": invoice_lines.pricing(price),
            "proration": True,
            "quantity": quantity,
        },
    )
