"""This module tests products and prices, ids that merchants chose included."""

from __future__ import annotations

import pytest
import stripe


def kinds(client: stripe.StripeClient) -> list[str]:
    """Return the types of all events, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100}).data][::-1]


@pytest.mark.parametrize("chosen", ["gold-plan", "Gold plan 2", "größe: l", "a+b&c=d"])
def test_a_product_may_have_an_id_of_the_merchants_own(client, chosen):
    made = client.v1.products.create({"id": chosen, "name": "Gold"})

    assert made.id == chosen
    assert client.v1.products.retrieve(chosen).name == "Gold"
    assert client.v1.products.update(chosen, {"active": False}).active is False
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.products.create({"id": chosen, "name": "Gold again"})
    assert again.value.code == "resource_already_exists"


def test_a_product_is_made_with_its_default_price(client):
    product = client.v1.products.create(
        {
            "name": "Gold",
            "default_price_data": {
                "currency": "eur",
                "unit_amount": 900,
                "recurring": {"interval": "month"},
            },
            "expand": ["default_price"],
        }
    )

    assert (product.default_price.unit_amount, product.default_price.product) == (900, product.id)
    assert kinds(client) == ["product.created", "price.created", "product.updated"]


def test_a_product_with_prices_stays(client):
    product = client.v1.products.create({"name": "Gold"})
    client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 100})
    lone = client.v1.products.create({"name": "Lone"})

    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        client.v1.products.delete(product.id)
    assert client.v1.products.delete(lone.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        client.v1.products.retrieve(lone.id)


def test_a_price_keeps_its_amount_and_hands_on_its_lookup_key(client):
    product = client.v1.products.create({"name": "Gold"})
    terms = {"product": product.id, "currency": "usd", "lookup_key": "gold"}
    old = client.v1.prices.create({**terms, "unit_amount": 100})

    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.create({**terms, "unit_amount": 200})
    new = client.v1.prices.create({**terms, "unit_amount": 200, "transfer_lookup_key": True})
    with pytest.raises(stripe.InvalidRequestError) as amount:
        client.v1.prices.update(old.id, {"unit_amount": 5})
    client.v1.prices.update(old.id, {"active": False})

    assert amount.value.code == "parameter_unknown"
    assert [price.id for price in client.v1.prices.list({"lookup_keys": ["gold"]}).data] == [new.id]
    assert [price.id for price in client.v1.prices.list({"active": False}).data] == [old.id]
    (event,) = client.v1.events.list({"type": "price.updated"}).data
    assert event.data.previous_attributes.to_dict() == {"active": True}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        pytest.param({"product": "prod_none"}, "product", id="no such product"),
        pytest.param({"currency": "xxx"}, "currency", id="no such currency"),
        pytest.param({"unit_amount": None}, "unit_amount", id="no amount"),
        pytest.param({"recurring": {"interval": "hour"}}, "recurring[interval]", id="no such interval"),
        pytest.param(
            {"recurring": {"interval": "year", "interval_count": 4}},
            "recurring[interval_count]",
            id="more than three years",
        ),
    ],
)
def test_a_wrong_price_is_refused(client, wrong, param):
    product = client.v1.products.create({"name": "Gold"})
    terms = {"product": product.id, "currency": "usd", "unit_amount": 100, **wrong}

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.prices.create({name: value for name, value in terms.items() if value is not None})

    assert refusal.value.param == param


def test_a_default_price_is_not_archived_and_an_archived_one_sells_nothing(client):
    product = client.v1.products.create({"name": "Gold"}).id
    first, second = (
        client.v1.prices.create({"product": product, "currency": "usd", "unit_amount": amount}).id
        for amount in (100, 200)
    )
    client.v1.products.update(product, {"default_price": first})

    with pytest.raises(stripe.InvalidRequestError, match="default price of its product"):
        client.v1.prices.update(first, {"active": False})
    client.v1.products.update(product, {"default_price": second})
    assert client.v1.prices.update(first, {"active": False}).active is False
    with pytest.raises(stripe.InvalidRequestError, match="only accepts active prices"):
        client.v1.payment_links.create({"line_items": [{"price": first, "quantity": 1}]})
    with pytest.raises(stripe.InvalidRequestError, match="at most 20"):
        client.v1.payment_links.create({"line_items": [{"price": second, "quantity": 1}] * 21})
