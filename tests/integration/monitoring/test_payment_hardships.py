"""Payments that are told out of order, or while something fails, are neither lost nor counted twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from flows.models import Change, Event, Pair
from monitoring import payment_following, payments
from monitoring.models import Payment, PaymentSum
from tests.builders import NOON, a_pair
from tests.integration.monitoring.test_payments import follow, saved, shown, told

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def pair() -> Pair:
    return a_pair()


def test_a_list_has_what_was_told_before_payments_of_a_long_walk(pair: Pair) -> None:
    midnight = payments.begins(pair.environment.workspace, "today", now=NOON)
    common = {"connection": pair.stripe, "amount": 1, "currency": "EUR", "last_event": 1}
    for number in range(8):
        Payment.objects.create(key=f"pi_today_{number}", told_at=midnight + MINUTE, **common)
    for number in range(8):  # all events of a walk are received when it begins
        Payment.objects.create(key=f"pi_walked_{number}", told_at=midnight - 20 * MINUTE, **common)
    Payment.objects.create(key="pi_noon", told_at=NOON, **common)

    assert payments.listed(pair.environment, payments.Choice(period="today"), now=NOON).count() == 9


def test_a_failure_between_two_portions_loses_nothing_and_doubles_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = payment_following.Follower()
    follow(follower)
    for number in range(5):
        told(pair, f"{number}", 100)
        saved(pair, f"{number}", 100)
    monkeypatch.setattr(payment_following, "PORTION", 2)
    take_in, calls = payment_following._take_in, []

    def fails_at_the_third(told: Any) -> Any:
        calls.append(told)
        taken = take_in(told)
        if len(calls) == 3:
            raise DatabaseError
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(payment_following, "_take_in", fails_at_the_third)
        with pytest.raises(DatabaseError):
            follow(follower)
    before = Change.objects.filter(kind="payments").count()

    follow(follower)

    assert shown(pair)["EUR"] == {"told": (500, 5), "confirmed": (500, 5)}
    assert sum(PaymentSum.objects.values_list("payments", flat=True)) == 5
    assert Change.objects.filter(kind="payments").count() == before + 1


def test_what_a_long_walk_commits_behind_live_events_is_not_missed(pair: Pair) -> None:
    follower, began = payment_following.Follower(), NOON - 10 * MINUTE
    follow(follower)
    for number in range(4):
        told(pair, f"walked_{number}", received_at=began, origin="walk")
    late = told(pair, "late", received_at=began, origin="walk")
    Event.objects.filter(pk=late.pk).update(type="not yet")
    told(pair, "live", received_at=NOON)
    follow(follower)
    Event.objects.filter(pk=late.pk).update(type="charge.succeeded")

    follow(follower, NOON + MINUTE / 60)

    assert shown(pair)["EUR"]["told"] == (6000, 6)
