"""What Stripe's writes take is offered while somebody types, without asking anybody."""

from __future__ import annotations

import pytest

from flows.offering import Asked, offers
from tests.fakes import NOON


def offered(kind: str, of: str, typed: str) -> list[str]:
    found = offers(kind, typed, Asked(pair=None, of=of, now=NOON, paths=lambda: ()))
    assert not found.trouble
    return [one.value for one in found.offers]


@pytest.mark.parametrize(
    ("kind", "of", "typed", "first"),
    [
        pytest.param("stripe_creation", "price", "", "currency", id="what is required comes first"),
        pytest.param("stripe_creation", "customer", "address city", "address.city", id="a part"),
        pytest.param("stripe_creation", "subscription", "items price", "items[0].price", id="in a list"),
        pytest.param("stripe_creation", "refund", "metadata", "metadata.key", id="metadata"),
        pytest.param("stripe_changes", "subscription", "prorat", "proration_behavior", id="a change"),
        pytest.param("stripe_acts", "dispute.submit", "product", "evidence.product_description", id="an act"),
        pytest.param("stripe_filters", "customer", "", "email", id="a filter"),
        pytest.param("stripe_list_filters", "charge", "creat", "created", id="a filter of a list"),
    ],
)
def test_parameters_are_offered_by_what_is_written(kind, of, typed, first):
    assert first in offered(kind, of, typed)[:3]


def test_what_makes_an_act_what_it_is_is_no_question():
    assert offered("stripe_acts", "subscription.cancel_later", "comment") == ["cancellation_details.comment"]
    assert offered("stripe_acts", "subscription.cancel_later", "cancel_at") == []
