"""This module tests subscription schedules: phases that follow each other, and each way in which they end."""

from __future__ import annotations

import pytest
import stripe

from tests.integration.sandbox.stripe.billing_rig import DAY, JANUARY

HOUR = 3600


@pytest.fixture
def prices(shop) -> tuple[str, str]:
    """Return a cheap and a dear monthly price."""
    return shop.price(1000), shop.price(3000)


def schedule(shop, *phases: dict[str, object], **values: object) -> stripe.SubscriptionSchedule:
    """Return a schedule of a new customer that starts now."""
    wanted = {"customer": shop.customer(), "start_date": "now", "phases": list(phases), **values}
    return shop.client.v1.subscription_schedules.create(wanted)


def phase(price: str, months: int = 1, **values: object) -> dict[str, object]:
    """Return a phase of so many months."""
    lasting = {"interval": "month", "interval_count": months}
    return {"items": [{"price": price, "quantity": 2}], "duration": lasting, **values}


def subscribed(shop, made: stripe.SubscriptionSchedule) -> stripe.Subscription:
    return shop.client.v1.subscriptions.retrieve(made.subscription)


def test_each_phase_is_billed_at_its_price_and_then_the_subscription_runs_on(shop, prices):
    cheap, dear = prices
    made = schedule(shop, phase(cheap, metadata={"step": "1"}), phase(dear, metadata={"step": "2"}))
    first = subscribed(shop, made)
    before = len(shop.told())

    shop.advance(28 * DAY + HOUR)
    second = subscribed(shop, made)
    shop.advance(31 * DAY + HOUR)
    after = shop.client.v1.subscription_schedules.retrieve(made.id)
    third = shop.client.v1.subscriptions.retrieve(first.id)

    assert (made.status, made.current_phase.start_date, first.schedule) == ("active", JANUARY, made.id)
    assert [item.price.id for item in second["items"].data] == [dear]
    assert [dict(found.metadata.to_dict()) for found in (first, second)] == [{"step": "1"}, {"step": "2"}]
    assert [invoice.amount_paid for invoice in shop.invoices()] == [2000, 6000, 6000]
    assert (after.status, after.released_subscription, after.subscription) == ("released", first.id, None)
    assert (third.status, third.schedule) == ("active", None)
    told = [kind for kind in shop.told()[before:] if kind.startswith("subscription_schedule")]
    assert told == [
        "subscription_schedule.updated",
        "subscription_schedule.expiring",
        "subscription_schedule.released",
    ]


def test_a_change_in_the_middle_of_a_period_is_prorated(shop, prices):
    cheap, dear = prices
    ends = {"end_date": JANUARY + 14 * DAY}
    schedule(shop, {"items": [{"price": cheap}], **ends}, phase(dear, proration_behavior="always_invoice"))

    shop.advance(14 * DAY)

    # Half of a month of 28 days: 2 x 15.00 for what comes, less 5.00 for what is not used.
    assert [invoice.total for invoice in shop.invoices()] == [1000, 2500]


def test_it_waits_for_its_start_and_cancels_the_subscription_at_its_end(shop, prices):
    made = schedule(
        shop, phase(prices[0]), start_date=JANUARY + 5 * DAY, end_behavior="cancel", metadata={"order": "7"}
    )
    waiting = shop.client.v1.subscription_schedules.list({"scheduled": True}).data

    shop.advance(5 * DAY)
    begun = shop.client.v1.subscription_schedules.retrieve(made.id)
    shop.advance(28 * DAY)
    ended = shop.client.v1.subscription_schedules.retrieve(made.id)

    assert (made.status, made.subscription, [found.id for found in waiting]) == (
        "not_started", None, [made.id]
    )  # fmt: skip
    assert (begun.status, ended.status) == ("active", "completed")
    assert shop.client.v1.subscriptions.retrieve(begun.subscription).status == "canceled"
    assert len(shop.invoices()) == 1


def test_a_running_subscription_is_put_under_a_schedule_and_changed_by_it(shop, prices):
    cheap, dear = prices
    running = shop.subscribe(shop.customer(), cheap)
    schedules = shop.client.v1.subscription_schedules
    made = schedules.create({"from_subscription": running.id})
    kept = {"items": [{"price": cheap}], "start_date": JANUARY, "end_date": made.phases[0].end_date}

    changed = schedules.update(made.id, {"phases": [kept, phase(dear)], "end_behavior": "cancel"})
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        shop.client.v1.subscriptions.update(running.id, {"cancel_at_period_end": True})
    shop.advance(28 * DAY + HOUR)

    assert ([len(found.phases) for found in (made, changed)], changed.end_behavior) == ([1, 2], "cancel")
    assert [invoice.amount_paid for invoice in shop.invoices()] == [1000, 6000]
    (event, *_) = shop.client.v1.events.list({"type": "subscription_schedule.updated"}).data[::-1]
    assert set(event.data.previous_attributes.to_dict()) == {"end_behavior", "phases"}


@pytest.mark.parametrize(
    ("verb", "status", "left"), [("cancel", "canceled", "canceled"), ("release", "released", "active")]
)
def test_it_is_canceled_with_its_subscription_or_released_without(shop, prices, verb, status, left):
    made = schedule(shop, phase(prices[0]))

    ended = getattr(shop.client.v1.subscription_schedules, verb)(made.id)

    assert (ended.status, subscribed(shop, made).status) == (status, left)
    with pytest.raises(stripe.InvalidRequestError, match=f"currently in the `{status}`"):
        shop.client.v1.subscription_schedules.cancel(made.id)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"phases": []}, id="no phases"),
        pytest.param({"phases": [{"items": [{"price": "price_none"}]}]}, id="no such price"),
        pytest.param({"phases": [{"items": []}]}, id="no items"),
        pytest.param({"start_date": "soon"}, id="no time"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(shop, prices, values):
    with pytest.raises(stripe.InvalidRequestError):
        schedule(shop, **({"phases": [phase(prices[0])]} | values))

    assert shop.client.v1.subscription_schedules.list().data == []
    assert shop.client.v1.subscriptions.list().data == []
