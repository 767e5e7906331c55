"""What the step kinds ask for is what the connectors do, with both systems simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
import requests

from connectors import gateway
from connectors.models import Connection
from flows.engine.outcome import AskHuman, Done
from flows.engine.ports import Params, Result
from tests.fakes import FakePorts
from tests.integration.connectors.rig import STRIPE_KEY, Sandbox
from tests.unit.flows.taking import a_mapped, take


class Outward(FakePorts):
    """The world of a batch whose calls really go out."""

    def __init__(self, **slots: Connection) -> None:
        super().__init__()
        self._slots = slots

    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """Ask the system that is bound to `slot`."""
        return gateway.call_many(connection_id=self._slots[slot].pk, action=action, requests=requests)


@pytest.fixture
def ports(crm: Connection, billing: Connection) -> Outward:
    return Outward(salesforce=crm, stripe=billing)


def a_stripe(sandbox: Sandbox, path: str, **data: Any) -> dict[str, Any]:
    """Make an object in the simulated Stripe."""
    answer = requests.post(
        f"{sandbox.address}/v1/{path}",
        data=data,
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def saved(ports: Outward, object_: str, record: dict[str, Any]) -> str:
    """Save a record by its external id and return its record id."""
    settings = {"object": object_, "external_id": "External_ID__c", "record": "describe"}
    (answer,) = take("salesforce.upsert", settings, [a_mapped(record)], ports)
    assert isinstance(answer, Done), answer
    return str(answer.output["id"])


def held(ports: Outward, soql: str) -> list[dict[str, Any]]:
    """Return what the org holds."""
    (answer,) = ports.call_many("salesforce", "query", [{"soql": soql}])
    assert isinstance(answer, dict), answer
    return list(answer["records"])


def test_a_record_is_found_changed_and_looked_up(ports):
    payment = saved(ports, "Payment__c", {"External_ID__c": "pi_1", "Amount__c": Decimal("19.99")})
    item = a_mapped({"Status__c": "Failed"}, email="none", metadata={"id": payment[:15]})

    (found,) = take(
        "salesforce.find",
        {
            "object": "Payment__c",
            "by": [{"kind": "external_id", "field": "External_ID__c", "from": "charge.payment_intent"}],
            "fields": ["Amount__c"],
        },
        [item],
        ports,
    )
    settings = {"object": "Payment__c", "id": "charge.metadata.id", "record": "describe"}
    (changed,) = take("salesforce.update", settings, [item], ports)
    (asked,) = take(
        "salesforce.query",
        {
            "soql": "SELECT Id, Name, Status__c FROM Payment__c WHERE External_ID__c = {pi} AND Id IN {ids}",
            "values": {"pi": "charge.payment_intent", "ids": "charge.metadata.id"},
        },
        [item],
        ports,
    )

    assert (found.exit, found.output["id"]) == ("found", payment)
    assert Decimal(str(found.output["record"]["Amount__c"])) == Decimal("19.99")
    assert (changed.exit, changed.output["id"]) == ("next", payment)
    assert isinstance(asked, Done), asked
    assert (asked.output["id"], asked.output["record"]["Status__c"]) == (payment, "Failed")


def test_a_record_that_is_not_there_leaves_by_its_own_exit(ports):
    payment = saved(ports, "Payment__c", {"External_ID__c": "pi_1"})
    gone = payment[:12] + "999"
    settings = {"object": "Payment__c", "id": "charge.metadata.id", "record": "describe"}
    items = [
        a_mapped({"Status__c": "Failed"}, run_id=n, metadata={"id": one})
        for n, one in enumerate([payment, gone])
    ]

    good, none = take("salesforce.update", settings, items, ports)

    assert (good.exit, none.exit) == ("next", "none")


def test_several_records_become_a_question(ports):
    saved(ports, "Stripe_Customer__c", {"External_ID__c": "cus_1", "Email__c": "ada@acme.test"})
    saved(ports, "Stripe_Customer__c", {"External_ID__c": "cus_2", "Email__c": "Ada@acme.test"})
    settings = {
        "object": "Stripe_Customer__c",
        "by": [{"kind": "equal", "field": "Email__c", "from": "charge.email"}],
        "shows": ["External_ID__c"],
    }

    (asks,) = take("salesforce.find", settings, [a_mapped({}, email="ADA@acme.test")], ports)

    assert isinstance(asks, AskHuman)
    assert sorted(option.label for option in asks.options) == ["None of these", "cus_1", "cus_2"]


def test_the_records_that_fulfil_conditions_are_a_list_in_its_order(ports):
    for number, status in enumerate(["Failed", "Completed", "Completed", "Completed"]):
        record = {"External_ID__c": f"it's {number}", "Status__c": status, "Amount__c": Decimal(number)}
        saved(ports, "Payment__c", record)
    where = [
        {"field": "Status__c", "is": "in", "value": ["Completed", "Pending"]},
        {"field": "External_ID__c", "is": "starts_with", "value": "it's"},
        {"field": "External_ID__c", "is": "not_equal", "from": "charge.metadata.left_out"},
        {"field": "Amount__c", "is": "at_least", "value": 2},
        {"field": "CreatedDate", "is": "at_least", "value": "2020-01-01", "holds": "moment"},
        {"field": "Status__c", "is": "present"},
    ]
    settings = {
        "object": "Payment__c", "where": where, "fields": ["External_ID__c"], "order_by": "Amount__c",
        "descending": True, "limit": 2,
    }  # fmt: skip
    items = [a_mapped({}, run_id=n, metadata={"left_out": one}) for n, one in enumerate(["it's 3", "none"])]

    one, both = take("salesforce.list", settings, items, ports)
    (many,) = take("salesforce.list", {"object": "Payment__c", "limit": 3}, items[:1], ports)

    assert [record["External_ID__c"] for record in one.output["records"]] == ["it's 2"]
    assert [record["External_ID__c"] for record in both.output["records"]] == ["it's 3", "it's 2"]
    assert (many.exit, many.output["records"]) == ("too_many", [])


def test_the_objects_that_fulfil_filters_are_a_list_read_page_by_page(ports, stripe_sandbox):
    for number in range(3):
        a_stripe(stripe_sandbox, "customers", email="ada@acme.test", name=f"Ada {number}")
    a_stripe(stripe_sandbox, "customers", email="bob@acme.test")
    where = [
        {"field": "email", "value": "ada@acme.test"},
        {"field": "created", "is": "at_least", "value": "2020-01-01"},
    ]

    (all_,) = take("stripe.list", {"object": "customer", "where": where}, [a_mapped({})], ports)
    (first,) = take(
        "stripe.list",
        {"object": "customer", "where": where, "limit": 2, "beyond": "first"},
        [a_mapped({})],
        ports,
    )

    assert sorted(one["name"] for one in all_.output["objects"]) == ["Ada 0", "Ada 1", "Ada 2"]
    assert [one["id"] for one in first.output["objects"]] == [one["id"] for one in all_.output["objects"]][:2]


def test_a_flow_is_started_through_a_record_once(ports, org):
    payment = saved(ports, "Payment__c", {"External_ID__c": "pi_1"})
    settings = {
        "flow": "Stripe_Dunning",
        "inputs": {"Payment_ID": "charge.payment_intent"},
        "record": "charge.metadata.id",
    }
    item = a_mapped({}, metadata={"id": payment})

    first, again = (take("salesforce.start_flow", settings, [item], ports)[0] for _ in range(2))

    assert (first.output["before"], again.output["before"]) == (False, True)
    (effect,) = held(ports, "SELECT Kind__c, Record_ID__c, Payload__c FROM Integration_Effect__c")
    assert (effect["Kind__c"], effect["Record_ID__c"]) == ("dunning", payment)
    assert json.loads(effect["Payload__c"])["inputs"] == {"Payment_ID": "pi_1"}


def test_a_flow_is_started_directly_and_an_event_is_published(ports, org):
    item = a_mapped({})
    start = {"flow": "Stripe_Dunning", "through": "direct", "inputs": {"Effect_ID": "charge.id"}}
    publish = {"event": "Stripe_Payment_Failed__e", "values": {"Payment_ID__c": "charge.payment_intent"}}

    (started,) = take("salesforce.start_flow", start, [item], ports)
    (published,) = take("salesforce.publish", publish, [item], ports)

    assert started.effect == published.effect == "applied"
    assert [run["inputs"] for run in org.get("flows", flow="Stripe_Dunning")["runs"]] == [
        {"Effect_ID": "ch_1"}
    ]
    (event,) = org.get("events")["events"]
    assert event["values"] == {"Payment_ID__c": "pi_1"}


def test_a_task_is_created_once(ports):
    settings = {"object": "Task", "record": "describe", "purpose": "Call"}

    for run_id in (1, 2):
        (answer,) = take(
            "salesforce.create", settings, [a_mapped({"Subject": "Call Ada"}, run_id=run_id)], ports
        )
        assert isinstance(answer, Done), answer

    assert [task["Subject"] for task in held(ports, "SELECT Subject FROM Task")] == ["Call Ada"]


def test_a_payment_that_comes_before_its_customer_brings_it_along(ports, stripe_sandbox):
    customer = a_stripe(stripe_sandbox, "customers", email="ada@acme.test")
    parent = {
        "field": "Stripe_Customer__r",
        "object": "Stripe_Customer__c",
        "external_id": "External_ID__c",
        "read": "customer",
        "id": "charge.customer",
        "lines": [
            {"field": "External_ID__c", "from": "customer.id"},
            {"field": "Email__c", "from": "customer.email"},
        ],
    }
    settings = {
        "object": "Payment__c",
        "external_id": "External_ID__c",
        "record": "describe",
        "parents": [parent],
    }
    items = [
        a_mapped(
            {"External_ID__c": f"pi_{n}", "Stripe_Customer__r.External_ID__c": customer["id"]},
            run_id=n,
            customer=customer["id"],
            payment_intent=f"pi_{n}",
        )
        for n in (1, 2)
    ]

    answers = take("salesforce.upsert", settings, items, ports)

    assert [getattr(answer, "effect", answer) for answer in answers] == ["applied", "applied"]
    rows = held(ports, "SELECT Stripe_Customer__r.Email__c FROM Payment__c")
    assert [row["Stripe_Customer__r"]["Email__c"] for row in rows] == ["ada@acme.test"] * 2


def test_an_object_is_read_and_the_rest_of_its_list(ports, stripe_sandbox):
    customer = a_stripe(stripe_sandbox, "customers", email="ada@acme.test")
    for number in range(12):
        a_stripe(stripe_sandbox, "invoiceitems", customer=customer["id"], amount=100 + number, currency="usd")
    invoice = a_stripe(
        stripe_sandbox, "invoices", customer=customer["id"], pending_invoice_items_behavior="include"
    )
    item = a_mapped({}, invoice=invoice["id"])

    (read,) = take("stripe.retrieve", {"type": "invoice", "id": "charge.invoice"}, [item], ports)
    item.context["invoice"] = read.output
    (lines,) = take("for_each", {"list": "invoice.lines"}, [item], ports)

    assert read.exit == "next"
    assert read.output["lines"]["has_more"]
    assert len(lines.output["items"]) == 12
    assert len({line["id"] for line in lines.output["items"]}) == 12
