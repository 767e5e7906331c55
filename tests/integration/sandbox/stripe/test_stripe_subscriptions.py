"""This module tests the life of subscriptions: begun, renewed, changed, paused and ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import stripe

from tests.integration.sandbox.stripe.billing_rig import DAY, JANUARY

HOUR = 3600


def day(second: int) -> str:
    """Return the date of a second."""
    return datetime.fromtimestamp(second, UTC).date().isoformat()


def test_a_subscription_begins_with_a_paid_invoice(shop):
    ada = shop.customer()
    before = len(shop.told())

    made = shop.subscribe(
        ada, shop.price(1000), metadata={"order_id": "7"}, expand=["latest_invoice.payments"]
    )

    invoice = made.latest_invoice
    assert made.status == "active"
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid",
        1000,
        "subscription_create",
    )
    assert invoice.parent.subscription_details.subscription == made.id
    assert invoice.parent.subscription_details.metadata.to_dict() == {"order_id": "7"}
    assert invoice.payments.data[0].payment.payment_intent.startswith("pi_")
    (item,) = made["items"].data
    assert (day(item.current_period_start), day(item.current_period_end)) == ("2026-01-31", "2026-02-28")
    assert "current_period_end" not in made
    told = [kind for kind in shop.told()[before:] if kind != "charge.updated"]  # the fee, at any time
    assert told == [
        "price.created",
        "invoice.created",
        "customer.subscription.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "invoice_payment.paid",
    ]


def test_a_subscription_renews_on_its_day_and_is_paid_an_hour_later(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000))

    shop.advance(28 * DAY)
    renewed = shop.client.v1.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]})
    draft = renewed.latest_invoice
    shop.advance(HOUR)
    invoice = shop.client.v1.invoices.retrieve(draft.id)

    (item,) = renewed["items"].data
    # The last day of the month, and its own day again where there is one.
    assert (day(item.current_period_start), day(item.current_period_end)) == ("2026-02-28", "2026-03-31")
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    assert draft.created == item.current_period_start
    assert (invoice.status, invoice.amount_paid) == ("paid", 1000)
    assert invoice.number.endswith("-0002")


def test_many_periods_pass_one_after_the_other(shop):
    weekly = shop.price(100, "week")
    made = shop.subscribe(shop.customer(), weekly)

    shop.advance(14 * DAY)
    shop.advance(14 * DAY)

    starts = [invoice.created for invoice in shop.invoices(subscription=made.id)]
    assert starts == [JANUARY + 7 * DAY * number for number in range(5)]


def test_a_subscription_without_a_test_clock_renews_by_the_clock_of_everybody(sandbox, shop, eventually):
    customer = shop.client.v1.customers.create({}).id
    shop.pays_by(customer, "pm_card_visa")
    made = shop.subscribe(customer, shop.price(100, "day"))

    sandbox.turn("clock", offset=2 * DAY)
    eventually(lambda: len(shop.invoices(subscription=made.id)) == 3)

    starts = [invoice.created for invoice in shop.invoices(subscription=made.id)]
    assert [start - made.start_date for start in starts] == [0, DAY, 2 * DAY]


def test_a_trial_costs_nothing_warns_and_ends(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000), trial_period_days=10)
    (first,) = shop.invoices()
    assert (made.status, first.status, first.total) == ("trialing", "paid", 0)
    assert "payment_intent.created" not in shop.told()

    shop.advance(7 * DAY)
    assert shop.told("customer.subscription.*")[-1] == "customer.subscription.trial_will_end"
    shop.advance(3 * DAY + HOUR)

    after = shop.client.v1.subscriptions.retrieve(made.id)
    assert after.status == "active"
    assert [invoice.amount_paid for invoice in shop.invoices()] == [0, 1000]
    assert day(after["items"].data[0].current_period_end) == "2026-03-10"


def test_a_trial_can_be_ended_at_once(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000), trial_period_days=10)
    shop.advance(DAY)

    after = shop.client.v1.subscriptions.update(made.id, {"trial_end": "now"})

    assert (after.status, after.trial_end) == ("active", JANUARY + DAY)
    assert day(after["items"].data[0].current_period_end) == "2026-03-01"


def test_a_first_payment_that_is_refused_leaves_it_incomplete_until_it_expires(shop):
    ada = shop.customer("pm_card_chargeCustomerFail")
    made = shop.subscribe(ada)
    assert made.status == "incomplete"

    shop.advance(23 * HOUR)

    assert shop.client.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"
    assert [invoice.status for invoice in shop.invoices()] == ["void"]


def test_a_first_payment_may_be_made_up_for(shop):
    ada = shop.customer("pm_card_chargeCustomerFail")
    made = shop.subscribe(ada)

    shop.pays_by(ada, "pm_card_visa")
    paid = shop.client.v1.invoices.pay(made.latest_invoice)

    assert (paid.status, paid.attempt_count) == ("paid", 2)
    assert shop.client.v1.subscriptions.retrieve(made.id).status == "active"
    shop.advance(23 * HOUR)
    assert shop.client.v1.subscriptions.retrieve(made.id).status == "active"


def test_an_incomplete_subscription_can_be_refused_or_wished_for(shop):
    ada = shop.customer("pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError):
        shop.subscribe(ada, payment_behavior="error_if_incomplete")
    assert shop.client.v1.subscriptions.list({"status": "all"}).data == []
    waiting = shop.subscribe(shop.customer(None), payment_behavior="default_incomplete")

    assert waiting.status == "incomplete"
    assert "payment_intent.succeeded" not in shop.told()


def test_a_customer_without_a_card_cannot_subscribe_but_may_be_sent_invoices(shop):
    ada = shop.customer(None)

    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        shop.subscribe(ada)
    made = shop.subscribe(ada, collection_method="send_invoice", days_until_due=30)

    (invoice,) = shop.invoices()
    assert (made.status, invoice.status) == ("active", "open")
    assert invoice.due_date == JANUARY + 30 * DAY


def test_a_renewal_that_is_refused_is_tried_again_and_then_ends_it(shop):
    ada = shop.customer()
    made = shop.subscribe(ada, shop.price(1000))
    shop.pays_by(ada, "pm_card_chargeCustomerFail")

    shop.advance(28 * DAY + HOUR)
    late = shop.client.v1.subscriptions.retrieve(made.id)
    shop.advance(15 * DAY)
    ended = shop.client.v1.subscriptions.retrieve(made.id)

    assert late.status == "past_due"
    assert shop.told("invoice.payment_failed") == ["invoice.payment_failed"] * 4
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")


def test_a_renewal_that_is_paid_late_makes_it_active_again(shop):
    ada = shop.customer()
    made = shop.subscribe(ada, shop.price(1000))
    shop.pays_by(ada, "pm_card_chargeCustomerFail")
    shop.advance(28 * DAY + HOUR)

    shop.pays_by(ada, "pm_card_visa")
    shop.advance(3 * DAY)

    assert shop.client.v1.subscriptions.retrieve(made.id).status == "active"
    assert [invoice.status for invoice in shop.invoices()] == ["paid", "paid"]


def test_it_ends_with_its_period_if_that_is_wished(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000))

    wished = shop.client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    shop.advance(29 * DAY)
    ended = shop.client.v1.subscriptions.retrieve(made.id)

    assert (wished.status, day(wished.cancel_at)) == ("active", "2026-02-28")
    assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", wished.cancel_at, JANUARY)
    assert len(shop.invoices()) == 1
    assert shop.told("customer.subscription.*")[-1] == "customer.subscription.deleted"


def test_the_wish_to_end_can_be_taken_back(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000))
    shop.client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})

    back = shop.client.v1.subscriptions.update(made.id, {"cancel_at_period_end": False})
    shop.advance(29 * DAY)

    assert (back.cancel_at, back.canceled_at, back.cancellation_details.reason) == (None, None, None)
    assert shop.client.v1.subscriptions.retrieve(made.id).status == "active"
    assert len(shop.invoices()) == 2


def test_it_ends_at_once_and_gives_the_unused_time_back(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    shop.advance(14 * DAY)

    ended = shop.client.v1.subscriptions.cancel(made.id, {"prorate": True, "invoice_now": True})

    assert (ended.status, ended.ended_at) == ("canceled", JANUARY + 14 * DAY)
    assert [invoice.total for invoice in shop.invoices()] == [2800, -1400]
    assert shop.client.v1.customers.retrieve(made.customer).balance == -1400
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        shop.client.v1.subscriptions.cancel(made.id)
    assert shop.client.v1.subscriptions.list().data == []
    assert [found.id for found in shop.client.v1.subscriptions.list({"status": "canceled"}).data] == [made.id]


def test_a_larger_quantity_is_prorated_onto_the_next_invoice(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    item = made["items"].data[0].id
    shop.advance(14 * DAY)

    after = shop.client.v1.subscriptions.update(made.id, {"items": [{"id": item, "quantity": 3}]})
    shop.advance(14 * DAY + HOUR)

    assert after["items"].data[0].quantity == 3
    invoice = shop.invoices()[-1]
    assert sorted(line.amount for line in invoice.lines.data) == [-1400, 4200, 8400]
    assert invoice.amount_paid == 11_200
    prorated = [line.parent.invoice_item_details for line in invoice.lines.data]
    assert [details.proration for details in prorated if details] == [True, True]


@pytest.mark.parametrize(("behavior", "totals"), [("always_invoice", [2800, 1400]), ("none", [2800])])
def test_the_difference_is_invoiced_at_once_or_not_at_all(shop, behavior, totals):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    item = made["items"].data[0].id
    shop.advance(14 * DAY)

    dearer = {"id": item, "price": shop.price(5600)}
    shop.client.v1.subscriptions.update(made.id, {"items": [dearer], "proration_behavior": behavior})

    assert [invoice.total for invoice in shop.invoices()] == totals
    assert shop.client.v1.invoice_items.list({"pending": True}).data == []


def test_items_come_and_go(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    first = made["items"].data[0].id
    other = shop.price(700)

    more = shop.client.v1.subscriptions.update(made.id, {"items": [{"price": other}]})
    less = shop.client.v1.subscriptions.update(made.id, {"items": [{"id": first, "deleted": True}]})

    assert len(more["items"].data) == 2
    assert [item.price.id for item in less["items"].data] == [other]
    listed = shop.client.v1.subscription_items.list({"subscription": made.id}).data
    assert [item.price.id for item in listed] == [other]
    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        shop.client.v1.subscriptions.update(made.id, {"items": [{"id": listed[0].id, "deleted": True}]})
    (event, *_) = shop.client.v1.events.list({"type": "customer.subscription.updated"}).data
    assert "items" in event.data.previous_attributes


def test_of_many_items_a_subscription_shows_the_newest_ten(shop):
    first = shop.price(100)
    made = shop.subscribe(shop.customer(), first)
    prices = [shop.price(200 + number) for number in range(12)]

    after = shop.client.v1.subscriptions.update(made.id, {"items": [{"price": price} for price in prices]})

    assert [item.price.id for item in after["items"].data] == prices[:1:-1]
    assert (made["items"].has_more, after["items"].has_more) == (False, True)
    paged = [item.price.id for item in after["items"].auto_paging_iter()]
    assert paged == [*prices[::-1], first]
    (event, *_) = shop.client.v1.events.list({"type": "customer.subscription.updated"}).data
    assert [item.price.id for item in event.data.object["items"].data] == prices[:1:-1]
    assert event.data.object["items"].has_more


def test_an_item_that_is_not_shown_is_told_of_as_well(shop):
    made = shop.subscribe(shop.customer(), *(shop.price(100 + number) for number in range(13)))
    (*_, last) = shop.client.v1.subscription_items.list({"subscription": made.id, "limit": 100}).data
    before = shop.told("customer.subscription.updated")

    shop.client.v1.subscription_items.delete(last.id)

    assert last.id not in {item.id for item in made["items"].data}
    assert len(shop.told("customer.subscription.updated")) == len(before) + 1


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
def test_while_collection_is_paused_nothing_is_charged(shop, behavior, status):
    made = shop.subscribe(shop.customer(), shop.price(1000))
    paused = shop.client.v1.subscriptions.update(made.id, {"pause_collection": {"behavior": behavior}})

    shop.advance(28 * DAY + HOUR)
    resumed = shop.client.v1.subscriptions.update(made.id, {"pause_collection": ""})

    assert (paused.status, paused.pause_collection.behavior) == ("active", behavior)
    assert [invoice.status for invoice in shop.invoices()] == ["paid", status]
    assert resumed.pause_collection is None


def test_everything_about_a_subscription_is_expanded_in_one_call(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000))

    found = shop.client.v1.subscriptions.retrieve(
        made.id, {"expand": ["items.data.price.product", "customer", "latest_invoice"]}
    )

    assert found["items"].data[0].price.product.name == "Gold"
    assert (found.customer.name, found.latest_invoice.status) == ("Ada", "paid")


@pytest.mark.parametrize("items", [[], [{"price": "price_none"}], [{"quantity": 2}]])
def test_a_subscription_to_nothing_is_refused(shop, items):
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscriptions.create({"customer": shop.customer(), "items": items})


def test_deleting_a_customer_ends_their_subscriptions(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000))

    shop.client.v1.customers.delete(made.customer)

    assert shop.client.v1.subscriptions.retrieve(made.id).status == "canceled"


def test_a_clock_goes_forward_only_and_not_too_far(shop):
    clocks = shop.client.v1.test_helpers.test_clocks
    shop.subscribe(shop.customer(), shop.price(100, "week"))

    for target in (JANUARY, JANUARY + 60 * DAY):
        with pytest.raises(stripe.InvalidRequestError):
            clocks.advance(shop.clock, {"frozen_time": target})
    assert clocks.delete(shop.clock).deleted
    assert shop.client.v1.customers.list().data == []
    assert shop.client.v1.subscriptions.list().data == []
