"""This module tests that the objects of the simulated org fit together."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.sandbox.salesforce import integration_objects, standard_objects
from connectors.sandbox.salesforce.fields import readable, whole_object

OBJECTS = [whole_object(thing) for thing in (*standard_objects.OBJECTS, *integration_objects.OBJECTS)]
NAMES = {thing.name for thing in OBJECTS}


def test_key_prefixes_are_unique():
    assert max(Counter(thing.prefix for thing in OBJECTS).values()) == 1


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: thing.name)
def test_fields_and_relations_are_named_once(thing):
    names = Counter(field.name.lower() for field in thing.fields)
    relations = Counter(field.relationship.lower() for field in thing.fields if field.relationship)

    assert set(names.values()) == {1}
    assert set(relations.values()) <= {1}


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: thing.name)
def test_look_ups_lead_to_simulated_objects(thing):
    assert {target for field in thing.fields for target in field.refers_to} <= NAMES


@pytest.mark.parametrize("name", ["Account", "Contact", "Opportunity", "Order", "Case"])
def test_what_the_integration_creates_carries_its_key(name):
    thing = next(thing for thing in OBJECTS if thing.name == name)
    key = next(field for field in thing.fields if field.name == "Integration_Key__c")

    assert (key.external_id, key.unique, key.length) == (True, True, 255)


@pytest.mark.parametrize(
    ("name", "label"),
    [("Stripe_Customer__c", "Stripe Customer"), ("BillingCity", "Billing City"), ("AccountId", "Account ID")],
)
def test_labels_come_from_names(name, label):
    assert readable(name) == label
