"""The id of a record tells of which Stripe object it is made, or that it is of none that is known."""

from __future__ import annotations

import pytest

from flows.steps import savers


@pytest.mark.parametrize(
    ("id", "types", "told"),
    [
        ("cus_Q1a2", {"customer", "invoice"}, "customer"),
        ("sub_sched_Q1a2", {"subscription", "subscription_schedule"}, "subscription_schedule"),
        ("gold_plan", {"product", "invoice"}, "product"),  # merchants may choose it
        ("4711", {"customer"}, "customer"),
        ("4711", {"customer", "product"}, ""),
        ("4711", {"invoice"}, ""),
        ("in_Q1a2", {"customer"}, ""),  # that of an invoice, which no customer has
        ("sub_sched_Q1a2", {"subscription"}, ""),
        ("", {"customer", "product"}, ""),
    ],
)
def test_an_id_tells_the_type_or_nothing(id: str, types: set[str], told: str) -> None:
    assert savers.type_of(id, frozenset(types)) == told


@pytest.mark.parametrize(
    ("types", "made"),
    [
        (["customer.created"], {"customer"}),
        (["customer.deleted", "customer.updated"], {"customer"}),
        (["customer.deleted"], set()),
        (["customer.discount.created"], set()),
        (["charge.updated"], set()),
    ],
)
def test_only_what_starts_in_any_state_counts(types: list[str], made: set[str]) -> None:
    line = {"field": "External_ID__c", "from": ["customer.id"]}
    save = {"object": "Account", "external_id": "External_ID__c", "record": "describe"}
    document = {
        "trigger": {"kind": "stripe.event", "types": types},
        "steps": [
            {"id": "describe", "kind": "map", "settings": {"target": "Account", "lines": [line]}},
            {"id": "save", "kind": "salesforce.upsert", "settings": save},
        ],
    }

    assert savers.made_of(document, "Account") == made
