"""This module tells how links follow records that people merge in Salesforce."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from flows import merges, reviews
from flows.models import Link, LinkChange, Review, Run
from tests.journeys.both_sides import BothSides


def an_account(sides: BothSides, **values: Any) -> str:
    made = sides.bridge.salesforce.turn("changes", object="Account", act="create", values=values)
    return str(made["id"])


def merge(sides: BothSides, survivor: str, loser: str, **values: Any) -> None:
    """Merge as a person does, and let the product hear of it."""
    sides.bridge.salesforce.turn(
        "changes", object="Account", act="merge", id=survivor, losers=[loser], values=values
    )
    sides.settle()


def accounts(sides: BothSides) -> dict[str, dict[str, Any]]:
    found = sides.bridge.salesforce.look("records", object="Account", limit=100)["records"]
    return {one["Id"]: one for one in found}


def test_a_link_follows_its_record_into_the_one_it_was_merged_into_in_both_directions(
    sides: BothSides,
) -> None:
    sides.live(policy="stripe")
    (customer,) = sides.customers(1)
    loser, survivor = sides.ids[customer], an_account(sides, Name="By hand")
    sides.settle()
    sides.bridge.salesforce.turn(
        "changes", object="Account", act="merge", id=survivor, losers=[loser], values={"Name": "Merged"}
    )
    sides.in_stripe(customer, phone="2")  # before anybody has heard of the merge, or asked what it was
    sides.settle()
    assert Run.objects.exclude(state="done").exists()
    assert list(accounts(sides)) == [survivor]

    assert merges.follow_due(now=timezone.now()) == 1
    sides.settle()
    sides.bridge.drain()
    sides.settle()

    link = Link.objects.get()
    assert (link.record_id, link.merged_from, link.state) == (survivor, loser, "agreed")
    assert LinkChange.objects.filter(how="merged", side="salesforce").count() == 1
    assert list(accounts(sides)) == [survivor]
    assert accounts(sides)[survivor]["Integration_Key__c"] == customer  # it had none
    sides.ids[customer] = survivor
    sides.in_salesforce(customer, Name="Changed there")
    sides.in_stripe(customer, phone="3")
    sides.settle()
    assert sides.stand()[customer] == ("Changed there", "3", "Changed there", "3")
    assert not Run.objects.exclude(state="done").exists()
    assert not Review.objects.open().exists()


def test_where_the_record_belongs_to_another_customer_a_person_is_asked_once(sides: BothSides) -> None:
    sides.live(policy="stripe")
    kept, merged = sides.customers(2)
    survivor = sides.ids[kept]
    merge(sides, survivor, sides.ids[merged])
    merges.follow_due(now=timezone.now())
    sides.settle()

    for phone in ("2", "3"):
        sides.in_stripe(merged, phone=phone)
        sides.settle()
        for review in Review.objects.open():
            reviews.answer(review=review, value="leave", actor="otto", now=timezone.now())
            sides.bridge.drain()
    sides.in_stripe(kept, phone="4")
    sides.settle()

    assert Review.objects.count() == 1
    assert {one: row["Phone"] for one, row in accounts(sides).items()} == {survivor: "4"}
    assert not Run.objects.exclude(state="done").exists()
    assert {one.stripe_id: (one.record_id, one.sharing) for one in Link.objects.all()} == {
        kept: (survivor, ""),
        merged: (survivor, "leave"),
    }


def test_a_record_that_was_only_deleted_is_one_as_before(sides: BothSides) -> None:
    sides.live(policy="stripe")
    (customer,) = sides.customers(1)
    sides.in_salesforce(customer, act="delete")
    sides.settle()
    sides.in_stripe(customer, phone="2")
    sides.settle()
    assert not Review.objects.exists()

    assert merges.follow_due(now=timezone.now()) == 0
    sides.bridge.drain()

    assert Review.objects.open().get().options[0]["value"] == "make_again"
    assert Link.objects.get().gone_at is None
