"""
This module connects a workspace of newcomers to both simulated systems, and lets customers pay invoices.

Both systems run within the process of the scene; their events are delivered to the server under test, signed
as Stripe signs them, and what they lead to is worked off here.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
from typing import Any

import requests
from django.utils import timezone

from connectors import connections, gateway
from flows import runner
from flows.lanes import WorkerLease
from flows.merging import working
from flows.models import Integration, Pair
from tests.builders import a_person, a_workspace, an_environment
from tests.journeys.bridge import KEY, Service, connect, serving_both
from tests.receiving import SECRET, signed

_STACK = contextlib.ExitStack()
atexit.register(_STACK.close)
_NUMBERS = itertools.count(1)


class Town:
    """Both systems, and the pair that a newcomer's flows run between."""

    def __init__(self, stripe: Service, salesforce: Service) -> None:
        self.stripe, self.salesforce = stripe, salesforce
        workspace = a_workspace("town", "Town")
        a_person("nora@acme.test", "admin", workspace)
        here = an_environment("dev", workspace)
        money, crm = connect(here, stripe, salesforce)
        integration = Integration.objects.create(workspace=workspace, slug="billing", name="Billing")
        self.pair = Pair.objects.create(
            integration=integration, environment=here, stripe=money, salesforce=crm
        )
        endpoint = connections.add_webhook_endpoint(
            connection=money, secret=SECRET, actor="nora", now=timezone.now()
        )
        self.hook = str(endpoint)
        self.worker = WorkerLease("town")

    def ask(self, path: str, **data: Any) -> dict[str, Any]:
        """Ask Stripe as a merchant's own program would."""
        head = {"Authorization": f"Bearer {KEY}"}
        answer = requests.post(f"{self.stripe.url}/v1/{path}", headers=head, data=data, timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json())

    def invoice(self, customer: str) -> str:
        """Let a customer pay an invoice, and return its id."""
        self.ask("invoiceitems", customer=customer, amount=4900, currency="eur", description="A plan")
        invoice = self.ask("invoices", customer=customer, pending_invoice_items_behavior="include")["id"]
        self.ask(f"invoices/{invoice}/finalize")
        self.ask(f"invoices/{invoice}/pay")
        return str(invoice)

    def paid(self, invoice: str) -> dict[str, Any]:
        """Return Stripe's event that an invoice was paid."""
        head = {"Authorization": f"Bearer {KEY}"}
        told = requests.get(f"{self.stripe.url}/v1/events?limit=100", headers=head, timeout=60).json()["data"]
        return next(
            one for one in told if one["type"] == "invoice.paid" and one["data"]["object"]["id"] == invoice
        )


_TOWN: list[Town] = []


def build(web: str) -> dict[str, str]:
    """Connect the town, let one invoice have been paid already, and return who is known there."""
    if not _TOWN:
        _TOWN.append(Town(*_STACK.enter_context(serving_both())))
    pay(web, known=True)
    return {"workspace": "town", "person": "nora@acme.test"}


def pay(web: str, *, known: bool) -> dict[str, str]:
    """Let a customer pay, deliver what Stripe says of it, and work; `known` customers are in Salesforce."""
    town, number = _TOWN[0], next(_NUMBERS)
    customer = town.ask(
        "customers",
        name=f"Customer {number}",
        email=f"customer{number}@acme.test",
        payment_method="pm_card_visa",
        **{"invoice_settings[default_payment_method]": "pm_card_visa"},
    )["id"]
    if known:
        welcome(customer)
    invoice = town.invoice(customer)
    body = json.dumps(town.paid(invoice)).encode()
    head = {"Content-Type": "application/json", "Stripe-Signature": signed(body)}
    answer = requests.post(f"{web}{town.hook}", data=body, headers=head, timeout=60)
    assert answer.ok, answer.text
    work()
    return {"customer": str(customer), "invoice": invoice}


def welcome(customer: str) -> None:
    """Put a customer into Salesforce, as somebody would who knows who that is."""
    wish = {"object": "Stripe_Customer__c", "external_id_field": "External_ID__c", "external_id": customer}
    gateway.call_many(
        connection_id=_TOWN[0].pair.salesforce_id,
        action="upsert",
        requests=[{**wish, "values": {"Name": customer}}],
    )


def an_account(*, name: str, customer: str) -> dict[str, str]:
    """Put an Account into Salesforce whose customer in Stripe says so, and is called otherwise."""
    town = _TOWN[0]
    wish = {"object": "Account", "external_id_field": "Integration_Key__c", "external_id": f"key-{name}"}
    (made,) = gateway.call_many(
        connection_id=town.pair.salesforce_id,
        action="upsert",
        requests=[{**wish, "values": {"Name": name}}],
    )
    assert isinstance(made, dict)
    told = {"name": customer, "metadata[salesforce_account_id]": made["id"]}
    return {"account": str(made["id"]), "customer": str(town.ask("customers", **told)["id"])}


def twins(*, name: str) -> dict[str, str]:
    """
    Put two Accounts of one customer into Salesforce, and return their ids.

    The one to be kept has a description; the other is called `name`, has a phone number and three people.
    """
    org, ids = _TOWN[0].salesforce, []
    told = {"Name": f"{name} Ltd", "Description": "Knows us"}, {"Name": name, "Phone": "+44 20 7946 0851"}
    for values in told:
        ids.append(str(org.turn("changes", object="Account", act="create", values=values)["id"]))
    for number in range(3):
        person = {"LastName": f"Sailor {number}", "AccountId": ids[1]}
        org.turn("changes", object="Contact", act="create", values=person)
    return {"kept": ids[0], "gone": ids[1]}


def accounts() -> dict[str, dict[str, Any]]:
    """Return the Accounts in Salesforce by their ids."""
    told = _TOWN[0].salesforce.look("records", object="Account")["records"]
    return {one["Id"]: one for one in told}


def rename(*, account: str, name: str) -> None:
    """Let somebody change the name of an Account in Salesforce."""
    _TOWN[0].salesforce.turn("changes", object="Account", act="update", id=account, values={"Name": name})


def merge() -> int:
    """Go on with merges that were asked for, as the watch does."""
    return working.go_due(now=timezone.now())


def customer_of_town(*, customer: str) -> dict[str, Any]:
    """Return a customer as Stripe has it now."""
    head = {"Authorization": f"Bearer {KEY}"}
    answer = requests.get(f"{_TOWN[0].stripe.url}/v1/customers/{customer}", headers=head, timeout=60)
    return dict(answer.json())


def work() -> int:
    """Work until nothing is ready."""
    town, handled = _TOWN[0], 0
    while done := runner.work(town.worker, lambda: True):
        handled += done
    return handled


def payments() -> dict[str, dict[str, Any]]:
    """Return the payments in Salesforce by their external ids."""
    told = _TOWN[0].salesforce.look("records", object="Payment__c")["records"]
    return {one["External_ID__c"]: one for one in told}


CALLS = {
    "town": build, "pay_invoice": pay, "work": work, "welcome": welcome, "payments": payments,
    "an_account": an_account, "customer_of_town": customer_of_town, "twins": twins, "accounts": accounts,
    "rename": rename, "merge": merge,
}  # fmt: skip
