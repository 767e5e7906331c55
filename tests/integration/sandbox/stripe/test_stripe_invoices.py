"""This module tests invoices made by hand: drafts, lines by the page, payment and other ends."""

from __future__ import annotations

import pytest
import stripe


@pytest.fixture
def ada(shop) -> str:
    """Return a customer with a card."""
    return shop.customer(email="ada@acme.test")


def draft(shop, customer: str, *amounts: int, **values: object) -> stripe.Invoice:
    """Return a draft with lines of these amounts."""
    made = shop.client.v1.invoices.create({"customer": customer, **values})
    for amount in amounts:
        line = {"customer": customer, "invoice": made.id, "amount": amount, "currency": "usd"}
        shop.client.v1.invoice_items.create({**line, "description": f"Line {amount}"})
    return shop.client.v1.invoices.retrieve(made.id)


def test_an_invoice_is_drafted_finalized_and_paid(shop, ada):
    made = draft(shop, ada, 700, 300, metadata={"order_id": "7"})
    final = shop.client.v1.invoices.finalize_invoice(made.id)
    paid = shop.client.v1.invoices.pay(made.id, {"expand": ["payments"]})

    assert (made.status, made.number, made.amount_due, made.customer_email) == (
        "draft", None, 1000, "ada@acme.test"
    )  # fmt: skip
    assert (final.status, final.amount_remaining) == ("open", 1000)
    assert final.number.endswith("-0001")
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    intent = shop.client.v1.payment_intents.retrieve(paid.payments.data[0].payment.payment_intent)
    assert (intent.status, intent.amount, intent.customer) == ("succeeded", 1000, ada)
    (linked,) = shop.client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    ).data
    assert (linked.invoice, linked.status, linked.amount_paid) == (made.id, "paid", 1000)


def test_many_lines_are_shown_in_part_and_paged(shop, ada):
    made = draft(shop, ada, *range(101, 126))

    shown = shop.client.v1.invoices.retrieve(made.id)
    pages = shop.client.v1.invoices.line_items.list(made.id, {"limit": 10})

    assert shown.total == sum(range(101, 126))
    assert (len(shown.lines.data), shown.lines.has_more) == (10, True)
    assert [line.id for line in shown.lines.data] == [line.id for line in pages.data]
    walked = [line.amount for line in pages.auto_paging_iter()]
    assert sorted(walked) == list(range(101, 126))
    assert [line.amount for line in shown.lines.auto_paging_iter()] == walked


def test_what_waits_for_an_invoice_comes_onto_it_when_asked(shop, ada):
    waiting = {"customer": ada, "amount": 500, "currency": "eur"}
    item = shop.client.v1.invoice_items.create(waiting)

    without = shop.client.v1.invoices.create({"customer": ada})
    include = {"customer": ada, "pending_invoice_items_behavior": "include"}
    made = shop.client.v1.invoices.create(include)

    assert (without.total, made.total, made.currency) == (0, 500, "eur")
    assert shop.client.v1.invoice_items.retrieve(item.id).invoice == made.id
    shop.client.v1.invoice_items.delete(item.id)
    assert shop.client.v1.invoices.retrieve(made.id).total == 0


def test_a_payment_that_is_refused_leaves_it_open(shop):
    bob = shop.customer("pm_card_chargeCustomerFail")
    made = draft(shop, bob, 1000)

    with pytest.raises(stripe.CardError):
        shop.client.v1.invoices.pay(made.id)
    refused = shop.client.v1.invoices.retrieve(made.id)
    paid = shop.client.v1.invoices.pay(made.id, {"payment_method": "pm_card_visa"})

    assert (refused.status, refused.attempted, refused.attempt_count) == ("open", True, 1)
    assert (paid.status, paid.attempt_count) == ("paid", 2)
    told = shop.told("invoice.*")
    assert "invoice.payment_failed" in told
    assert told[-1] == "invoice.payment_succeeded"


def test_money_from_elsewhere_pays_it_too(shop, ada):
    paid = shop.client.v1.invoices.pay(draft(shop, ada, 1000).id, {"paid_out_of_band": True})

    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 1000, 1000)
    assert shop.told("payment_intent.*") == []
    assert shop.told("invoice.paid") == ["invoice.paid"]
    assert shop.told("invoice.payment_succeeded") == []


def test_it_is_voided_or_given_up(shop, ada):
    made = [draft(shop, ada, 1000).id for _ in range(2)]
    with pytest.raises(stripe.InvalidRequestError) as early:
        shop.client.v1.invoices.void_invoice(made[0])
    for invoice in made:
        shop.client.v1.invoices.finalize_invoice(invoice)

    void = shop.client.v1.invoices.void_invoice(made[0])
    lost = shop.client.v1.invoices.mark_uncollectible(made[1])
    found = shop.client.v1.invoices.pay(made[1])

    assert early.value.code == "invoice_not_editable"
    assert (void.status, lost.status, found.status) == ("void", "uncollectible", "paid")
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.pay(made[0])


def test_a_draft_may_be_changed_and_deleted_and_nothing_else(shop, ada):
    made = draft(shop, ada, 1000)
    shop.client.v1.invoices.update(made.id, {"description": "For books"})
    final = draft(shop, ada, 500)
    shop.client.v1.invoices.finalize_invoice(final.id)

    assert shop.client.v1.invoices.delete(made.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such invoice"):
        shop.client.v1.invoices.retrieve(made.id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.delete(final.id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.update(final.id, {"days_until_due": 3})


def test_a_credit_is_used_before_the_card(shop, ada):
    shop.client.v1.customers.update(ada, {"balance": -400})
    made = draft(shop, ada, 1000)

    final = shop.client.v1.invoices.finalize_invoice(made.id)

    assert (final.starting_balance, final.ending_balance, final.amount_due) == (-400, 0, 600)
    assert shop.client.v1.customers.retrieve(ada).balance == 0


def test_invoices_are_found_by_what_they_are(shop, ada):
    bob = shop.customer()
    made = shop.subscribe(bob, shop.price(1000))
    mine = draft(shop, ada, 100)

    assert [found.id for found in shop.invoices(customer=ada)] == [mine.id]
    assert [found.id for found in shop.invoices(status="paid")] == [made.latest_invoice]
    assert [found.id for found in shop.invoices(subscription=made.id)] == [made.latest_invoice]
