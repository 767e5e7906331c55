"""Retention beside a product at work: many rows, small transactions, and nobody is kept waiting."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from flows import intake, retention
from flows.committer import COMMIT_WITHIN
from flows.dispatch import dispatch
from flows.models import Event, Run
from tests.builders import NOON, a_pair
from tests.integration.flows.given import a_charge, a_live_flow, an_event
from tests.receiving import an_event as a_body

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.serial]

ROWS = 20_000
LATER = NOON + timedelta(days=31)


def test_events_are_received_and_dispatched_while_thousands_are_deleted(monkeypatch):
    pair = a_pair()
    a_live_flow(pair)
    model = an_event(pair.stripe, a_charge(), dispatched_at=NOON, fate="ignored")
    Event.objects.bulk_create(
        [
            Event(
                connection=pair.stripe, external_id=f"evt_old_{number}", received_at=NOON, dispatched_at=NOON,
                fate="ignored", body=model.body,
            )
            for number in range(ROWS)
        ],
        batch_size=2_000,
    )  # fmt: skip
    transactions, waits = [], []
    honest = retention._batch

    def timed(*args: Any, **kwargs: Any) -> int:
        began = time.monotonic()
        done = honest(*args, **kwargs)
        transactions.append((time.monotonic() - began, done))
        return done

    monkeypatch.setattr(retention, "_batch", timed)
    purging = threading.Thread(target=purge_all)
    purging.start()
    received = 0
    while purging.is_alive() or not received:
        began = time.monotonic()
        delivery = intake.read(a_body(1_000_000 + received))
        assert intake.receive(connection_id=pair.stripe_id, deliveries=[delivery], now=LATER) == 1
        dispatch(now=LATER)
        waits.append(time.monotonic() - began)
        received += 1
        time.sleep(0.01)
    purging.join()

    assert Event.objects.filter(purged_at=LATER).count() == ROWS + 1
    assert Run.objects.count() == received
    assert max(done for _, done in transactions) <= retention.BATCH[connection.vendor]
    assert max(seconds for seconds, _ in transactions) < COMMIT_WITHIN
    assert max(waits) < COMMIT_WITHIN  # nobody's delivery is turned away for it


def purge_all() -> None:
    """Purge as the watching process does, with turns and pauses, in a thread of its own."""
    try:
        deadline = time.monotonic() + 60
        while Event.objects.filter(purged_at=None, received_at=NOON).exists() and time.monotonic() < deadline:
            retention.purge_due(now=LATER, turn=1.0, pause=0.005)
    finally:
        connection.close()
