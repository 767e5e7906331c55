"""
This module says what must hold of a world that has come to rest, whichever rig played it.

It asks the outside only: what Stripe's newest state is, what stands in the org, how often each effect
happened, and what fate the inbox shows of each event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tests.simulation.org import Org
from tests.simulation.stripe import ACCOUNT_ID, LINES, Stripe


class Broken(AssertionError):
    """A promise was not kept."""


def records(stripe: Stripe, org: Org, *, besides: str = "") -> list[str]:
    """
    Return how the org's payments differ from Stripe's newest state: one record each, with that state.

    The payment `besides` is left out.
    """
    wrong = []
    wanted = {
        f"Payment__c:{payment}": (change.amount, change.status)
        for payment, change in stripe.newest().items()
        if payment != besides
    }
    found = {target: record for target, record in org.records.items() if target.startswith("Payment__c:")}
    for target in sorted(wanted.keys() | found.keys()):
        if target not in found or target not in wanted:
            wrong.append(f"{target} is {'missing' if target in wanted else 'one too many'}")
            continue
        shown = (found[target]["Amount__c"], found[target]["Status__c"])
        if shown != wanted[target]:
            wrong.append(f"{target} shows {shown}, and the truth is {wanted[target]}")
    return wrong


def shared(stripe: Stripe, org: Org, *, besides: str = "") -> list[str]:
    """
    Return how the Account differs from what the payment that was made last says of it.

    The payment `besides` is left out.
    """
    wanted = stripe.last_made(besides=besides)
    found = org.records[f"Account:{ACCOUNT_ID}"]
    shown = (found.get("Amount__c"), found.get("Status__c"))
    if wanted is None or shown == (wanted.amount, wanted.status):
        return []
    return [f"The Account shows {shown}, and the last payment is {wanted.amount, wanted.status}"]


def lines(stripe: Stripe, org: Org, *, besides: str = "") -> list[str]:
    """
    Return how the org's lines differ from those of the payments; one that the org refuses is left out.

    The payment `besides` is left out.
    """
    wrong = []
    for payment, change in stripe.newest().items():
        for number in LINES if payment != besides else ():
            name = f"li_{payment[3:]}_{number}"
            shown = org.records.get(f"Line__c:{name}", {}).get("Amount__c")
            if name != org.refused and shown != change.amount:
                wrong.append(f"{name} shows {shown}, and the truth is {change.amount}")
    return wrong


def effects(stripe: Stripe, org: Org, *, history: Collection[str] = ()) -> list[str]:
    """Return which failures did not start the Flow exactly once, or started it although they are history."""
    wrong = []
    for event in stripe.events:
        wanted = int(event.failed and event.id not in history)
        if org.made[event.id] != wanted:
            wrong.append(f"{event.id} started the Flow {org.made[event.id]} times, not {wanted}")
    return wrong


def fates(
    stripe: Stripe,
    shown: Mapping[str, str],
    *,
    culprits: Collection[str] = (),
    refused: Collection[str] = (),
) -> list[str]:
    """Return which events have no end, one that a passing fault must not lead to, or stand there unasked."""
    wrong = [f"{event.id} is not in the inbox" for event in stripe.events if event.id not in shown]
    known = {event.id for event in stripe.events}
    for event_id, fate in sorted(shown.items()):
        if event_id not in known:
            wrong.append(f"{event_id} stands in the inbox, and Stripe knows nothing of it")
            continue
        ends = {"dead"} if event_id in culprits else {"applied", "superseded"}
        if event_id in refused:  # a part of it always fails
            ends |= {"dead"}
        if fate not in ends:
            wrong.append(f"{event_id} ended as {fate}")
    return wrong
