"""When Stripe last told of an object: of changes that others made, at the moment when they made them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.stripe.requests import key_of
from flows import agreements
from flows.models import Pair
from tests.builders import NOON
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
CUSTOMER = {"id": "cus_1", "object": "customer"}


def told(pair: Pair, name: str, *, minutes: int, key: str | None = None, **fields: Any) -> None:
    """Let an event come that happened so many minutes after noon, by a request with the idempotency key."""
    request = {"id": "req_1", "idempotency_key": key}
    body = {"id": name, "object": "event", "data": {"object": CUSTOMER}, "request": request}
    happened = {"external_id": name, "happened_at": NOON + minutes * MINUTE, **fields}
    an_event(pair.stripe, CUSTOMER, json.dumps(body).encode(), **happened)


def test_what_we_changed_ourselves_and_what_a_sweep_found_tell_no_time(pair: Pair) -> None:
    told(pair, "evt_person", minutes=1)
    told(pair, "evt_ours", minutes=2, key=key_of("a write"))
    told(pair, "sweep:cus_1:1", minutes=3, origin="sweep")

    assert agreements.last_told(pair.pk, ["cus_1", "cus_2"]) == {"cus_1": (NOON + MINUTE, "evt_person")}


def test_of_changes_by_others_the_last_counts_whoever_made_it(pair: Pair) -> None:
    told(pair, "evt_key", minutes=2, key="theirs")
    told(pair, "evt_person", minutes=1)
    told(pair, "evt_stripe", minutes=0)

    assert agreements.last_told(pair.pk, ["cus_1"]) == {"cus_1": (NOON + 2 * MINUTE, "evt_key")}
