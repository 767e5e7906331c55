"""This module tests customers and payment methods of the simulated Stripe, and its lists."""

from __future__ import annotations

import pytest
import stripe


def test_a_customer_can_be_made_changed_and_found_by_email(client):
    ada = client.v1.customers.create(
        {"name": "Ada", "email": "ada@example.com", "metadata": {"a": "1", "b": "2"}}
    )

    client.v1.customers.update(ada.id, {"phone": "+44", "name": "", "metadata": {"b": "", "c": "3"}})

    (found,) = client.v1.customers.list({"email": "ada@example.com"}).data
    assert (found.id, found.name, found.phone) == (ada.id, None, "+44")
    assert found.metadata.to_dict() == {"a": "1", "c": "3"}
    assert client.v1.customers.list({"email": "ADA@example.com"}).data == []


def test_a_deleted_customer_leaves_a_stub(client):
    ada = client.v1.customers.create({"payment_method": "pm_card_visa"})

    assert client.v1.customers.delete(ada.id).deleted

    assert client.v1.customers.retrieve(ada.id).to_dict() == {
        "id": ada.id,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.update(ada.id, {"name": "Ada"})


def test_a_payment_method_is_attached_listed_and_detached(client):
    ada = client.v1.customers.create({})

    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})

    assert [item.id for item in client.v1.payment_methods.list({"customer": ada.id}).data] == [method.id]
    assert [item.id for item in client.v1.customers.payment_methods.list(ada.id).data] == [method.id]
    assert client.v1.payment_methods.detach(method.id).customer is None
    assert client.v1.payment_methods.list({"customer": ada.id}).data == []


def test_the_bank_is_asked_when_a_card_is_attached(client):
    ada = client.v1.customers.create({})

    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": ada.id})

    assert caught.value.error.decline_code == "generic_decline"
    assert (
        client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": ada.id}).customer
        == ada.id
    )


def test_a_card_number_is_taken_from_nobody(client):
    with pytest.raises(stripe.StripeError, match="generally unsafe"):
        client.v1.payment_methods.create({"type": "card", "card": {"number": "4242424242424242"}})


def test_pages_hold_every_customer_once_newest_first(client):
    made = [client.v1.customers.create({}).id for _ in range(25)]

    first = client.v1.customers.list()
    walked = [item.id for item in client.v1.customers.list({"limit": 7}).auto_paging_iter()]

    assert len(first.data) == 10
    assert first.has_more
    assert walked == made[::-1]


def test_a_page_before_a_cursor_holds_the_nearest_newer_ones(client):
    made = [client.v1.customers.create({}).id for _ in range(6)]

    page = client.v1.customers.list({"ending_before": made[1], "limit": 2})

    assert [item.id for item in page.data] == [made[3], made[2]]
    assert page.has_more
    assert not client.v1.customers.list({"ending_before": made[3], "limit": 2}).has_more


def test_customers_are_filtered_by_when_they_were_made(sandbox, client):
    old = client.v1.customers.create({})
    sandbox.turn("clock", offset=3600)
    new = client.v1.customers.create({})

    assert [item.id for item in client.v1.customers.list({"created": {"gt": old.created}}).data] == [new.id]
    assert [item.id for item in client.v1.customers.list({"created": old.created}).data] == [old.id]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        pytest.param({"limit": 0}, "limit", "parameter_invalid_integer", id="no rows"),
        pytest.param({"limit": 101}, "limit", "parameter_invalid_integer", id="too many rows"),
        pytest.param(
            {"starting_after": "cus_none"}, "starting_after", "resource_missing", id="a cursor of nothing"
        ),
        pytest.param({"hat": "red"}, "hat", "parameter_unknown", id="an unknown filter"),
    ],
)
def test_a_wrong_page_is_refused(client, params, param, code):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list(params)

    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        pytest.param({f"k{number}": "v" for number in range(51)}, "up to 50", id="51 keys"),
        pytest.param({"k" * 41: "v"}, "up to 40 characters", id="a long key"),
        pytest.param({"k": "v" * 501}, "up to 500 characters", id="a long value"),
    ],
)
def test_metadata_has_its_limits(client, metadata, text):
    with pytest.raises(stripe.InvalidRequestError, match=text):
        client.v1.customers.create({"metadata": metadata})


def test_metadata_can_be_cleared_at_once(client):
    ada = client.v1.customers.create({"metadata": {"a": "1"}})

    assert client.v1.customers.update(ada.id, {"metadata": ""}).metadata.to_dict() == {}


def test_any_text_survives(client):
    name = 'Zoë "Zed" O\'Connor 👩‍👩‍👧 \u202eevil <script>&amp; ﷽ a+b%20=c'

    ada = client.v1.customers.create({"name": name, "metadata": {"order[id]".replace("[id]", ".id"): name}})

    assert client.v1.customers.retrieve(ada.id).name == name
    assert ada.metadata["order.id"] == name


def test_what_cannot_be_an_email_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"email": "ada at example"})

    assert caught.value.code == "email_invalid"
