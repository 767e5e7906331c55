"""This module tests checkout sessions and payment links, and the lever that pays them."""

from __future__ import annotations

import pytest
import stripe

BACK = {"success_url": "https://shop.example/thanks"}
BOOK = {"currency": "usd", "unit_amount": 1500, "product_data": {"name": "Book"}}


def session(client: stripe.StripeClient, **values: object) -> stripe.checkout.Session:
    """Return a session that sells two books."""
    wanted = {"mode": "payment", "line_items": [{"price_data": BOOK, "quantity": 2}], **BACK, **values}
    return client.v1.checkout.sessions.create(wanted)


def told(client: stripe.StripeClient, kind: str) -> list[stripe.Event]:
    return client.v1.events.list({"type": kind}).data


def test_a_session_is_paid_once_and_says_by_whom(sandbox, client):
    data = {"metadata": {"order_id": "7"}}
    made = session(client, metadata={"salesforce_opportunity_id": "006"}, payment_intent_data=data)
    bought = sandbox.turn(f"checkout/sessions/{made.id}/pay", email="eve@acme.test")

    paid = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent", "line_items"]})

    assert made.url.startswith("https://checkout.stripe.com/")
    assert (made.status, made.payment_status, made.amount_total) == ("open", "unpaid", 3000)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.payment_intent.status, paid.payment_intent.amount) == ("succeeded", 3000)
    assert paid.payment_intent.metadata.to_dict() == {"order_id": "7"}
    assert (paid.customer_details.email, paid.customer) == ("eve@acme.test", None)
    assert [(line.description, line.quantity) for line in paid.line_items.data] == [("Book", 2)]
    (event,) = told(client, "checkout.session.completed")
    assert event.data.object.metadata.to_dict() == {"salesforce_opportunity_id": "006"}
    assert bought["payment_intent"] == paid.payment_intent.id
    with pytest.raises(AssertionError, match="status of complete"):
        sandbox.turn(f"checkout/sessions/{made.id}/pay")


def test_a_declined_card_leaves_the_session_open_for_another(sandbox, client):
    made = session(client, customer_creation="always")

    refused = sandbox.turn(f"checkout/sessions/{made.id}/pay", card="pm_card_chargeDeclined")
    then = client.v1.checkout.sessions.retrieve(made.id)
    paid = sandbox.turn(f"checkout/sessions/{made.id}/pay", card="pm_card_authenticationRequired")

    assert (refused["declined"], then.status) == ("Your card was declined.", "open")
    assert [event.type for event in told(client, "charge.failed")] == ["charge.failed"]
    assert (paid["status"], paid["customer"][:4]) == ("complete", "cus_")


def test_a_session_makes_an_invoice_if_that_is_wished(sandbox, client):
    made = session(client, invoice_creation={"enabled": True, "invoice_data": {"metadata": {"a": "1"}}})

    bought = sandbox.turn(f"checkout/sessions/{made.id}/pay")

    invoice = client.v1.invoices.retrieve(bought["invoice"])
    assert (invoice.status, invoice.amount_paid, invoice.metadata.to_dict()) == ("paid", 3000, {"a": "1"})


def test_a_session_subscribes_and_charges_what_is_due_once(sandbox, shop):
    ada = shop.customer(card=None)
    lines = [{"price": shop.price(1000)}, {"price_data": {**BOOK, "product_data": {"name": "Setup"}}}]
    data = {"metadata": {"salesforce_order_id": "801"}}
    made = session(shop.client, mode="subscription", customer=ada, line_items=lines, subscription_data=data)

    bought = sandbox.turn(f"checkout/sessions/{made.id}/pay")

    subscription = shop.client.v1.subscriptions.retrieve(bought["subscription"])
    assert (subscription.status, subscription.customer) == ("active", ada)
    assert subscription.metadata.to_dict() == {"salesforce_order_id": "801"}
    assert subscription.default_payment_method.startswith("pm_")
    assert shop.client.v1.invoices.retrieve(bought["invoice"]).amount_paid == made.amount_total == 2500


def test_a_session_expires_by_hand_or_by_time(sandbox, client, eventually):
    by_hand, by_time = session(client), session(client)

    expired = client.v1.checkout.sessions.expire(by_hand.id)
    sandbox.turn("clock", offset=24 * 3600 + 1)
    eventually(lambda: client.v1.checkout.sessions.retrieve(by_time.id).status == "expired")

    assert (expired.status, expired.url) == ("expired", None)
    assert len(told(client, "checkout.session.expired")) == 2
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        client.v1.checkout.sessions.expire(by_hand.id)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"line_items": []}, id="nothing is sold"),
        pytest.param({"mode": "subscription"}, id="nothing recurs"),
        pytest.param({"customer": "cus_none"}, id="no such customer"),
        pytest.param({"line_items": [{"price_data": {"currency": "usd"}}]}, id="no product"),
        pytest.param({"line_items": [{"price_data": BOOK, "quantity": 0}]}, id="none of it"),
    ],
)
def test_a_session_that_makes_no_sense_is_refused(client, values):
    with pytest.raises(stripe.InvalidRequestError):
        session(client, **values)

    assert client.v1.checkout.sessions.list().data == []


def test_a_link_sells_to_whoever_follows_it_until_it_is_sold_out(sandbox, client):
    price = client.v1.prices.create({"currency": "eur", "unit_amount": 900, "product_data": {"name": "Pen"}})
    link = client.v1.payment_links.create(
        {
            "line_items": [{"price": price.id, "quantity": 3}],
            "metadata": {"order_id": "7"},
            "restrictions": {"completed_sessions": {"limit": 1}},
        }
    )
    bought = sandbox.turn(f"payment_links/{link.id}/pay", email="eve@acme.test")

    made = client.v1.checkout.sessions.retrieve(bought["id"])

    assert link.active
    assert link.url.startswith("https://buy.stripe.com/test_")
    assert (made.payment_link, made.amount_total, made.currency) == (link.id, 2700, "eur")
    assert made.metadata.to_dict() == {"order_id": "7"}
    assert [line.price.id for line in client.v1.payment_links.line_items.list(link.id).data] == [price.id]
    assert not client.v1.payment_links.retrieve(link.id).active
    with pytest.raises(AssertionError, match="not active"):
        sandbox.turn(f"payment_links/{link.id}/pay")


def test_a_link_is_switched_off_and_tells_so(client):
    link = client.v1.payment_links.create({"line_items": [{"price_data": BOOK, "quantity": 1}]})

    off = client.v1.payment_links.update(link.id, {"active": False, "metadata": {"why": "sold"}})

    assert (off.active, off.metadata.to_dict()) == (False, {"why": "sold"})
    (event,) = told(client, "payment_link.updated")
    assert event.data.previous_attributes.to_dict() == {"active": True, "metadata": {"why": None}}
    assert [found.id for found in client.v1.payment_links.list({"active": False}).data] == [link.id]
