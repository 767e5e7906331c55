"""
This module is a merchant at the simulated Stripe, whose payments change again and again.

Stripe itself delivers what happens, as badly as it was told to. What has to stand in Salesforce at the end
follows from what stands in Stripe, by rules that are written down here once more and not the product's.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import requests

from tests.stage import Stage

T = TypeVar("T")

KEY = "sk_test_sandbox"
DECLINES = (
    "pm_card_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedExpiredCard",
)
CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")
CURRENCIES = {"usd": 2, "eur": 2, "jpy": 0, "kwd": 3}  # with their decimals
SETTLED_IN = "usd"  # the simulated account's: only there is a fee in the payment's own currency
STATUS = {"succeeded": "Completed", "requires_payment_method": "Failed"}


@dataclass
class _Payment:
    intent: str
    charge: str  # the latest
    paid: bool
    lock: threading.Lock = field(default_factory=threading.Lock)


class Merchant:
    """Takes `payments` payments and lets them change `changes` times in all, by a seed that is printed."""

    def __init__(self, stage: Stage, *, payments: int, changes: int, seed: int) -> None:
        print(f"seed {seed}")
        self._stage = stage
        self._dice = random.Random(seed)
        self._changes = changes
        self._number = payments
        self._payments: list[_Payment] = []
        self._local = threading.local()
        self.declines = 0
        self._counting = threading.Lock()

    def trade(self, *, rate: float, threads: int = 6) -> None:
        """Take all payments, then let them change; about `rate` times a second."""
        with ThreadPoolExecutor(threads) as pool:
            openings = [
                {
                    "currency": self._dice.choice(tuple(CURRENCIES)),
                    "amount": 1000 * self._dice.randint(1, 90),  # a whole number of the coarsest coin
                    "payment_method": self._dice.choice(DECLINES),
                    "metadata[order_id]": f"order-{number}",
                }
                for number in range(self._number)
            ]
            self._payments = list(pool.map(self._open, _paced(openings, rate)))
            turns = [
                (self._dice.choice(self._payments), number, self._dice.random(), self._dice.random())
                for number in range(self._changes)
            ]
            list(pool.map(lambda turn: self._change(*turn), _paced(turns, rate)))

    def _open(self, given: Mapping[str, Any]) -> _Payment:
        methods = {"enabled": "true", "allow_redirects": "never"}
        intent = self.ask(
            "payment_intents",
            confirm="true",
            **{f"automatic_payment_methods[{name}]": value for name, value in methods.items()},
            **given,
        )["error"]["payment_intent"]
        self._declined()
        return _Payment(intent["id"], intent["latest_charge"], paid=False)

    def _change(self, payment: _Payment, number: int, luck: float, choice: float) -> None:
        with payment.lock:
            confirm = f"payment_intents/{payment.intent}/confirm"
            if payment.paid or luck < 0.5:
                self.ask(f"charges/{payment.charge}", **{"metadata[order_id]": f"changed-{number}"})
            elif luck < 0.85:
                card = DECLINES[int(choice * len(DECLINES))]
                intent = self.ask(confirm, payment_method=card)["error"]["payment_intent"]
                payment.charge = intent["latest_charge"]
                self._declined()
            else:
                card = CARDS[int(choice * len(CARDS))]
                payment.charge = self.ask(confirm, payment_method=card)["latest_charge"]
                payment.paid = True

    def _declined(self) -> None:
        with self._counting:
            self.declines += 1

    def ask(self, path: str, **data: Any) -> dict[str, Any]:
        """Post to Stripe as the merchant's own program would; a declined card is an answer."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        address = f"{self._stage.stripe}/v1/{path}"
        answer = self._local.session.post(address, data=data, auth=(KEY, ""), timeout=30)
        assert answer.status_code in {200, 402}, answer.text
        return dict(answer.json())


def _paced(things: Sequence[T], rate: float) -> Iterator[T]:
    """Yield `things`, about `rate` of them a second: a pool's `map` takes them as soon as they are there."""
    began = time.monotonic()
    for number, thing in enumerate(things):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield thing


def every(stage: Stage, path: str, *expand: str) -> Iterator[dict[str, Any]]:
    """Yield everything that a list of Stripe holds."""
    query: dict[str, Any] = {"limit": 100, "expand[]": [f"data.{name}" for name in expand]}
    while True:
        page = requests.get(f"{stage.stripe}/v1/{path}", params=query, auth=(KEY, ""), timeout=60).json()
        yield from page["data"]
        if not page["has_more"]:
            return
        query["starting_after"] = page["data"][-1]["id"]


def wrong_payments(stage: Stage, *, besides: str = "") -> list[str]:
    """
    Return how Salesforce's payments differ from Stripe's: missing, doubled, left over, not the newest.

    Those whose external ids begin with `besides` are others'.
    """
    charges = {charge["id"]: charge for charge in every(stage, "charges", "balance_transaction")}
    wanted = {
        intent["id"]: _wanted(intent, charges[intent["latest_charge"]])
        for intent in every(stage, "payment_intents")
    }
    told = stage.look("salesforce", "records", object="Payment__c")
    found = {record["External_ID__c"]: _shown(record) for record in told["records"]}
    wrong = [f"{name} is there {count} times" for name, count in told["duplicates"].items()]
    strange = found.keys() - wanted.keys()
    wrong += [f"{name} is nobody's" for name in strange if not besides or not name.startswith(besides)]
    for name, state in wanted.items():
        if found.get(name) != state:
            wrong.append(f"{name}: expected {state}, found {found.get(name)}")
    return wrong


def _wanted(intent: Mapping[str, Any], charge: Mapping[str, Any]) -> dict[str, Any]:
    decimals = CURRENCIES[intent["currency"]]
    balance = charge["balance_transaction"] if intent["currency"] == SETTLED_IN else None
    return {
        "Status__c": STATUS[intent["status"]],
        "Amount__c": Decimal(intent["amount"]).scaleb(-decimals),
        "Currency__c": intent["currency"].upper(),
        "Charge_ID__c": charge["id"],
        "Order_ID__c": charge["metadata"]["order_id"],
        "Failure_Code__c": charge["failure_code"],
        "Card_Last4__c": charge["payment_method_details"]["card"]["last4"],
        "Fee__c": None if balance is None else Decimal(balance["fee"]).scaleb(-decimals),
    }


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    money = {
        name: None if record[name] is None else Decimal(str(record[name])) for name in ("Amount__c", "Fee__c")
    }
    texts = ("Status__c", "Currency__c", "Charge_ID__c", "Order_ID__c", "Failure_Code__c", "Card_Last4__c")
    return {name: record[name] for name in texts} | money


def wrong_dunning(stage: Stage) -> list[str]:
    """Return which declined charges did not start dunning exactly once."""
    declined = [event["id"] for event in every(stage, "events") if event["type"] == "charge.failed"]
    runs = stage.look("salesforce", "flows", flow="Stripe_Dunning")["runs"]
    started = [json.loads(run["inputs"]["Payload"])["inputs"]["Event_ID"] for run in runs]
    wrong = [f"{event} is nobody's" for event in set(started) - set(declined)]
    wrong += [f"{event}: {started.count(event)} times" for event in declined if started.count(event) != 1]
    return wrong


def missing_events(stage: Stage) -> list[str]:
    """Return the events which Stripe was to deliver and that the inbox does not show exactly once."""
    (endpoint,) = every(stage, "webhook_endpoints")
    shown = Counter(event["external_id"] for event in stage.whole("events/"))
    to_deliver = [
        event["id"] for event in every(stage, "events") if event["type"] in endpoint["enabled_events"]
    ]
    return [f"{event}: {shown[event]} times" for event in to_deliver if shown[event] != 1]
