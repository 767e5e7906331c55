"""This module tests credit notes, sent invoices and changed invoice items."""

from __future__ import annotations

import pytest
import stripe

from tests.integration.sandbox.stripe.billing_rig import DAY


@pytest.fixture
def ada(shop) -> str:
    """Return a customer with a card and an address."""
    return shop.customer(email="ada@acme.test")


def final(shop, customer: str, *amounts: int, **values: object) -> stripe.Invoice:
    """Return a final invoice with lines of these amounts."""
    made = shop.client.v1.invoices.create({"customer": customer, **values})
    for amount in amounts:
        line = {"customer": customer, "invoice": made.id, "amount": amount, "currency": "usd"}
        shop.client.v1.invoice_items.create(line)
    return shop.client.v1.invoices.finalize_invoice(made.id)


def test_an_open_invoice_is_owed_less_until_the_credit_note_is_void(shop, ada):
    invoice = final(shop, ada, 700, 300)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 200}
    notes, found = shop.client.v1.credit_notes, shop.client.v1.invoices.retrieve

    note = notes.create({"invoice": invoice.id, "lines": [line], "metadata": {"case": "500"}})
    less = found(invoice.id)
    void = notes.void_credit_note(note.id)

    assert (note.status, note.type, note.amount) == ("issued", "pre_payment", 200)
    assert note.number == f"{invoice.number}-CN-01"
    assert (less.amount_remaining, less.pre_payment_credit_notes_amount) == (800, 200)
    assert (void.status, found(invoice.id).amount_remaining) == ("void", 1000)
    assert shop.told("credit_note.*") == ["credit_note.created", "credit_note.voided"]


def test_an_invoice_that_is_credited_in_full_is_paid(shop, ada):
    invoice = final(shop, ada, 1000)

    shop.client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1000})

    paid = shop.client.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.amount_paid, paid.amount_due) == ("paid", 0, 0)


def test_of_a_paid_invoice_the_money_is_given_back(shop, ada):
    invoice = final(shop, ada, 1000)
    shop.client.v1.invoices.pay(invoice.id)
    ways = {"refund_amount": 300, "credit_amount": 100, "out_of_band_amount": 50}
    notes = shop.client.v1.credit_notes

    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        notes.create({"invoice": invoice.id, "amount": 450})
    note = notes.create({"invoice": invoice.id, "amount": 450, **ways, "reason": "order_change"})
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        notes.create({"invoice": invoice.id, "amount": 551, "credit_amount": 551})

    assert (note.type, note.refunds[0].amount_refunded) == ("post_payment", 300)
    assert shop.client.v1.refunds.retrieve(note.refunds[0].refund).amount == 300
    assert shop.client.v1.customers.retrieve(ada).balance == -100
    assert [found.id for found in notes.list({"invoice": invoice.id}).data] == [note.id]


def test_an_invoice_is_sent_to_whoever_pays_by_hand(shop, ada):
    terms = {"collection_method": "send_invoice", "days_until_due": 14}
    draft = shop.client.v1.invoices.create({"customer": ada, **terms})

    sent = shop.client.v1.invoices.send_invoice(draft.id)

    assert (draft.status, sent.status, sent.due_date) == ("draft", "paid", sent.created + 14 * DAY)
    assert shop.told("invoice.sent") == ["invoice.sent"]
    with pytest.raises(stripe.InvalidRequestError, match="collection method"):
        shop.client.v1.invoices.send_invoice(final(shop, ada, 100).id)


def test_a_line_of_a_draft_is_changed_by_its_invoice_item(shop, ada):
    draft = shop.client.v1.invoices.create({"customer": ada})
    line = {"customer": ada, "invoice": draft.id, "amount": 500, "currency": "usd"}
    item = shop.client.v1.invoice_items.create(line)

    changed = shop.client.v1.invoice_items.update(item.id, {"amount": 700, "metadata": {"a": "1"}})

    assert (changed.amount, changed.metadata.to_dict()) == (700, {"a": "1"})
    assert shop.client.v1.invoices.retrieve(draft.id).total == 700
    shop.client.v1.invoices.finalize_invoice(draft.id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoice_items.update(item.id, {"amount": 1})
