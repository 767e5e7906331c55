"""This module keeps deliveries and looks at what stands in the inbox afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from django.db import connection, transaction

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


@pytest.mark.parametrize("number", [1, 3, 4, 5, 63, 64, 65, 85, 200])
def test_a_group_of_any_size_is_kept_whole_with_each_body_in_its_row(number):
    stripe = a_connection()
    known = a_delivery("evt_0", body=b"first")
    intake.receive(connection_id=stripe.pk, deliveries=[known], now=NOON)
    group = [a_delivery(f"evt_{n}", body=b"body of %d" % n) for n in range(number)]

    assert intake.receive(connection_id=stripe.pk, deliveries=group, now=NOON) == number - 1

    kept = {event.external_id: event.body for event in Event.objects.all()}
    opened = {name: vault.unseal(body, owner=f"event:{stripe.pk}") for name, body in kept.items()}
    assert opened == {"evt_0": b"first", **{f"evt_{n}": b"body of %d" % n for n in range(1, number)}}


def test_the_same_id_on_two_connections_is_two_events():
    one, other = a_connection(name="One"), a_connection(name="Other")

    for stripe in (one, other):
        assert intake.receive(connection_id=stripe.pk, deliveries=[a_delivery()], now=NOON) == 1


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


def test_what_was_delivered_stands_in_the_row_as_it_was():
    came = NOON.replace(microsecond=123456)
    given = {
        "type": 'a "quoted" one',
        "api_version": "2026-10-28.endive",
        "account": "back\\slash",
        "object_id": "100 % of é and 漢 and \U0001f600",
        "origin": "manual",
        "unreadable": "it's odd\n",
    }
    delivery = replace(a_delivery("evt_1", b'{"a": 1}' * 500, **given), livemode=True, happened_at=NOON)

    intake.keep([Arrival(a_connection().pk, delivery, came)])

    event = Event.objects.get()
    assert {name: getattr(event, name) for name in given} == given
    assert (event.livemode, event.happened_at, event.received_at) == (True, NOON, came)
    assert vault.unseal(event.body, owner=f"event:{event.connection_id}") == b'{"a": 1}' * 500


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes both")
@pytest.mark.parametrize(
    "fault",
    [pytest.param({"type": "a\x00b"}, id="a NUL"), pytest.param({"type": "a" * 256}, id="a text too long")],
)
def test_what_only_postgresql_refuses_is_kept_unreadable_too(fault):
    new = intake.receive(
        connection_id=a_connection().pk,
        deliveries=[a_delivery("evt_1"), a_delivery("evt_2", b"the bad one", **fault)],
        now=NOON,
    )

    assert new == 2
    assert Event.objects.get(unreadable="").external_id == "evt_1"


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
