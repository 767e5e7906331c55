"""This module tests that a backup taken while events arrive holds all that was acknowledged before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import timezone

from flows import intake
from flows.intake import Delivery
from flows.models import Event
from integrator.accounts.roles import Role
from tests.integration.api.conftest import Program, Stage, staged
from tests.integration.restoring import Product, back_up, restored, tools_are_there

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _tools():
    if not tools_are_there():
        pytest.skip("pg_dump and pg_restore are not on this machine")


@pytest.fixture
def stage() -> Stage:
    return staged("acme")


class Arrivals:
    """Events that arrive one after the other while something else happens."""

    def __init__(self, connection_id: int) -> None:
        self.connection_id = connection_id
        self.kept: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._arrive)

    def __enter__(self) -> Arrivals:
        self._thread.start()
        while len(self.kept) < 20:
            assert self._thread.is_alive()
            self._over.wait(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _arrive(self) -> None:
        while not self._over.is_set():
            name = f"evt_arriving_{len(self.kept):06}"
            delivery = Delivery(external_id=name, body=b"{}" * 2000, type="charge.succeeded")
            intake.receive(connection_id=self.connection_id, deliveries=[delivery], now=timezone.now())
            self.kept.append(name)
        connection.close()


def listed(backup, token) -> dict[str, str]:
    with restored(backup) as database:
        return Product(database).events(token)


def test_what_was_acknowledged_before_a_backup_began_is_in_it(stage, tmp_path):
    admin = Program(Role.ADMIN, stage.workspace)

    with Arrivals(stage.stripe.pk) as arrivals:
        for attempt in range(50):  # until something has arrived meanwhile
            before = list(arrivals.kept)
            backup = back_up(tmp_path / f"backup{attempt}")
            if during := len(arrivals.kept) > len(before):
                break
    found = listed(backup, admin.token)

    assert during, "nothing arrived while a backup was taken"
    arrived = sorted(name for name in found if name.startswith("evt_arriving"))
    assert arrived == arrivals.kept[: len(arrived)], "there is a gap"
    assert set(before) <= set(arrived)


def test_a_restored_product_shows_the_same_and_is_well(stage, tmp_path):
    admin = Program(Role.ADMIN, stage.workspace)
    here = dict(Event.objects.values_list("external_id", "fate"))

    with restored(back_up(tmp_path / "backup")) as database:
        product = Product(database)

        assert product.events(admin.token) == here != {}
        product.command("verify_audit")
        assert '"unreadable": 0' in product.command("rotate_keys"), "every sealed value opens with the keys"
        product.command("migrate", "--check")


def test_a_restored_product_takes_up_what_was_not_done(stage, tmp_path):
    admin = Program(Role.ADMIN, stage.workspace)
    delivery = Delivery(external_id="evt_waiting", body=b"{}", type="invoice.nobody_wants")
    intake.receive(connection_id=stage.stripe.pk, deliveries=[delivery], now=timezone.now())

    with restored(back_up(tmp_path / "backup")) as database:
        product = Product(database)
        assert product.events(admin.token)["evt_waiting"] == "queued"
        product.command("shell", "-v0", "-c",
                        "from django.utils import timezone; from flows.dispatch import dispatch;"
                        "dispatch(now=timezone.now())")  # fmt: skip

        assert product.events(admin.token)["evt_waiting"] == "ignored"
    assert Event.objects.get(external_id="evt_waiting").fate == "queued", "the first database was left alone"


@pytest.fixture(autouse=True)
def _no_connections_left() -> Iterator[None]:
    yield
    connection.close()
