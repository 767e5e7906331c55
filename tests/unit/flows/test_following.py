"""What was saved in a record that people merged into another is saved in the one that was kept."""

from __future__ import annotations

import pytest

from flows.engine.outcome import Done, Pause
from flows.engine.ports import Moved
from tests.fakes import FakePorts
from tests.unit.flows.taking import a_mapped, take

ACCOUNT = "001000000000001AAA"
OTHER = "001000000000002AAA"
SAVE = {"object": "Account", "external_id": "Key__c", "record": "describe"}
UPDATE = {"object": "Account", "id": "charge.metadata.account", "record": "describe"}
CUSTOMER = {
    "field": "Stripe_Customer__r",
    "object": "Stripe_Customer__c",
    "external_id": "External_ID__c",
    "read": "customer",
    "id": "charge.customer",
    "lines": [{"field": "External_ID__c", "from": "customer.id"}],
}


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Account", ACCOUNT)
    ports.hold("Account", OTHER)
    return ports


def an_account():
    return a_mapped({"Key__c": "pi_1", "Name": "Run"}, payment_intent="pi_1")


def an_update(run_id, account):
    return a_mapped({"Name": f"Run {run_id}"}, run_id=run_id, metadata={"account": account})


def test_a_parent_that_was_merged_is_referred_to_and_not_made_anew(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "email": "ada@acme.test"}
    ports.merged["cus_1"] = Moved(ACCOUNT)

    record = {"External_ID__c": "pi_1", "Stripe_Customer__r.External_ID__c": "cus_1"}
    settings = {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"}

    (answer,) = take(
        "salesforce.upsert",
        {**settings, "parents": [CUSTOMER]},
        [a_mapped(record, customer="cus_1", payment_intent="pi_1")],
        ports,
    )

    assert answer.effect == "applied"
    assert [one["code"] for one in answer.notes] == ["parent_merged"]
    assert ports.records["Payment__c:pi_1"]["Stripe_Customer__c"] == ACCOUNT
    assert "Stripe_Customer__c:cus_1" not in ports.records


@pytest.mark.parametrize(
    ("has", "written"),
    [
        pytest.param(None, [("update", {"Name": "Run", "Key__c": "pi_1"})], id="it has no key"),
        pytest.param("pi_2", [("update", {"Name": "Run"})], id="it has a key of its own"),
        pytest.param("PI_1", [("upsert", {"Name": "Run"})], id="the key was chosen for it"),
    ],
)
def test_what_is_for_a_merged_record_is_saved_in_the_one_that_was_kept(ports, has, written):
    ports.hold("Account", ACCOUNT, Key__c=has)
    ports.merged["pi_1"] = Moved(ACCOUNT)
    item = an_account()

    (answer,) = take("salesforce.upsert", SAVE, [item], ports)

    made = [(action, dict(requests[0]["values"])) for action, requests in ports.asked if action != "find"]
    assert (answer.effect, made) == ("applied", written)
    assert [write.external_id for write in item.writes] == ["pi_1"]


def test_what_is_for_a_record_that_is_gone_waits_until_it_is_known_what_became_of_it(ports):
    ports.merged |= {"pi_1": Moved(""), OTHER: Moved("")}
    item = an_account()

    (saved,) = take("salesforce.upsert", SAVE, [item], ports)
    changed, other = take("salesforce.update", UPDATE, [an_update(1, OTHER), an_update(2, ACCOUNT)], ports)

    assert [type(one) for one in (saved, changed, other)] == [Pause, Pause, Done]


def test_a_person_says_whether_a_record_of_another_object_is_written_to(ports):
    ports.hold("Account", ACCOUNT, Key__c="pi_2")
    ports.merged["pi_1"] = Moved(ACCOUNT, "ask")
    items = [an_account() for _ in range(3)]
    for item, answer in zip(items[1:], ("write", "leave"), strict=True):
        item.keep("here", "answer", answer)

    asked, written, left = (take("salesforce.upsert", SAVE, [item], ports)[0] for item in items)

    assert [one.value for one in asked.options] == ["write", "leave"]
    assert (written.effect, left.effect) == ("applied", "echo")
    assert [item.agreements[0].sharing for item in items[1:]] == ["write", "leave"]
