"""The fields of both sides are those of the SDK and of the org, with real values from the inbox."""

from __future__ import annotations

import itertools

import pytest

from connectors.models import SchemaSnapshot
from connectors.stripe import schema as stripe
from flows import fields, seen
from flows.fields import known_target_fields, source_fields, step_fields, target_fields
from flows.recipes import catalogue
from tests.builders import NOON
from tests.integration.flows.given import a_charge, an_event

CHARGES = ["charge.succeeded"]
DESCRIBED = {
    "name": "Account",
    "fields": [
        {"name": "Name", "type": "string", "label": "Account name", "length": 255, "updateable": False}
    ],
}


def by_path(*arguments, **more):
    return {field.path: field for field in source_fields(*arguments, now=NOON, **more)}


def known(connection, content=DESCRIBED, name="Account"):
    return SchemaSnapshot.objects.create(
        connection=connection, object=name, number=1, version="v67.0", digest="x", content=content,
        taken_at=NOON, checked_at=NOON,
    )  # fmt: skip


def test_events_of_a_type_have_their_object_its_root_and_the_event_to_read(pair):
    found = by_path(pair, CHARGES)

    assert found["charge.amount"].type == "amount"
    assert found["charge.balance_transaction.fee"].type == "amount"  # it is expanded when a charge is read
    assert found["payment_intent.amount_received"].type == "amount"  # the root that is read in its place
    assert found["event.created"].type == "timestamp"
    assert "previous" not in found
    assert "previous" in by_path(pair, ["charge.updated"])
    assert found["charge.amount"].seen is None  # there are no events yet


def test_what_only_belongs_to_an_event_s_object_may_be_missing(pair):
    of_charges = by_path(pair, CHARGES)

    assert of_charges["payment_intent.id"].nullable
    assert not of_charges["charge.id"].nullable
    assert not by_path(pair, ["payment_intent.succeeded", *CHARGES])["payment_intent.id"].nullable


def test_real_values_and_how_often_there_is_one_come_from_the_inbox(pair):
    for number in range(4):
        an_event(pair.stripe, a_charge(amount=100 + number, description="Shoes" if number else None))

    amount, description = (
        by_path(pair, CHARGES, values=True)[f"charge.{name}"] for name in ("amount", "description")
    )

    assert (amount.seen, description.seen) == (1.0, 0.75)
    assert amount.samples == (103, 102, 101, 100)
    assert description.samples == ("Shoes",)


def test_values_are_for_those_who_may_see_the_content_of_events(pair):
    an_event(pair.stripe, a_charge(description="Shoes"))

    description = by_path(pair, CHARGES)["charge.description"]

    assert description.samples == ()
    assert description.seen == 1.0


def test_keys_of_metadata_are_found_in_events_and_quoted_where_they_have_to_be(pair):
    an_event(pair.stripe, a_charge(metadata={"order_id": "7", "order.id": "8", 'a "b"': "9"}))

    found = by_path(pair, CHARGES, values=True)

    assert found["charge.metadata.order_id"].samples == ("7",)
    assert found['charge.metadata["order.id"]'].type == "string"
    assert found['charge.metadata["a \\"b\\""]'].samples == ("9",)


def test_secrets_and_card_numbers_in_events_are_masked(pair):
    charge = a_charge(
        description="key sk_live_abcdefgh",
        metadata={"card": "4242 4242 4242 4242", "long": "x" * 110 + " 4242 4242 4242 4242"},
        client_secret="pi_1_secret_2",
        secret={"inner": "plain"},
    )
    an_event(pair.stripe, charge)

    found = by_path(pair, CHARGES, values=True)

    assert found["charge.description"].samples == ("key •••",)
    assert found["charge.client_secret"].samples == ("•••",)
    assert found["charge.secret.inner"].samples == ("•••",)
    assert found["charge.metadata.card"].samples == ("•••",)
    assert "4242" not in str(found["charge.metadata.long"].samples)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(
            {"object": "charge", "metadata": {"": "x", "k" * 600: "y"}}, id="names that are no paths"
        ),
        pytest.param({"object": "charge", "a": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}, id="too deep"),
        pytest.param({"object": "charge", "metadata": {str(n): "x" for n in range(6000)}}, id="too many"),
        pytest.param({"object": "payout"}, id="another object than the type says"),
        pytest.param({}, id="no object"),
    ],
)
def test_an_odd_event_is_no_obstacle(pair, found):
    an_event(pair.stripe, found)

    told = by_path(pair, CHARGES, values=True)

    assert "charge.amount" in told
    assert all(len(path) <= 500 for path in told)


def test_a_body_that_does_not_open_is_passed_over(pair):
    an_event(pair.stripe, a_charge(amount=5))
    spoilt = an_event(pair.stripe)
    spoilt.body = b"nonsense"
    spoilt.save()

    assert by_path(pair, CHARGES, values=True)["charge.amount"].samples == (5,)


def test_only_so_many_events_are_opened(pair):
    for number in range(seen.MOST_EVENTS + 20):
        an_event(pair.stripe, a_charge(amount=number))

    sightings = seen.look([pair.stripe_id], CHARGES)

    assert sightings.events == seen.MOST_EVENTS
    assert sightings.paths["charge.amount"].samples[0] == seen.MOST_EVENTS + 19


def test_looking_ends_in_time(pair, monkeypatch):
    for _ in range(5):
        an_event(pair.stripe)
    clock = itertools.count()
    monkeypatch.setattr(seen, "LONGEST_SECONDS", 2.5)

    assert seen.look([pair.stripe_id], CHARGES, clock=clock.__next__).events == 2


def test_events_of_another_connection_say_nothing_here(pair):
    an_event(pair.salesforce, a_charge())

    assert by_path(pair, CHARGES)["charge.amount"].seen is None


def test_an_environment_stands_for_its_connections(pair):
    an_event(pair.stripe, a_charge(amount=5))
    known(pair.salesforce)

    assert by_path(pair.environment, CHARGES, values=True)["charge.amount"].samples == (5,)
    assert [field.label for field in known_target_fields(pair.environment, "Account")] == ["Account name"]


def test_what_is_known_of_the_target_needs_no_call(pair):
    known(pair.salesforce)

    (field,) = target_fields(pair, "Account", now=NOON)

    assert (field.name, field.length, field.createable, field.updateable) == ("Name", 255, True, False)


def test_a_target_that_was_never_read_says_so(pair):
    with pytest.raises(fields.Unavailable, match="has not been read yet"):
        known_target_fields(pair, "Account")


def test_steps_tell_the_types_of_the_org_as_far_as_they_are_known(pair):
    document = catalogue.load("customers").document
    record = [{"name": "Contact__c", "type": "reference", "label": "Contact"}]
    known(pair.salesforce, {"name": "Stripe_Customer__c", "fields": record}, "Stripe_Customer__c")

    found = {field.path: field for field in step_fields(document, "map_customer", place=pair)}

    assert found["steps.find_known.record.Contact__c"].type == "id"
    assert found["steps.find_known.record.Account__c"].type == "unknown"


def test_what_the_sdk_says_of_objects_in_use_is_kept_once_for_each_release(pair):
    source_fields(pair, CHARGES, now=NOON)
    source_fields(pair, CHARGES, now=NOON)

    kept = SchemaSnapshot.objects.filter(connection=pair.stripe).order_by("object")
    # What is expanded when a charge is read is in use too.
    assert [row.object for row in kept] == ["balance_transaction", "charge", "payment_intent"]
    assert {row.number for row in kept} == {1}


def test_a_process_that_has_just_begun_learns_from_what_is_kept(pair, monkeypatch):
    before = source_fields(pair, CHARGES, now=NOON)
    monkeypatch.setattr(stripe, "_known", {})
    stripe.fields_of.cache_clear()
    monkeypatch.setattr(stripe, "Sdk", None)  # whoever reads the source now fails

    assert source_fields(pair, CHARGES, now=NOON) == before
