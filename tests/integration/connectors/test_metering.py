"""Calls are counted for what caused them, and what is counted stands in the database before long."""

from __future__ import annotations

import runpy
import sys

import pytest
from django.conf import settings
from django.core import management
from django.core.signals import request_finished
from django.db import OperationalError

from connectors import connections, gateway, metering
from connectors.metering import METER, Meter
from connectors.models import CallHour, Connection
from tests.builders import NOON, a_connection

FLOW = 7
PAYMENTS = [
    {
        "object": "Payment__c", "external_id_field": "External_ID__c", "external_id": f"pi_{number}",
        "values": {"Status__c": "Completed"},
    }
    for number in range(30)
]  # fmt: skip


def counted(**which: object) -> dict[tuple[int, str], tuple[int, int]]:
    rows = CallHour.objects.filter(**which).values_list("cause", "kind", "calls", "carried")
    return {(cause, kind): (calls, carried) for cause, kind, calls, carried in rows}


def test_a_collection_is_one_call_that_carried_all_its_records_for_the_flow_that_asked(crm):
    METER.write()
    before = counted(connection=crm).get((0, "login"), (0, 0))

    gateway.call_many(connection_id=crm.pk, action="upsert", requests=PAYMENTS, cause=FLOW)
    METER.write()

    found = counted(connection=crm)
    assert found[FLOW, "write"] == (1, 30)
    assert found.get((FLOW, "login"), (0, 0))[0] + before[0] <= 1


def test_every_call_that_the_org_counts_is_counted_here(crm, org):
    before = len(org.calls("/services/data"))
    for action, request in (
        ("upsert", PAYMENTS[0]),
        ("query", {"soql": "SELECT Id FROM Account"}),
        ("describe", {"object": "Account"}),
        ("limits", {}),
    ):
        gateway.call_many(connection_id=crm.pk, action=action, requests=[request], cause=FLOW)
    METER.write()

    rows = CallHour.objects.filter(connection=crm, kind__in=("read", "write"))
    assert sum(row.calls for row in rows) == len(org.calls("/services/data")) - before > 3


def test_every_object_that_is_read_from_stripe_is_a_call(billing):
    requests = [{"type": "charge", "id": f"ch_{number}"} for number in range(3)]

    gateway.call_many(connection_id=billing.pk, action="retrieve", requests=requests)
    request_finished.send(sender=None)

    assert counted(connection=billing)[0, "read"] == (3, 3)


@pytest.mark.django_db
def test_what_is_counted_again_in_the_same_hour_is_added():
    number = a_connection().pk
    meter = Meter(clock=lambda: 7200.0)
    for _ in range(2):
        meter.count(number, FLOW, "write", calls=2, carried=150)
        meter.write()

    assert counted() == {(FLOW, "write"): (4, 300)}


@pytest.mark.django_db
def test_nothing_is_lost_while_the_database_is_away(monkeypatch):
    number = a_connection().pk
    meter = Meter()
    meter.count(number, FLOW, "read", calls=1, carried=1)

    def away(counts: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as for_a_while:
        for_a_while.setattr(metering, "_add", away)
        meter.write()
    meter.count(number, FLOW, "read", calls=1, carried=1)
    meter.write()

    assert counted() == {(FLOW, "read"): (2, 2)}


@pytest.mark.django_db
def test_a_command_that_is_over_in_a_moment_writes_the_calls_it_made(monkeypatch):
    number = a_connection().pk
    for name in ("INTEGRATOR_ROLE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(sys, "argv", ["manage.py", "readiness"])
    monkeypatch.setattr(
        management, "execute_from_command_line", lambda _: METER.count(number, 0, "read", calls=3)
    )

    runpy.run_path(str(settings.BASE_DIR / "manage.py"), run_name="__main__")

    assert counted() == {(0, "read"): (3, 0)}


@pytest.mark.django_db
def test_calls_that_go_on_are_written_every_few_seconds_and_not_each(django_assert_num_queries):
    number, time = a_connection().pk, [0.0]
    meter = Meter(ticks=lambda: time[0])
    meter.count(number, FLOW, "read", calls=1)
    with django_assert_num_queries(0):
        meter.write_due()

    time[0] = metering.EVERY
    with django_assert_num_queries(1):
        meter.write_due()


def test_keeping_less_for_people_ends_the_rest_that_was_for_them(crm, org):
    org.post("limits", daily=100, used=90)
    gateway.call_many(connection_id=crm.pk, action="limits", requests=[{}])
    connections.test(connection=crm, actor="ada@acme.test", now=NOON)
    crm.refresh_from_db()
    assert (crm.api_used, crm.api_limit) > (91, 0)  # a test asks too, and hears what is used
    gateway.call_many(connection_id=crm.pk, action="limits", requests=[{}])

    for percent, state in ((8, Connection.State.RESTING), (0, Connection.State.ACTIVE)):
        crm.refresh_from_db()
        connections.keep_back(connection=crm, percent=percent, actor="ada@acme.test", now=NOON)
        crm.refresh_from_db()
        assert crm.state == state
