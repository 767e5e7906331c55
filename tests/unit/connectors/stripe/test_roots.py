"""Several objects feed one payment, and it has one root."""

from __future__ import annotations

import pytest

from connectors.stripe.places import PLACES
from connectors.stripe.roots import Root, reading_of, root_of, roots_from


@pytest.mark.parametrize(
    ("thing", "root"),
    [
        pytest.param(
            {"object": "payment_intent", "id": "pi_1"}, ("payment_intent", "pi_1"), id="an intent is a root"
        ),
        pytest.param(
            {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
            ("payment_intent", "pi_1"),
            id="its charge",
        ),
        pytest.param(
            {"object": "charge", "id": "ch_1", "payment_intent": None}, ("charge", "ch_1"), id="a lone charge"
        ),
        pytest.param(
            {"object": "charge", "id": "ch_1", "payment_intent": {"id": "pi_2", "object": "payment_intent"}},
            ("payment_intent", "pi_2"),
            id="an expanded intent",
        ),
        pytest.param(
            {"object": "refund", "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"},
            ("payment_intent", "pi_1"),
            id="a refund belongs to the intent",
        ),
        pytest.param(
            {"object": "refund", "id": "re_1", "charge": "ch_1"}, ("charge", "ch_1"), id="or to the charge"
        ),
        pytest.param(
            {"object": "dispute", "id": "du_1", "charge": "ch_1"}, ("charge", "ch_1"), id="a dispute too"
        ),
        pytest.param(
            {
                "object": "invoice",
                "id": "in_1",
                "parent": {"subscription_details": {"subscription": "sub_1"}},
            },
            ("invoice", "in_1"),
            id="a subscription's invoice has its own lane",
        ),
        pytest.param(
            {"object": "invoice_payment", "id": "inpay_1", "invoice": "in_1"},
            ("invoice", "in_1"),
            id="a payment of an invoice belongs to the invoice",
        ),
        pytest.param(
            {"object": "subscription_item", "id": "si_1", "subscription": "sub_1"},
            ("subscription", "sub_1"),
            id="an item belongs to its subscription",
        ),
        pytest.param(
            {"object": "price", "id": "price_1", "product": "gold plan"},
            ("price", "price_1"),
            id="a price is a root",
        ),
        pytest.param(
            {"object": "customer", "id": "cus_1"}, ("customer", "cus_1"), id="anything else is itself"
        ),
    ],
)
def test_an_object_leads_to_its_root(thing, root):
    assert root_of(thing) == Root(*root)


@pytest.mark.parametrize("thing", [{}, {"object": "charge"}, {"id": "ch_1"}, {"object": 5, "id": "x"}])
def test_something_that_is_no_object_has_no_root(thing):
    with pytest.raises(ValueError, match="no Stripe object"):
        root_of(thing)


def test_a_root_is_read_with_what_the_mapping_needs():
    assert reading_of("payment_intent") == ("payment_intent", ["latest_charge.balance_transaction"])
    assert reading_of("charge") == ("charge", ["balance_transaction"])
    assert reading_of("customer") == ("customer", [])
    assert reading_of("invoice") == ("invoice", ["payments"])
    assert reading_of("subscription") == ("subscription", ["items.data.price.product"])


def test_nothing_is_expanded_deeper_than_stripe_allows():
    assert all(path.count(".") < 4 for kind in PLACES for path in reading_of(kind)[1])


def test_a_fetched_price_brings_its_product():
    product = {"object": "product", "id": "gold plan"}
    price = {"object": "price", "id": "price_1", "product": product}

    assert roots_from(price) == {"price": price, "product": product}


def test_a_fetched_product_brings_its_default_price():
    price = {"object": "price", "id": "price_1", "product": "gold plan"}
    product = {"object": "product", "id": "gold plan", "default_price": price}

    assert reading_of("product") == ("product", ["default_price"])
    assert roots_from(product) == {"product": product, "price": price}


def test_a_fetched_intent_brings_its_charge():
    charge = {"object": "charge", "id": "ch_1"}
    intent = {"object": "payment_intent", "id": "pi_1", "latest_charge": charge}

    assert roots_from(intent) == {"payment_intent": intent, "charge": charge}


@pytest.mark.parametrize("latest", ["ch_1", None])
def test_a_charge_that_was_not_expanded_is_not_offered(latest):
    intent = {"object": "payment_intent", "id": "pi_1", "latest_charge": latest}

    assert roots_from(intent) == {"payment_intent": intent}
