"""Payments by REST: the sums are part of health, and each payment stands once in the list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import Payment
from monitoring.payment_following import Told, settle, take_in
from tests.builders import a_connection, an_environment
from tests.integration.flows.given import an_event


@pytest.fixture
def told(stage):
    now = timezone.now()
    other = a_connection(name="Another", environment=an_environment("qa", stage.stripe.environment.workspace))
    an_event(stage.stripe, {"id": "ch_dead", "object": "charge"}, fate="dead")
    rows = [
        (stage.stripe, "pi_dead", "ch_dead", 100, "EUR"),
        (stage.stripe, "pi_left", "ch_left", 250, "EUR"),
        (other, "pi_there", "ch_there", 4000, "JPY"),
    ]
    payments = take_in(
        [Told(number, place.pk, key, *what, now) for number, (place, key, *what) in enumerate(rows)]
    )
    settle(payments)
    return now


def test_health_has_the_sums_by_environment_currency_and_period(admin, told):
    found = admin.get("health/").json()["payments"]

    assert [(one["environment"], one["period"], one["currency"]) for one in found] == [
        ("dev", "today", "EUR"),
        ("dev", "30d", "EUR"),
        ("qa", "today", "JPY"),
        ("qa", "30d", "JPY"),
    ]
    month = found[1]
    assert month["told"] == {"amount": 350, "payments": 2}
    assert (month["dead"]["amount"], month["left_out"]["amount"], month["confirmed"]["payments"]) == (
        100, 250, 0,
    )  # fmt: skip


def test_payments_are_narrowed_by_state_currency_and_time(admin, told):
    Payment.objects.filter(key="pi_left").update(state="confirmed")

    def keys(**query):
        return [row["id"] for row in admin.get("payments/", **query).json()["results"]]

    assert keys() == ["pi_there", "pi_left", "pi_dead"]
    assert keys(environment="dev") == ["pi_left", "pi_dead"]
    assert keys(state="unconfirmed", currency="eur") == ["pi_dead"]
    assert keys(state="dead") == ["pi_dead"]
    assert keys(state="confirmed") == ["pi_left"]
    assert keys(since=(told + timedelta(seconds=1)).isoformat()) == []
    assert admin.get("payments/", state="lost").status_code == 400
    (row,) = admin.get("payments/", state="dead").json()["results"]
    assert (row["charge"], row["amount"], row["currency"]) == ("ch_dead", 100, "EUR")
