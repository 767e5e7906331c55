"""This module changes subscriptions, by itself or because an invoice was paid or refused."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.printing import told
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.stripe.state import Caller

PAYABLE = frozenset({"incomplete", "past_due", "unpaid"})


def change(caller: Caller, subscription: dict[str, Any], after: Mapping[str, Any]) -> None:
    """Change a subscription and tell about it, if anything is different."""
    before = {name: copy.deepcopy(subscription[name]) for name in after}
    subscription |= after
    tell(caller, subscription, before)


def tell(caller: Caller, subscription: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Tell that a subscription was changed, by what its fields were before."""
    after = {name: subscription[name] for name in before}
    if changes(dict(before), after):
        previous = changes(told(dict(before)), told(after))
        emit(caller, Occurrence("customer.subscription.updated", subscription, previous))


def of_invoice(caller: Caller, invoice: dict[str, Any]) -> dict[str, Any] | None:
    """Return the subscription that an invoice is for, if any."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return caller.state.subscriptions.get(details.get("subscription") or "")


def pause(caller: Caller, subscription: dict[str, Any], *, reason: str) -> None:
    """Let a subscription rest: it renews and bills nothing until it is resumed."""
    paused = {"subscription": {"type": reason}, "transitioned_at": caller.now, "type": "subscription"}
    change(caller, subscription, {"status": "paused", "status_details": {"paused": paused}})
    emit(caller, Occurrence("customer.subscription.paused", subscription))


def wake(caller: Caller, subscription: dict[str, Any]) -> None:
    """Make a paused subscription active again."""
    change(caller, subscription, {"status": "active", "status_details": None})
    emit(caller, Occurrence("customer.subscription.resumed", subscription))


def paid(caller: Caller, invoice: dict[str, Any]) -> None:
    """Make the subscription active that waited for this payment."""
    subscription = of_invoice(caller, invoice)
    if subscription is None or subscription["latest_invoice"] not in {None, invoice["id"]}:
        return
    if invoice["id"] in caller.state.resumptions and subscription["status"] == "paused":
        wake(caller, subscription)
    elif subscription["status"] in PAYABLE:
        change(caller, subscription, {"status": "active", **_saved_method(caller, subscription, invoice)})


def refused(caller: Caller, invoice: dict[str, Any]) -> None:
    """Make the subscription past due whose renewal was not paid; a first payment leaves it incomplete."""
    subscription = of_invoice(caller, invoice)
    if subscription is not None and subscription["status"] == "active":
        change(caller, subscription, {"status": "past_due"})


def _saved_method(caller: Caller, subscription: dict[str, Any], invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the payment method as the subscription's own, where it is to be saved from its first payment."""
    saves = subscription["payment_settings"]["save_default_payment_method"] == "on_subscription"
    intent = caller.state.payment_intents.get(caller.state.intent_of.get(invoice["id"], ""))
    if not saves or intent is None or subscription["default_payment_method"]:
        return {}
    return {"default_payment_method": intent["payment_method"]}
