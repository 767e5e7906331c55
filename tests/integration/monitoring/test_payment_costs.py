"""What the overview and the lists ask of payments is found by indexes, however many there are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from flows.models import Pair
from monitoring import payments, standing
from monitoring.models import Payment
from tests.builders import NOON, a_pair

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_before() -> None:
    standing._known.clear()


@pytest.fixture
def pair() -> Pair:
    return a_pair()


def test_asking_reads_the_sums_and_what_is_not_confirmed_alone(pair: Pair) -> None:
    common = {"connection": pair.stripe, "amount": 1, "currency": "EUR", "told_at": NOON, "last_event": 1}
    Payment.objects.bulk_create(Payment(key=f"pi_{n}", state="confirmed", **common) for n in range(3000))
    Payment.objects.create(key="pi_dead", state="dead", **common)
    with CaptureQueriesContext(connection) as asked:
        payments.of_period(pair.environment, "today", now=NOON)
    (query,) = [query["sql"] for query in asked.captured_queries if "monitoring_payment" in query["sql"]]
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE monitoring_payment")
        cursor.execute(("EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN ") + query)
        plan = " ".join(str(row) for row in cursor.fetchall())

    # Both hold what is not confirmed alone; while there is little of it, PostgreSQL takes either.
    assert "payment_unconfirmed" in plan or (postgresql and "payment_to_look_at" in plan)
    assert "SCAN monitoring_payment" not in plan  # as SQLite calls it


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL sorts what is few, by its statistics")
def test_a_list_is_read_in_its_order_and_not_sorted(pair: Pair) -> None:
    for state in ("", "confirmed"):
        rows = payments.listed(pair.environment, payments.Choice(state), now=NOON)[:50]
        assert "TEMP B-TREE" not in rows.explain()


def test_a_list_of_today_does_not_look_through_all_that_is_older(pair: Pair) -> None:
    common = {"connection": pair.stripe, "amount": 1, "currency": "EUR", "last_event": 1}
    day = timedelta(days=1)
    Payment.objects.bulk_create(Payment(key=f"pi_{n}", told_at=NOON - day, **common) for n in range(300))
    today = Payment.objects.create(key="pi_today", told_at=NOON, **common)

    rows = payments.listed(pair.environment, payments.Choice(period="today"), now=NOON)

    assert list(rows) == [today]
    assert f'"id" >= {today.pk}' in str(rows.query)
