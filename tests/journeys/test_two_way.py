"""This module tells how customers and Accounts stay in agreement, whoever changes which side."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows import reviews
from flows.models import Event, Link, Review, Run
from tests.journeys.both_sides import BothSides

_VALUES = re.compile(r"'[^']*'|\b\d+\b")  # of a statement, which tell one run's from another's


def test_hundreds_of_edits_on_both_sides_come_to_agree_and_then_to_rest(sides: BothSides) -> None:
    sides.live(policy="stripe")
    customers = sides.customers(200)
    begun = sides.writes()
    in_conflict = customers[:50]

    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda one: sides.in_stripe(one, name=f"By Stripe {one}"), customers))
        list(people.map(lambda one: sides.in_salesforce(one, Phone=f"2 {one[-4:]}"), customers[50:]))
        list(people.map(lambda one: sides.in_salesforce(one, Name=f"By Salesforce {one}"), in_conflict))
    sides.settle()

    stand = sides.stand()
    assert {one: (name, phone) for one, (name, phone, _, _) in stand.items()} == {
        one: (name, phone) for one, (_, _, name, phone) in stand.items()
    }
    assert all(stand[one][0] == f"By Stripe {one}" for one in customers)
    assert all(stand[one][1] == f"2 {one[-4:]}" for one in customers[50:])
    in_org = sides.writes()[1] - begun[1]
    assert sides.writes()[0] - begun[0] == 150  # the phones, once each
    assert in_org == 200  # the names, once each, those in conflict too
    assert not Run.objects.exclude(state="done").exists()
    assert set(Link.objects.values_list("state", flat=True)) == {"agreed"}
    # What our own writes told was all handled, and asked for nothing more.
    assert Event.objects.filter(fate="echo").count() >= 350


@pytest.mark.parametrize("side", ["stripe", "salesforce"])
def test_nothing_is_asked_of_the_database_for_each_of_those_that_have_changed(
    sides: BothSides, side: str
) -> None:
    sides.live(policy="stripe")
    customers = sides.customers(16)
    for one in customers:
        if side == "stripe":
            sides.in_stripe(one, name=f"New {one}")
        else:
            sides.in_salesforce(one, Phone="2")
    assert sides.tell()

    with CaptureQueriesContext(connection) as captured:
        sides.bridge.drain()

    shapes = Counter(_VALUES.sub("?", query["sql"]) for query in captured)
    often = {shape: times for shape, times in shapes.items() if times >= len(customers)}
    assert often.keys() <= {"BEGIN", "BEGIN IMMEDIATE", "COMMIT"}
    assert {one[:2] for one in sides.stand().values()} == {one[2:] for one in sides.stand().values()}


def test_a_conflict_is_asked_about_once_and_its_answer_stands_on_both_sides(sides: BothSides) -> None:
    sides.live(policy="ask")
    one, other = sides.customers(2)
    for customer in (one, other):
        sides.in_stripe(customer, name="By Stripe", phone="2")
        sides.in_salesforce(customer, Name="By Salesforce", Phone="3")
    sides.settle()
    first, second = Review.objects.open().order_by("id")

    reviews.answer(review=first, value="salesforce", actor="otto", now=timezone.now())
    chosen = {
        "Account.Name": reviews.Choice("stripe"),
        "Account.Phone": reviews.Choice("value", "4"),
    }
    reviews.answer(review=second, value="each", fields=chosen, actor="otto", now=timezone.now())
    sides.bridge.drain()
    sides.settle()

    about = {review.pk: review.run.event.object_id for review in (first, second)}
    links = {link.record_id: link.stripe_id for link in Link.objects.all()}
    asked = [links.get(about[pk], about[pk]) for pk in (first.pk, second.pk)]
    stand = sides.stand()
    assert sorted(asked) == sorted([one, other])
    assert stand[asked[0]] == ("By Salesforce", "3", "By Salesforce", "3")
    assert stand[asked[1]] == ("By Stripe", "4", "By Stripe", "4")
    assert not Review.objects.open().exists()
    assert not Run.objects.exclude(state="done").exists()


def test_something_that_keeps_changing_a_field_back_is_held_until_a_person_lets_it_go_on(
    sides: BothSides,
) -> None:
    sides.live(policy="stripe", most_writes=4)
    (customer,) = sides.customers(1)
    for number in range(8):
        sides.in_stripe(customer, phone="1" if number % 2 else "2")  # as an automation of theirs does
        sides.settle()
    (review,) = Review.objects.open()
    written = sides.writes()

    assert (review.kind, Link.objects.get().state) == ("loop", "held")
    assert written[1] == 4  # as many as are allowed
    reviews.answer(review=review, value="go_on", actor="otto", now=timezone.now())
    sides.bridge.drain()
    sides.settle()
    name, phone, *org = sides.stand()[customer]
    assert [name, phone] == org
    assert Link.objects.get().state == "agreed"
    assert not Run.objects.exclude(state="done").exists()
