"""This module lets time pass for subscriptions: trials end, periods renew, invoices are collected."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    invoice_items,
    invoice_lines,
    invoicing,
    periods,
    schedule_ends,
    subscription_changes,
)
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.invoicing import Bill
from connectors.sandbox.stripe.state import Caller, Occurrence, emit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.stripe.agenda import Agenda

DAY = 86_400
TO_PAY_FIRST = 23 * 3600  # until a subscription whose first invoice is not paid expires
WARNING = 3 * DAY  # before a trial ends
RETRIES = (3 * DAY, 5 * DAY, 7 * DAY)  # after each refusal; then the subscription ends
RUNNING = frozenset({"active", "past_due", "trialing", "unpaid"})


def begin(caller: Caller, subscription: dict[str, Any]) -> None:
    """Let time pass for a new subscription."""
    if subscription["status"] == "trialing":
        warn_at = max(caller.now, subscription["trial_end"] - WARNING)
        later(caller, subscription, warn_at, lambda late: _warn_of_trial_end(late, subscription))
    follow(caller, subscription)


def follow(caller: Caller, subscription: dict[str, Any]) -> None:
    """Come back to a subscription when the next thing is due."""
    moment = next_moment(subscription)
    if moment is not None:
        later(caller, subscription, moment, lambda late: _pass(late, subscription))


def next_moment(subscription: dict[str, Any]) -> int | None:
    """Return the second in which something is due, or None once all is over."""
    if subscription["status"] == "incomplete":
        return int(subscription["created"]) + TO_PAY_FIRST
    if subscription["status"] not in RUNNING:
        return None
    pause = subscription["pause_collection"] or {}
    moments = (period_end(subscription), subscription["cancel_at"], pause.get("resumes_at"))
    return min(moment for moment in moments if moment is not None)


def period_end(subscription: dict[str, Any]) -> int:
    """Return the end of the earliest period among the items."""
    return int(min(item["current_period_end"] for item in subscription["items"]["data"]))


def bill_items(
    caller: Caller,
    subscription: dict[str, Any],
    items: list[dict[str, Any]],
    reason: str,
    *,
    finalizes_at: int | None = None,
    starts: Mapping[str, int] | None = None,
    free: bool = False,
) -> dict[str, Any]:
    """
    Make the draft for the current period of items, with the invoice items that were waiting.

    `starts` tells, by the id of the item, when the whole period began of which only the rest is billed.
    """
    free = free or subscription["status"] == "trialing"
    begun = starts or {}
    customer = caller.find(caller.state.customers, subscription["customer"])
    invoice = invoicing.draft(
        caller,
        Bill(
            customer=customer,
            reason=reason,
            currency=subscription["currency"],
            lines=[
                invoice_lines.of_subscription_item(caller, item, free=free, begun=begun.get(item["id"]))
                for item in items
            ],
            subscription=subscription,
            finalizes_at=finalizes_at,
        ),
    )
    waiting = invoice_items.pending(caller, customer["id"], subscription=subscription["id"])
    invoice_items.attach(caller, invoice, waiting)
    return invoice


def end(caller: Caller, subscription: dict[str, Any], *, reason: str | None = None) -> None:
    """End a subscription for good."""
    subscription |= {
        "canceled_at": subscription["canceled_at"] or caller.now,
        "ended_at": caller.now,
        "pause_collection": None,
        "status": "canceled",
    }
    if reason:
        subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": reason}
    emit(caller, Occurrence("customer.subscription.deleted", subscription))
    schedule_ends.follow(caller, subscription, delinquent=reason == "payment_failed")


def collect_by_itself(caller: Caller, invoice: dict[str, Any]) -> None:
    """Charge an open invoice as Stripe does by itself, or send it; after a refusal again, then never."""
    if invoice["collection_method"] != "charge_automatically":
        invoicing.send(caller, invoice)
        return
    try:
        invoicing.collect(caller, invoice)
    except ApiError:
        _after_refusal(caller, invoice)


def collect_when_due(caller: Caller, invoice: dict[str, Any]) -> None:
    """Finalize a draft and collect it when its hour has come."""

    def act(by_itself: Caller) -> None:
        if invoice["status"] == "draft" and invoice["auto_advance"]:
            invoicing.finalize(by_itself, invoice)
            if invoice["status"] == "open":
                collect_by_itself(by_itself, invoice)

    later(caller, invoice, invoice["automatically_finalizes_at"], act)


def agenda_of(caller: Caller, thing: dict[str, Any]) -> Agenda:
    """Return what is to be done by the clock of an object: its test clock, or everybody's."""
    own = caller.state.clock_agendas.get(thing["test_clock"] or "")
    return caller.state.agenda if own is None else own


def later(
    caller: Caller,
    thing: dict[str, Any],
    moment: int,
    act: Callable[[Caller], None],
    *,
    first: bool = False,
) -> None:
    """Do `act` at a moment of the object's clock, as Stripe itself and in that very second."""
    agenda_of(caller, thing).at(moment, lambda: act(caller.automatic().at(moment)), first=first)


def _pass(caller: Caller, subscription: dict[str, Any]) -> None:
    if next_moment(subscription) != caller.now or caller.state.subscriptions.get(subscription["id"]) is None:
        return  # it was changed meanwhile, and has another moment
    pause = subscription["pause_collection"] or {}
    if subscription["status"] == "incomplete":
        _expire(caller, subscription)
    elif subscription["cancel_at"] == caller.now:
        end(caller, subscription)
    elif pause.get("resumes_at") == caller.now:
        subscription_changes.change(caller, subscription, {"pause_collection": None})
    else:
        renew(caller, subscription)
    follow(caller, subscription)


def renew(caller: Caller, subscription: dict[str, Any]) -> None:
    """Begin the next period of the items whose period is over, and bill it."""
    if subscription["status"] == "trialing" and _leave_unpayable(caller, subscription):
        return
    before = copy.deepcopy({name: subscription[name] for name in ("items", "latest_invoice", "status")})
    due = [item for item in subscription["items"]["data"] if item["current_period_end"] <= caller.now]
    for item in due:
        recurring = item["price"]["recurring"]
        item["current_period_start"], item["current_period_end"] = periods.period(
            subscription["billing_cycle_anchor"],
            recurring["interval"],
            recurring["interval_count"],
            at=caller.now,
        )
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    finalizes_at = caller.now + int(caller.state.settings.draft_seconds)
    invoice = bill_items(caller, subscription, due, "subscription_cycle", finalizes_at=finalizes_at)
    subscription["latest_invoice"] = invoice["id"]
    subscription_changes.tell(caller, subscription, before)
    pause = subscription["pause_collection"]
    if pause is None:
        collect_when_due(caller, invoice)
    else:
        _while_paused(caller, invoice, pause["behavior"])


def _leave_unpayable(caller: Caller, subscription: dict[str, Any]) -> bool:
    """Cancel or pause a subscription whose trial ends without a payment method, if that is wished."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behavior == "create_invoice" or subscription["collection_method"] == "send_invoice":
        return False
    known = {**subscription, "parent": None}
    try:
        invoicing.payment_method_of(caller, known)
    except ApiError:
        if behavior == "cancel":
            end(caller, subscription)
        else:
            subscription_changes.pause(caller, subscription, reason="trial_end_without_payment_method")
        return True
    return False


def _while_paused(caller: Caller, invoice: dict[str, Any], behavior: str) -> None:
    invoice |= {"auto_advance": False, "automatically_finalizes_at": None}
    if behavior == "keep_as_draft":
        return
    invoicing.finalize(caller, invoice)
    if invoice["status"] == "open":
        leave = invoicing.void if behavior == "void" else invoicing.give_up
        leave(caller, invoice)


def _expire(caller: Caller, subscription: dict[str, Any]) -> None:
    invoice = caller.state.invoices.get(subscription["latest_invoice"] or "")
    if invoice is not None and invoice["status"] == "open":
        invoicing.void(caller, invoice)
    after = {"status": "incomplete_expired", "ended_at": caller.now}
    subscription_changes.change(caller, subscription, after)


def _warn_of_trial_end(caller: Caller, subscription: dict[str, Any]) -> None:
    # A trial that was made longer meanwhile has another moment.
    if subscription["status"] == "trialing" and caller.now >= subscription["trial_end"] - WARNING:
        emit(caller, Occurrence("customer.subscription.trial_will_end", subscription))


def _after_refusal(caller: Caller, invoice: dict[str, Any]) -> None:
    subscription = subscription_changes.of_invoice(caller, invoice)
    if subscription is None or subscription["status"] not in RUNNING:
        return
    if invoice["attempt_count"] > len(RETRIES):
        end(caller, subscription, reason="payment_failed")
        return
    moment = caller.now + RETRIES[invoice["attempt_count"] - 1]
    invoice["next_payment_attempt"] = moment

    def again(by_itself: Caller) -> None:
        if invoice["status"] == "open" and invoice["next_payment_attempt"] == moment:
            collect_by_itself(by_itself, invoice)

    later(caller, invoice, moment, again)
