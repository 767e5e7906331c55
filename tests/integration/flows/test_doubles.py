"""An event id that comes twice: copies are usual, another content is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flows import doubles, intake
from flows.committer import Committer
from flows.intake import Arrival
from flows.models import Event, Notice
from flows.receiver import Receiver
from tests.builders import NOON, a_connection
from tests.receiving import an_event, serving, wait_for

CHARGE = {"id": "ch_1", "object": "charge", "amount": 1999, "currency": "eur"}


def an_arrival(connection: Any, later: int = 0, **fields: Any) -> Arrival:
    body = json.dumps(json.loads(an_event(1, created=1_795_000_000)) | fields).encode()
    return Arrival(connection.pk, intake.read(body), NOON + timedelta(seconds=later))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({}, False, id="a copy"),
        pytest.param({"pending_webhooks": 0, "request": {"id": "req_1"}}, False, id="a usual copy"),
        pytest.param({"type": "charge.failed"}, True, id="another type"),
        pytest.param({"data": {"object": {**CHARGE, "amount": 1}}}, True, id="other data"),
        pytest.param(
            {"api_version": "2024-04-10", "data": {"object": {"id": "ch_1"}}}, False, id="another version"
        ),
    ],
)
def test_only_another_content_is_told(fields, told):
    stripe = a_connection()
    intake.keep([an_arrival(stripe)])

    assert doubles.look([an_arrival(stripe, 60, **fields)]) == int(told)

    assert Notice.objects.filter(kind="other_body", severity="critical").count() == int(told)
    assert Event.objects.get().type == "charge.succeeded", "the first one counts"


@pytest.mark.django_db
def test_what_is_new_is_not_looked_at():
    arrivals = [an_arrival(a_connection())]
    intake.keep(arrivals)

    assert doubles.look(arrivals) == 0


@pytest.mark.django_db
def test_a_deleted_body_tells_nothing():
    stripe = a_connection()
    intake.keep([an_arrival(stripe)])
    Event.objects.update(body=b"", purged_at=NOON)

    assert doubles.look([an_arrival(stripe, 60, type="charge.failed")]) == 0


@pytest.mark.django_db
def test_a_flood_of_copies_is_looked_at_in_part():
    stripe = a_connection()
    many = [Arrival(stripe.pk, intake.read(an_event(number)), NOON) for number in range(doubles.MOST + 30)]
    intake.keep(many)
    again = [
        Arrival(stripe.pk, intake.read(an_event(number, type="charge.failed")), NOON + timedelta(seconds=9))
        for number in range(doubles.MOST + 30)
    ]

    assert doubles.look(again) == doubles.MOST


@pytest.mark.django_db(transaction=True)
def test_the_sender_has_its_answer_and_a_person_the_notice(stripe, endpoint):
    first, second = an_event(7), an_event(7, type="charge.failed")

    assert stripe.post(endpoint, first).status == 200
    assert stripe.post(endpoint, second).status == 200

    assert wait_for(Notice.objects.exists)
    assert "evt_7" in Notice.objects.get().title


@pytest.mark.django_db(transaction=True)
def test_a_comparison_that_fails_keeps_nobody_waiting(endpoint):
    def broken(arrivals: Any) -> None:
        raise ValueError("a bug of ours")

    with serving(Receiver(committer=Committer(ring=lambda: None, look=broken))) as served:
        answers = [served.post(endpoint, an_event(7)).status for _ in range(3)]

    assert answers == [200, 200, 200]
