"""This module tests what a subscription is told beside its items: pauses, anchors, trials, single items."""

from __future__ import annotations

import pytest
import stripe

from tests.integration.sandbox.stripe.billing_rig import DAY, JANUARY

HOUR = 3600


def test_a_paused_subscription_bills_nothing_and_begins_anew_when_resumed(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    shop.advance(14 * DAY)

    paused = shop.client.v1.subscriptions.pause(made.id)
    shop.advance(40 * DAY)
    resumed = shop.client.v1.subscriptions.resume(made.id)

    assert (paused.status, paused.status_details.paused.subscription.type) == ("paused", "pause_requested")
    assert (resumed.status, resumed.status_details) == ("active", None)
    assert resumed["items"].data[0].current_period_start == JANUARY + 54 * DAY
    # The half month that was not used is taken off the first bill afterwards.
    assert [invoice.amount_paid for invoice in shop.invoices()] == [2800, 1400]
    told = shop.told("customer.subscription.*")
    assert [kind for kind in told if kind.endswith(("paused", "resumed"))] == [
        "customer.subscription.paused",
        "customer.subscription.resumed",
    ]


def test_a_subscription_stays_paused_until_its_first_bill_is_paid_if_that_is_wished(shop):
    ada = shop.customer()
    made = shop.subscribe(ada, shop.price(1000))
    shop.client.v1.subscriptions.pause(made.id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    shop.pays_by(ada, "pm_card_chargeCustomerFail")

    waits = shop.client.v1.subscriptions.resume(made.id, {"payment_behavior": "resume_on_payment_success"})
    shop.pays_by(ada, "pm_card_visa")
    shop.client.v1.invoices.pay(waits.latest_invoice)

    assert (waits.status, shop.client.v1.subscriptions.retrieve(made.id).status) == ("paused", "active")


@pytest.mark.parametrize(("behavior", "status"), [("pause", "paused"), ("cancel", "canceled")])
def test_a_trial_without_a_card_ends_as_it_was_agreed(shop, behavior, status):
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    made = shop.subscribe(shop.customer(card=None), trial_period_days=10, trial_settings=settings)

    shop.advance(11 * DAY)

    ended = shop.client.v1.subscriptions.retrieve(made.id)
    assert (made.status, ended.status, len(shop.invoices())) == ("trialing", status, 1)


def test_a_trial_can_be_made_longer(shop):
    made = shop.subscribe(shop.customer(), shop.price(1000), trial_period_days=10)

    later = shop.client.v1.subscriptions.update(made.id, {"trial_end": JANUARY + 20 * DAY})
    shop.advance(11 * DAY)
    still = shop.client.v1.subscriptions.retrieve(made.id)
    shop.advance(9 * DAY + HOUR)

    assert (later.trial_end, still.status) == (JANUARY + 20 * DAY, "trialing")
    assert [invoice.amount_paid for invoice in shop.invoices()] == [0, 1000]


def test_the_first_bill_is_for_what_is_left_until_the_anchor(shop):
    ada = shop.customer()
    made = shop.subscribe(ada, shop.price(3100), billing_cycle_anchor=JANUARY + 10 * DAY)

    (item,) = made["items"].data
    assert (item.current_period_start, item.current_period_end) == (JANUARY, JANUARY + 10 * DAY)
    assert [invoice.total for invoice in shop.invoices()] == [1000]
    shop.advance(10 * DAY + HOUR)
    assert [invoice.total for invoice in shop.invoices()] == [1000, 3100]


def test_the_cycle_begins_now_if_that_is_wished(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    shop.advance(14 * DAY)

    after = shop.client.v1.subscriptions.update(made.id, {"billing_cycle_anchor": {"type": "now"}})

    assert after.billing_cycle_anchor == JANUARY + 14 * DAY
    assert [invoice.total for invoice in shop.invoices()] == [2800, 1400]


def test_what_is_charged_once_comes_onto_the_first_bill(shop):
    setup = {"currency": "usd", "product": shop.product, "unit_amount": 500}

    made = shop.subscribe(shop.customer(), shop.price(1000), add_invoice_items=[{"price_data": setup}])

    assert shop.client.v1.invoices.retrieve(made.latest_invoice).amount_paid == 1500


def test_single_items_are_made_changed_and_deleted(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    items = shop.client.v1.subscription_items
    shop.advance(14 * DAY)

    added = items.create({"subscription": made.id, "price": shop.price(1400), "metadata": {"line": "802"}})
    changed = items.update(added.id, {"quantity": 3, "proration_behavior": "none"})
    gone = items.delete(added.id, {"proration_behavior": "none"})

    assert (added.metadata.to_dict(), changed.quantity, gone.deleted) == ({"line": "802"}, 3, True)
    waiting = shop.client.v1.invoice_items.list({"pending": True}).data
    assert [entry.amount for entry in waiting] == [700]
    assert shop.told("customer.subscription.updated") == ["customer.subscription.updated"] * 4
    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        items.delete(made["items"].data[0].id)


def test_a_change_counts_since_the_moment_that_is_told(shop):
    made = shop.subscribe(shop.customer(), shop.price(2800))
    item = made["items"].data[0].id
    shop.advance(14 * DAY)
    more = {"items": [{"id": item, "quantity": 2}], "proration_date": JANUARY + 7 * DAY}

    shop.client.v1.subscriptions.update(made.id, more)

    waiting = shop.client.v1.invoice_items.list({"pending": True}).data
    assert sorted(entry.amount for entry in waiting) == [-2100, 4200]
    with pytest.raises(stripe.InvalidRequestError, match="current billing period"):
        shop.client.v1.subscriptions.update(made.id, {**more, "proration_date": JANUARY - DAY})


NESTED = (
    ("subscriptions/{id}", "pause_collection[behavior][x]=1"),
    ("subscriptions/{id}", "pause_collection[behavior]=void&pause_collection[resumes_at][x]=1"),
    ("subscriptions/{id}", "trial_settings[end_behavior][missing_payment_method][x]=1"),
    ("subscriptions/{id}", "payment_settings[save_default_payment_method][x]=1"),
    ("subscriptions/{id}", "billing_cycle_anchor[type][x]=1"),
    ("subscriptions/{id}", "items[0][price][x]=1"),
    ("subscriptions/{id}", "items[0][price_data]=1"),
    ("subscriptions/{id}", "items[0][price]=price_1&items[0][quantity][x]=1"),
    ("subscriptions/{id}", "add_invoice_items[0][price_data][product][x]=1"),
    ("subscriptions/{id}/pause", "bill_for[unused_time_from][type][x]=1"),
    ("subscription_schedules", "customer={customer}&phases[0]=1"),
    ("subscription_schedules", "customer={customer}&phases[0][items][0]=1"),
    ("prices", "product=gold-plan&currency=usd&unit_amount=1&recurring[interval][x]=1"),
    ("payment_links", "line_items[0][price][x]=1"),
    ("checkout/sessions", "mode=payment&success_url=x&line_items[0][quantity][x]=1"),
    ("credit_notes", "invoice={invoice}&lines[0][type][x]=1"),
)


def test_what_is_nested_where_it_should_not_be_is_refused(sandbox, shop):
    made = shop.subscribe(shop.customer())
    known = {"id": made.id, "customer": made.customer, "invoice": made.latest_invoice}

    answers = {
        sent: sandbox.raw("POST", f"/v1/{place.format(**known)}", data=sent.format(**known)).status_code
        for place, sent in NESTED
    }

    assert answers == dict.fromkeys(answers, 400)
    assert shop.client.v1.subscriptions.retrieve(made.id).status == "active"
