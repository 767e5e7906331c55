"""This module tells what becomes of a change in the org: it reaches Stripe once, and comes to rest there."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from django.utils import timezone

from flows import publishing
from flows.models import AppliedVersion, Deployment, Effect, Flow, Run
from tests.integration.flows.two_systems import pass_time
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import Office, office

__all__ = ["office"]

INTO_STRIPE: dict[str, Any] = {
    "format": 1,
    "name": "Accounts into Stripe",
    "trigger": {"kind": "salesforce.change", "object": "Account"},
    "steps": [
        {
            "id": "customer",
            "kind": "stripe.find",
            "settings": {
                "object": "customer",
                "by": "metadata",
                "key": "salesforce_account_id",
                "value": "event.record_id",
            },
            "exits": {
                "found": [
                    {
                        "id": "rename",
                        "kind": "stripe.update",
                        "settings": {
                            "object": "customer",
                            "id": "steps.customer.id",
                            "parameters": {"name": "Account.Name", "phone": "Account.Phone"},
                        },
                    }
                ]
            },
        },
    ],
}
INTO_SALESFORCE: dict[str, Any] = {
    "format": 1,
    "name": "Customers into accounts",
    "trigger": {"kind": "stripe.event", "types": ["customer.updated"]},
    "steps": [
        {
            "id": "describe",
            "kind": "map",
            "settings": {"target": "Account", "lines": [{"field": "Name", "from": "customer.name"}]},
        },
        {
            "id": "save",
            "kind": "salesforce.update",
            "settings": {
                "object": "Account",
                "record": "describe",
                "id": "customer.metadata.salesforce_account_id",
            },
        },
    ],
}


def on_a_deal(price: str) -> dict[str, Any]:
    """Return the flow that sells a plan when an opportunity is won, whatever its stage is called."""
    return {
        "format": 1,
        "name": "Deals into Stripe",
        "trigger": {
            "kind": "salesforce.change",
            "object": "Opportunity",
            "fields": ["StageName"],
            "when": {"all": [{"path": "Opportunity.IsWon", "is": "equal", "value": True}]},
        },
        "steps": [
            {
                "id": "payer",
                "kind": "stripe.create",
                "settings": {
                    "object": "customer",
                    "purpose": "Customer of the deal",
                    "parameters": {
                        "name": "Opportunity.Account.Name",
                        "metadata.salesforce_opportunity_id": "Opportunity.Id",
                    },
                },
            },
            {
                "id": "plan",
                "kind": "stripe.create",
                "settings": {
                    "object": "subscription",
                    "purpose": "Plan of the deal",
                    "parameters": {
                        "customer": "steps.payer.id",
                        "items[0].price": {"value": price},
                        "collection_method": {"value": "send_invoice"},
                        "days_until_due": {"value": 30},
                    },
                },
            },
        ],
    }


def naming(name: str, trigger: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a flow that makes a customer with what is read at `path` as its name."""
    parameters = {"name": path, "description": "event.type"}
    settings = {"object": "customer", "purpose": name, "parameters": parameters}
    step = {"id": "make", "kind": "stripe.create", "settings": settings}
    return {"format": 1, "name": name, "trigger": trigger, "steps": [step]}


def live(bridge: Bridge, document: dict[str, Any]) -> None:
    """Publish a flow and let it run."""
    now = timezone.now()
    slug = document["name"].lower().replace(" ", "-")
    flow = Flow.objects.create(integration=bridge.pair.integration, slug=slug, name=document["name"])
    version = publishing.publish(flow=flow, document=document, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)


def test_a_renamed_account_renames_its_customer_once_and_both_come_to_rest(office: Office) -> None:
    bridge = office.bridge
    live(bridge, INTO_STRIPE)
    live(bridge, INTO_SALESFORCE)
    account = office.change("Account", "create", values={"Name": "Acme", "Phone": "1"})
    customer = office.customer(account, name="Acme", phone="1")
    office.heard(1)

    office.change("Account", id=account, values={"Name": "Acme AG"})
    office.heard(2)
    (told,) = [
        event
        for event in bridge.ask("GET", "/v1/events", limit=100)["data"]
        if event["type"] == "customer.updated"
    ]
    bridge.deliver(told)
    bridge.drain()
    office.heard(3)  # what came back into the org is told by it

    found = bridge.ask("GET", f"/v1/customers/{customer}")
    record = bridge.salesforce.look("records", object="Account")["records"][0]
    assert (found["name"], record["Name"]) == ("Acme AG", "Acme AG")
    assert office.writes(customer) == 1
    assert not Run.objects.exclude(state="done").exists()
    runs = Run.objects.filter(event__connection=bridge.pair.salesforce_id).order_by("id")
    assert set(runs.values_list("subject", flat=True)) == {account}
    # By its way back into the org the customer was linked with the account, so that they share a lane.
    own, shared = f"salesforce:{account}", f"stripe:{customer}"
    assert list(runs.values_list("lane__key", flat=True)) == [own, own, shared]


def test_a_flow_that_writes_its_own_record_comes_to_rest(office: Office) -> None:
    lines = [{"field": "Phone", "chips": [{"chip": "constant", "value": "1"}]}]
    describe = {"id": "describe", "kind": "map", "settings": {"target": "Account", "lines": lines}}
    own = {"object": "Account", "record": "describe", "id": "event.record_id"}
    trigger = {"kind": "salesforce.change", "object": "Account"}
    save = {"id": "save", "kind": "salesforce.update", "settings": own}
    live(office.bridge, {"format": 1, "name": "Marks", "trigger": trigger, "steps": [describe, save]})

    office.change("Account", "create", values={"Name": "Acme"})

    def rests() -> bool:
        """Tell whether the last run of all is done, and wrote nothing."""
        office.bridge.drain()
        last = Run.objects.order_by("-id").first()
        wrote = AppliedVersion.objects.order_by("-event_id").first()
        return bool(last and wrote and last.state == "done" and last.event_id > wrote.event_id)

    until(rests, what="coming to rest")
    record = office.bridge.salesforce.look("records", object="Account")["records"][0]
    assert record["Phone"] == "1"


def test_a_deal_that_is_won_sells_once_however_often_its_stage_flips(office: Office) -> None:
    bridge = office.bridge
    price = bridge.ask(
        "POST", "/v1/prices", currency="eur", unit_amount=4900,
        **{"recurring[interval]": "month", "product_data[name]": "Plan"},
    )  # fmt: skip
    live(bridge, on_a_deal(price["id"]))
    bridge.salesforce.turn("stages", name="Gewonnen", won=True)
    account = office.change("Account", "create", values={"Name": "Acme"})
    deal = office.change(
        "Opportunity", "create",
        values={"Name": "Big", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2031-01-31"},
    )  # fmt: skip
    for stage in ("Gewonnen", "Prospecting", "Gewonnen"):
        office.change("Opportunity", id=deal, values={"StageName": stage})
    office.change("Opportunity", id=deal, values={"Description": "Signed"})
    office.heard(6)

    (customer,) = bridge.ask("GET", "/v1/customers", limit=100)["data"]
    (subscription,) = bridge.ask("GET", "/v1/subscriptions", limit=100)["data"]
    assert (customer["name"], customer["metadata"]["salesforce_opportunity_id"]) == ("Acme", deal)
    assert (subscription["customer"], subscription["items"]["data"][0]["price"]["id"]) == (
        customer["id"],
        price["id"],
    )
    assert list(Effect.objects.values_list("state", flat=True)) == ["done", "done"]
    assert not Run.objects.exclude(state="done").exists()
    reason = "none of the fields that the flow looks at has changed"
    assert ("Opportunity.updated", "ignored", reason) in office.fates()


def test_a_gap_is_read_and_an_event_of_two_records_makes_two_runs(office: Office) -> None:
    bridge = office.bridge
    live(bridge, INTO_STRIPE)
    accounts = [office.change("Account", "create", values={"Name": name}) for name in ("A", "B")]
    customers = [office.customer(account) for account in accounts]
    office.heard(2)
    bridge.salesforce.turn("pubsub", lost=1.0)
    for account in accounts:
        office.change("Account", id=account, values={"Name": f"New {account}"})
    bridge.salesforce.turn("pubsub", lost=0.0)

    bridge.salesforce.turn("pubsub/changes", object="Account", kind="GAP_UPDATE", ids=accounts)
    office.heard(3)

    names = [bridge.ask("GET", f"/v1/customers/{one}")["name"] for one in customers]
    assert names == [f"New {account}" for account in accounts]
    runs = Run.objects.filter(event=office.events().last())
    assert sorted(runs.values_list("subject", flat=True)) == sorted(accounts)
    assert bridge.salesforce.calls("/services/data/v[0-9.]+/query") > 0


def test_a_field_that_the_org_lacks_holds_the_flow_until_it_is_there(office: Office) -> None:
    document = copy.deepcopy(INTO_STRIPE)
    (rename,) = document["steps"][0]["exits"]["found"]
    rename["settings"]["parameters"]["description"] = "Account.Integration_Key__c"
    live(office.bridge, document)
    office.bridge.salesforce.turn("fields", object="Account", field="Integration_Key__c", name="Old_Key__c")
    office.change("Account", "create", values={"Name": "Acme"})
    office.heard(1)

    deployment = Deployment.objects.get(enabled=True)
    assert (deployment.held_step, Run.objects.get().state) == ("source", "ready")
    assert "Integration_Key__c" in deployment.held_reason

    office.bridge.salesforce.turn("fields", object="Account", field="Old_Key__c", name="Integration_Key__c")
    pass_time(timedelta(hours=1))
    office.bridge.drain()

    deployment.refresh_from_db()
    assert (deployment.held_since, Run.objects.get().state) == (None, "done")


def test_a_deletion_and_a_platform_event_are_all_that_their_flows_know(office: Office) -> None:
    changes = {"kind": "salesforce.change", "object": "Account", "changes": ["deleted"]}
    live(office.bridge, naming("Gone", changes, "Account.Id"))
    won = {"kind": "salesforce.event", "event": "Opportunity_Closed_Won__e"}
    live(office.bridge, naming("Won", won, "Opportunity_Closed_Won__e.Opportunity_ID__c"))
    office.bridge.salesforce.turn("flows", flow="Opportunity_Closed_Won", active=True)
    account = office.change("Account", "create", values={"Name": "Acme"})
    deal = office.change(
        "Opportunity", "create", values={"Name": "Big", "StageName": "Prospecting", "CloseDate": "2031-01-31"}
    )
    office.change("Opportunity", id=deal, values={"StageName": "Closed Won"})
    office.change("Account", "delete", id=account)

    office.heard(5)  # the four that happened, and the event that the org publishes by itself

    made = office.bridge.ask("GET", "/v1/customers", limit=100)["data"]
    assert {one["name"]: one["description"] for one in made} == {
        account: "Account.deleted",
        deal: "Opportunity_Closed_Won__e",
    }
