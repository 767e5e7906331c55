"""This module begins the periods of a subscription anew, and bills them at once."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, invoicing, periods, proration, subscription_changes
from connectors.sandbox.stripe.forms import choice

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller


def is_now(anchor: Any) -> bool:
    """
    Say whether a request wants the billing cycle to begin now; since endive it is told by an object.

    :raises ApiError: 400 for anything but `now` and `unchanged`
    """
    if anchor is None:
        return False
    wanted = anchor.get("type") if isinstance(anchor, dict) else anchor
    return choice("billing_cycle_anchor", wanted, ("now", "unchanged")) == "now"


def span(subscription: dict[str, Any], item: dict[str, Any], at: int) -> tuple[int, int]:
    """Return the whole period of an item, by the anchor of its subscription, that a moment lies in."""
    recurring = item["price"]["recurring"]
    anchor = subscription["billing_cycle_anchor"]
    return periods.period(anchor, recurring["interval"], recurring["interval_count"], at=at)


def restart(caller: Caller, subscription: dict[str, Any], *, behavior: str) -> dict[str, Any]:
    """
    Let the periods of all items begin in this second and invoice them; unused time is given back.

    The invoice is returned, collected already where it could be.
    """
    names = ("billing_cycle_anchor", "items", "latest_invoice")
    before = copy.deepcopy({name: subscription[name] for name in names})
    if behavior != "none":
        for item in subscription["items"]["data"]:
            proration.give_back(caller, subscription, item)
    subscription["billing_cycle_anchor"] = caller.now
    items = subscription["items"]["data"]
    for item in items:
        item["current_period_start"], item["current_period_end"] = span(subscription, item, caller.now)
    invoice = billing.bill_items(caller, subscription, items, "subscription_update")
    subscription["latest_invoice"] = invoice["id"]
    subscription_changes.tell(caller, subscription, before)
    invoicing.finalize(caller, invoice)
    if invoice["status"] == "open":
        billing.collect_by_itself(caller, invoice)
    return invoice
