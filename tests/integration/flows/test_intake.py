"""This module keeps deliveries and looks at what stands in the inbox afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from django.db import transaction

from flows import intake
from flows.intake import Arrival, Delivery
from flows.models import Event
from integrator import vault
from tests.builders import NOON, a_connection

pytestmark = pytest.mark.django_db(transaction=True)


def a_delivery(external_id: str = "evt_1", body: bytes = b"{}", **fields: str) -> Delivery:
    return Delivery(external_id=external_id, body=body, **fields)


def ids() -> Sequence[str]:
    return list(Event.objects.order_by("id").values_list("external_id", flat=True))


def test_only_what_is_new_is_counted():
    stripe = a_connection()
    intake.receive(connection_id=stripe.pk, deliveries=[a_delivery("evt_1")], now=NOON)

    new = intake.receive(
        connection_id=stripe.pk, deliveries=[a_delivery(f"evt_{n}") for n in (1, 2, 2, 3)], now=NOON
    )

    assert new == 2
    assert ids() == ["evt_1", "evt_2", "evt_3"]


def test_the_same_id_on_two_connections_is_two_events():
    one, other = a_connection(name="One"), a_connection(name="Other")

    for connection in (one, other):
        assert intake.receive(connection_id=connection.pk, deliveries=[a_delivery()], now=NOON) == 1


def test_the_body_opens_only_for_its_connection():
    stripe = a_connection()
    intake.receive(connection_id=stripe.pk, deliveries=[a_delivery(body=b"the raw bytes \xff")], now=NOON)

    event = Event.objects.get()
    assert vault.unseal(event.body, owner=f"event:{stripe.pk}") == b"the raw bytes \xff"
    with pytest.raises(vault.Unreadable):
        vault.unseal(event.body, owner=f"event:{stripe.pk + 1}")


def test_what_intake_does_not_give_is_as_the_model_says():
    intake.receive(connection_id=a_connection().pk, deliveries=[a_delivery()], now=NOON)

    event = Event.objects.get()
    fresh = Event()
    for name in ("dispatched_at", "dispatch_crashes", "fate", "fate_reason", "origin", "livemode"):
        assert getattr(event, name) == getattr(fresh, name)
    assert event.received_at == NOON


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"type": "a\ud800b"}, id="a lone surrogate"),
        pytest.param({"type": None}, id="a value that is missing"),
    ],
)
def test_a_row_at_fault_is_kept_unreadable_and_fails_no_neighbour(fault):
    stripe = a_connection()
    deliveries = [a_delivery("evt_1"), a_delivery("evt_2", b"the bad one", **fault), a_delivery("evt_3")]

    new = intake.receive(connection_id=stripe.pk, deliveries=deliveries, now=NOON)

    assert new == 3
    bad = Event.objects.exclude(unreadable="").get()
    assert bad.external_id == "unreadable:" + hashlib.sha256(b"the bad one").hexdigest()
    assert vault.unseal(bad.body, owner=f"event:{stripe.pk}") == b"the bad one"
    assert set(ids()) - {bad.external_id} == {"evt_1", "evt_3"}


def test_what_cannot_be_kept_at_all_is_said_and_fails_no_neighbour():
    stripe = a_connection()

    kept = intake.keep(
        [Arrival(stripe.pk, a_delivery("evt_1"), NOON), Arrival(stripe.pk + 99, a_delivery("evt_2"), NOON)]
    )

    assert (kept.new, list(kept.failed)) == (1, [1])
    assert ids() == ["evt_1"]


def test_deliveries_stand_or_fall_with_the_transaction_around_them():
    stripe = a_connection()

    with transaction.atomic():
        intake.receive(connection_id=stripe.pk, deliveries=[a_delivery()], now=NOON)
        transaction.set_rollback(True)

    assert ids() == []


def test_nothing_is_nothing():
    assert intake.receive(connection_id=a_connection().pk, deliveries=[], now=NOON) == 0
