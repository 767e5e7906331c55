"""
This module is an installation in which much has been left undone, with all of its real processes.

Web, workers, watch, both simulated systems, a Redis that can be stopped and a mail server that is not there
yet. What a test acts upon is real: payments that the org refuses while its rules stand, customers who are
like accounts of the org, and two accounts of one customer with everything that belongs to one of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.lookalikes import World
from tests.benchmarks.records import Caller
from tests.chaos.own_redis import OwnRedis, own_redis
from tests.integration.monitoring.mail_server import HOST, Letterbox, listening
from tests.stage import Stage, free_port, until

STRIPE_KEY = "sk_test_sandbox"  # that the simulated Stripe knows from its start
PEOPLE = 304  # customers of whom a person is asked who they are
# Orders of these are refused until the org's rules are taken away, as many of each.
REFUSED = {"north": 60, "south": 90}
OF_THE_TWIN = 2  # events: it is made, and changed
LONG, LONGEST = 40, 60  # payments whose order id is too long, and how long the org takes it
OBJECTS = (
    "Contact", "Opportunity", "Order", "Case", "Task", "Contract",
    "Stripe_Customer__c", "Payment__c", "Subscription_Contract__c",
)  # fmt: skip


class Workday(Stage):
    """The processes, and everything that waits to be done when the test begins."""

    def __init__(self, folder: Path, redis: OwnRedis, *, postgresql: bool) -> None:
        super().__init__(folder, postgresql=postgresql, redis_url=redis.address, workers=1)
        self.redis, self.mail_port = redis, free_port()
        self.letterbox = Letterbox()
        self._mail = ExitStack()
        self.env |= {"EMAIL_URL": f"smtp://{HOST}:{self.mail_port}", "INTEGRATOR_SANDBOX": "1"}
        self.left: dict[str, Any] = {}
        self.paid: dict[str, str] = {}  # ids of payments, by order
        self.people: list[dict[str, str]] = []  # with the account that each is like
        self.asked: dict[str, dict[str, str]] = {}  # the same, by their ids at Stripe
        self.twin = ""  # a customer who has two accounts
        self.kept = self.gone = ""  # the accounts

    # What waits

    def bootstrap(self, *flags: str) -> dict[str, Any]:
        """Connect both systems, and leave behind what a person has to see to, before anybody works."""
        made = super().bootstrap(*flags)
        self._make_difficult()
        self.people = self._accounts()
        self._twins()
        told = self.python(
            "import json; from tests.browser import backlog; print(json.dumps(backlog.fill()))"
        )
        self.left = json.loads(told.splitlines()[-1])
        return made

    def _make_difficult(self) -> None:
        for word in REFUSED:
            self.refuse(word)
        self.turn("salesforce", "fields", object="Payment__c", field="Order_ID__c", length=LONGEST)

    def refuse(self, word: str, field: str = "Order_ID__c") -> None:
        """Let the org refuse orders of a word, as if a field were wrong."""
        self.turn(
            "salesforce", "rules", object="Payment__c", field="Order_ID__c", operator="contains", value=word,
            message=f"Orders of the {word} need a region.", error_field=field,
        )  # fmt: skip

    def _accounts(self) -> list[dict[str, str]]:
        """Put accounts into the org whom customers will be like, and return those customers."""
        people = [one for one in World(17).customers(2 * PEOPLE) if one["phone"] and one["line1"]][:PEOPLE]
        accounts = self.org.create("Account", [_account(one) for one in people])
        return [one | {"account": id} for one, id in zip(people, accounts, strict=True)]

    def _twins(self) -> None:
        """Let one customer have two accounts, and let one of these have everything that an account may."""
        told = {
            "name": "Quillfeather Maritime Ltd",
            "phone": "+44 20 7946 0851",
            "line1": "9 Harbour Row",
            "postal": "SE1 9GF",
            "city": "London",
            "country": "GB",
            "domain": "quillfeather.example",
        }
        self.told = {**told, "email": "office@quillfeather.example"}
        lost = _account({**told, "name": "Quillfeather Maritime"})
        kept = {**_account(told), "Phone": None, "Site": None, "Description": "Knows our captain"}
        self.kept, self.gone = self.org.create("Account", [kept, lost])
        for name, rows in self._belongings(self.gone).items():
            self.org.create(name, rows)

    @staticmethod
    def _belongings(account: str) -> Mapping[str, list[dict[str, Any]]]:
        day = "2026-11-01"
        return {
            "Contact": [{"LastName": f"Sailor {one}", "AccountId": account} for one in range(3)],
            "Opportunity": [
                {"Name": "Sails", "StageName": "Prospecting", "CloseDate": day, "AccountId": account}
            ],
            "Order": [{"AccountId": account, "EffectiveDate": day, "Status": "Draft"}],
            "Case": [{"Subject": "Leaks", "AccountId": account}],
            "Task": [{"Subject": "Call back", "WhatId": account}],
            "Contract": [{"AccountId": account}],
            "Stripe_Customer__c": [{"Name": "An older customer", "Account__c": account}],
            "Payment__c": [{"Name": "By hand", "Account__c": account}],
            "Subscription_Contract__c": [{"Name": "Yearly", "Account__c": account}],
        }

    def leave_undone(self) -> None:
        """Let payments be refused and customers be asked about, until no run is under way any more."""
        with ThreadPoolExecutor(8) as hands:
            orders = [f"{word}-{one}" for word, count in REFUSED.items() for one in range(count)]
            orders += [f"{'overseas-' * 7}{one:03d}" for one in range(LONG)]
            self.paid = dict(zip(orders, hands.map(self.pay, orders), strict=True))
            asked = list(hands.map(self.customer, self.people))
            self.asked = dict(zip(asked, self.people, strict=True))
        self.twin = self.customer(self.told, salesforce_account_id=self.gone)
        self.org.update("Account", [{"id": self.gone, "Integration_Key__c": self.twin}])
        self.change(self.twin, contract="Pier 4")
        until(self._has_come, seconds=240, what="everything is left undone", found=self.fates)
        self.turn("salesforce", "rules", method="DELETE")

    def _has_come(self) -> bool:
        fates = self.fates()
        done = fates["dead"] >= self.dead and fates["waiting"] >= PEOPLE and fates["applied"] >= OF_THE_TWIN
        return done and not fates["queued"]

    @property
    def dead(self) -> int:
        """Return how many letters wait in the beginning."""
        return int(self.left["letters"]) + sum(REFUSED.values()) + LONG

    # Both systems, as those who use them

    @property
    def org(self) -> Caller:
        """Return whoever enters records in the org."""
        return Caller(self.salesforce)

    def at_stripe(self, path: str, **data: str) -> dict[str, Any]:
        """Ask Stripe as a merchant's own program would."""
        answer = requests.post(f"{self.stripe}/v1/{path}", data=data, auth=(STRIPE_KEY, ""), timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def pay(self, order: str, amount: int = 1999) -> str:
        """Let somebody pay for an order, and return the payment's id."""
        paid = self.at_stripe(
            "payment_intents", amount=str(amount + len(order)), currency="eur", payment_method="pm_card_visa",
            confirm="true",
            **{
                "metadata[order_id]": order,
                "automatic_payment_methods[enabled]": "true",
                "automatic_payment_methods[allow_redirects]": "never",
            },
        )  # fmt: skip
        return str(paid["id"])

    def customer(self, told: Mapping[str, str], **metadata: str) -> str:
        """Make a customer at Stripe, and return the id."""
        address = {"line1": "line1", "city": "city", "postal_code": "postal", "country": "country"}
        fields = {name: told[name] for name in ("name", "email", "phone") if told.get(name)}
        fields |= {f"address[{name}]": told[ours] for name, ours in address.items() if told.get(ours)}
        fields |= {f"metadata[{key}]": value for key, value in metadata.items()}
        return str(self.at_stripe("customers", **fields)["id"])

    def change(self, customer: str, **metadata: str) -> None:
        """Change what a customer's metadata say."""
        self.at_stripe(f"customers/{customer}", **{f"metadata[{key}]": v for key, v in metadata.items()})

    # What came of it

    def payments(self, orders: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return what stands in the org of each payment, by its order."""
        by_id: dict[str, list[dict[str, Any]]] = {}
        for record in self.records():
            by_id.setdefault(record["External_ID__c"], []).append(record)
        return {order: by_id.get(self.paid[order], []) for order in orders}

    def record_of(self, customer: str) -> dict[str, Any]:
        """Return the record of a customer of Stripe; nothing if there is none, and never one of two."""
        found = self.look("salesforce", "records", object="Stripe_Customer__c", external_id=customer)[
            "records"
        ]
        assert len(found) < 2, found
        return dict(found[0]) if found else {}

    def account(self, id: str) -> dict[str, Any]:
        """Return an account, also one that was deleted."""
        rows = self.look("salesforce", "records", object="Account", deleted="true")["records"]
        return next(dict(one) for one in rows if one["Id"] == id)

    def referring_to(self, account: str) -> dict[str, list[str]]:
        """Return which records of which objects refer to an account, in whatever field."""
        found: dict[str, list[str]] = {}
        for name in OBJECTS:
            rows = self.look("salesforce", "records", object=name)["records"]
            if ids := sorted(one["Id"] for one in rows if account in one.values()):
                found[name] = ids
        return found

    def is_at_stripe(self, customer: str) -> bool:
        """Tell whether Stripe has a customer still."""
        answer = requests.get(f"{self.stripe}/v1/customers/{customer}", auth=(STRIPE_KEY, ""), timeout=30)
        return answer.ok and not answer.json().get("deleted")

    def delivered(self) -> set[str]:
        """Return the events that Stripe has delivered, each however often."""
        attempts = self.look("stripe", "deliveries", limit=100_000)["attempts"]
        return {one["event"] for one in attempts if one["outcome"] == "delivered"}

    def kept_events(self) -> set[str]:
        """Return the events that are in the inbox, whatever became of them, by Stripe's ids."""
        return {one["external_id"] for one in self.whole("events/")}

    def events_at_stripe(self) -> set[str]:
        """Return all events that Stripe lists."""
        found: list[str] = []
        more = True
        while more:
            after = {"starting_after": found[-1]} if found else {}
            answer = requests.get(
                f"{self.stripe}/v1/events", params={"limit": 100, **after}, auth=(STRIPE_KEY, ""), timeout=30
            )
            answer.raise_for_status()
            told = answer.json()
            found += [one["id"] for one in told["data"]]
            more = told["has_more"]
        return set(found)

    def of(self, word: str) -> list[str]:
        """Return the orders that begin with a word."""
        return [order for order in self.paid if order.startswith(word)]

    @contextmanager
    def mail_server(self) -> Iterator[Letterbox]:
        """Let there be a mail server."""
        with listening(self.letterbox, self.mail_port):
            yield self.letterbox


def _account(told: Mapping[str, str]) -> dict[str, Any]:
    fields = {
        "Name": "name", "Phone": "phone", "Website": "domain", "BillingStreet": "line1",
        "BillingPostalCode": "postal", "BillingCity": "city", "BillingCountry": "country",
    }  # fmt: skip
    return {field: told[ours] for field, ours in fields.items() if told.get(ours)}


@contextmanager
def a_workday(folder: Path, *, postgresql: bool) -> Iterator[Workday]:
    """Yield a day that has begun, and stop everything afterwards."""
    with own_redis() as redis:
        day = Workday(folder, redis, postgresql=postgresql)
        try:
            began = time.monotonic()
            day.start()
            day.leave_undone()
            print(f"the day begins after {time.monotonic() - began:.1f} s: {day.left}")
            yield day
        finally:
            day.stop()
