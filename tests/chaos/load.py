"""This module makes signed events of changing charges, delivers them, and remembers what was acknowledged."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import requests

from tests.stage import Stage, sign, until

STATUS = {"succeeded": "Completed", "failed": "Failed", "pending": "Pending"}
TYPES = {"succeeded": "charge.succeeded", "failed": "charge.failed", "pending": "charge.pending"}
PATIENCE = 120.0  # seconds for which one event is sent again


def a_charge_event(
    number: int, charge: str, created: int, amount: int, status: str, **metadata: str
) -> dict[str, Any]:
    """Return an event about a charge that belongs to no payment intent, so that it is its own root."""
    failed = status == "failed"
    return {
        "id": f"evt_chaos_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": created,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": TYPES[status],
        "data": {
            "object": {
                "id": charge,
                "object": "charge",
                "amount": amount,
                "amount_captured": 0 if failed else amount,
                "amount_refunded": 0,
                "balance_transaction": None,
                "billing_details": {"name": "Chaos", "email": None, "phone": None, "address": None},
                "captured": not failed,
                "created": created,
                "currency": "eur",
                "customer": None,
                "failure_code": "card_declined" if failed else None,
                "failure_message": "Your card was declined." if failed else None,
                "livemode": False,
                "metadata": {"order_id": f"order-{number}", **metadata},
                "paid": not failed,
                "payment_intent": None,
                "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}},
                "refunded": False,
                "status": status,
            }
        },
    }


def post(
    stage: Stage, body: bytes, *, at: float | None = None, session: requests.Session | None = None
) -> int:
    """Deliver an event, signed now or at another time, and return the answer's status; 0 if there is none."""
    headers = {"Stripe-Signature": sign(body, stage.secret, at=at), "Content-Type": "application/json"}
    try:
        return (session or requests).post(stage.hook, data=body, headers=headers, timeout=15).status_code
    except requests.RequestException:
        return 0


def dunned(stage: Stage) -> Counter[str]:
    """Return how often dunning was started for each event."""
    runs = stage.look("salesforce", "flows", flow="Stripe_Dunning")["runs"]
    return Counter(json.loads(run["inputs"]["Payload"])["inputs"]["Event_ID"] for run in runs)


def arrives(stage: Stage, charge: str, *, seconds: float, clock: int = 0) -> float:
    """
    Deliver one payment and return after how many seconds it stands in Salesforce.

    :raises AssertionError: if that takes longer than `seconds`
    """
    load = Load(charges=1, events=1, seed=1, prefix=charge, clock=clock)
    began = time.monotonic()
    load.deliver(stage, rate=10, threads=1)
    until(
        lambda: any(record["External_ID__c"] == f"{charge}_0" for record in stage.records()),
        seconds=seconds - (time.monotonic() - began),
        what=f"{charge} stands in Salesforce",
    )
    return time.monotonic() - began


@dataclass
class Load:
    """
    Events of `charges` charges that change every second of their own time.

    Some are doubled, some arrive late, by a seed that is printed.
    """

    charges: int
    events: int
    seed: int
    duplicates: float = 0.05
    disorder: float = 0.10
    prefix: str = "ch_chaos"
    each_its_own: bool = False  # as many charges as events, one each
    clock: int = 0  # seconds by which the clock is wrong of whom they are delivered to
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)  # by status; 0: none
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        print(f"seed {self.seed}")
        dice = random.Random(self.seed)
        began = int(time.time()) - 10 * self.events
        ages: dict[str, int] = defaultdict(int)
        for number in range(self.events):
            place = number if self.each_its_own else dice.randrange(self.charges)
            charge = f"{self.prefix}_{place}"
            ages[charge] += 2
            status = dice.choice(tuple(STATUS))
            event = a_charge_event(number, charge, began + ages[charge], 100 + number, status)
            event["id"] = f"evt_{self.prefix}_{self.seed}_{number}"
            self.newest[charge] = event
            self.deliveries.append(event)
            if dice.random() < self.duplicates:
                self.deliveries.append(event)
        for place in range(len(self.deliveries) - 1):
            if dice.random() < self.disorder:
                other = min(len(self.deliveries) - 1, place + dice.randint(1, 40))
                self.deliveries[place], self.deliveries[other] = (
                    self.deliveries[other],
                    self.deliveries[place],
                )

    def deliver(self, stage: Stage, *, rate: float, threads: int = 8) -> None:
        """Post every delivery at about `rate` a second, each until it is acknowledged."""
        began = time.monotonic()
        local = threading.local()

        def send(numbered: tuple[int, Mapping[str, Any]]) -> None:
            number, event = numbered
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            body = json.dumps(event).encode()
            ends = time.monotonic() + PATIENCE
            while time.monotonic() < ends:  # as Stripe does, until a 2xx
                if self._posted(stage, local, body):
                    with self._lock:
                        self.acknowledged.add(str(event["id"]))
                    return
                time.sleep(0.25)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(send, enumerate(self.deliveries)))

    def _posted(self, stage: Stage, local: threading.local, body: bytes) -> bool:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        status = post(stage, body, at=time.time() + self.clock, session=local.session)
        with self._lock:
            self.answers[status] += 1
        return status == requests.codes.ok

    def wrong_records(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return what is wrong with the records of this load: missing, doubled, or not the newest."""
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for record in records:
            found[str(record["External_ID__c"])].append(record)
        return [
            f"{charge}: expected {_shown_event(event)}, found {[_shown(r) for r in found[charge]]}"
            for charge, event in self.newest.items()
            if [_shown(record) for record in found[charge]] != [_shown_event(event)]
        ]


def _shown_event(event: Mapping[str, Any]) -> tuple[str, Decimal, str]:
    charge = event["data"]["object"]
    return STATUS[charge["status"]], Decimal(charge["amount"]).scaleb(-2), charge["metadata"]["order_id"]


def _shown(record: Mapping[str, Any]) -> tuple[str, Decimal, str]:
    return record["Status__c"], Decimal(str(record["Amount__c"])), record["Order_ID__c"]
