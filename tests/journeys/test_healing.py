"""
This module injects failures that can be recovered from, drawn by a seed, and counts what heals by itself.

The goal is four of five; what is left waits for a person, and nothing is ever written or charged twice.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from flows import mending
from flows.mending import Approval
from flows.models import DeadLetter, Mending, Run
from tests.journeys.bridge import Bridge

SEED, PAYMENTS, ROUNDS = 20_261_130, 20, 8
GOAL = 0.8
WRITES = "/sobjects/"
ORDER = "order " * 10


def refused(code: str, message: str, *fields: str) -> dict[str, Any]:
    body = json.dumps([{"errorCode": code, "message": message, "fields": fields}])
    return {"kind": "before", "params": {"status": 400, "body": body}}


TOO_LONG = refused("STRING_TOO_LONG", f"{ORDER}: data value too large (max length=40)", "Order_ID__c")


FAULTS: dict[str, dict[str, Any]] = {
    "unavailable": {"kind": "before", "params": {"status": 503}},
    "server error": {"kind": "before", "params": {"status": 500}},
    "a page of a proxy": {"kind": "garbage"},
    "line cut": {"kind": "reset"},
    "answer lost": {"kind": "after"},
    "answer cut": {"kind": "partial"},
    "said to have failed": {"kind": "after_status", "params": {"status": 500}},
    "too many calls at once": refused("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."),
    "somebody else made it just now": refused(
        "DUPLICATE_VALUE",
        "duplicate value found: External_ID__c duplicates value on record with id: a0B000000000001",
    ),
    "limits of the org's code": refused(
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.LimitException: Apex CPU time limit exceeded"
    ),
}


@dataclass
class Tried:
    """What was injected, and for which payment."""

    fault: str
    payment: str


def pay(bridge: Bridge, **values: Any) -> str:
    intent = bridge.pay(**values)
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    return str(intent["id"])


def locked(bridge: Bridge) -> str:
    payment = pay(bridge)
    bridge.salesforce.turn("locks", object="Payment__c", external_id=payment, times=1)
    return payment


def ended_session(bridge: Bridge) -> str:
    bridge.salesforce.turn("sessions", method="DELETE")
    return pay(bridge)


def broken(how: dict[str, Any], **values: Any) -> Callable[[Bridge], str]:
    def inject(bridge: Bridge) -> str:
        bridge.salesforce.break_calls(how["kind"], WRITES, times=1, params=how.get("params", {}))
        return pay(bridge, **values)

    return inject


too_long = broken(TOO_LONG, **{"metadata[order_id]": ORDER})
INJECTIONS: dict[str, Callable[[Bridge], str]] = {
    **{name: broken(how) for name, how in FAULTS.items()},
    "a locked row": locked,
    "the session ended": ended_session,
    "a text that is too long": too_long,
}


@pytest.fixture
def kept_fix(bridge: Bridge) -> None:
    """Let an operator have approved once that a text which is too long is cut, and have kept that."""
    too_long(bridge)
    bridge.drain()
    letter = DeadLetter.objects.get()
    mending.approve(letter=letter, approval=Approval(keep=True), actor="otto", now=timezone.now())
    bridge.drain()


@pytest.mark.usefixtures("kept_fix")
def test_four_of_five_failures_heal_without_a_person_and_nothing_is_done_twice(
    bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(SEED)
    kinds = [*INJECTIONS, *dice.choices([*INJECTIONS], k=PAYMENTS - len(INJECTIONS))]
    dice.shuffle(kinds)
    tried = []
    for kind in kinds:
        tried.append(Tried(kind, INJECTIONS[kind](bridge)))
        bridge.turn()
    for _ in range(ROUNDS):
        bridge.hasten()
        bridge.drain()

    payments = bridge.payments()  # which fails if one is there twice
    healed = [one for one in tried if payments.get(one.payment, {}).get("Status__c") == "Completed"]
    left = Counter(one.fault for one in tried if one not in healed)
    with capsys.disabled():
        print(f"\nHealed without a person: {len(healed)} of {len(tried)}; left: {dict(left)}")
    assert len(healed) >= GOAL * len(tried)
    assert len(payments) == len(healed) + 1  # that of the approval
    assert DeadLetter.objects.unresolved().count() == len(tried) - len(healed)
    assert Run.objects.filter(state__in=["ready", "retrying", "waiting"]).count() == 0
    charges = bridge.ask("GET", "/v1/charges", limit=100)["data"]
    assert len(charges) == len({charge["payment_intent"] for charge in charges}) == len(tried) + 1
    assert Mending.objects.exclude(saved_fix=None).exists()
    assert all(fault["fired"] for fault in bridge.salesforce.look("faults")["faults"])
