"""This module tests what a load balancer is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flows.models import Event
from tests.builders import a_connection

pytestmark = pytest.mark.django_db


def test_a_process_that_answers_is_alive(client):
    assert client.get("/healthz").status_code == 200


def test_an_installation_with_nothing_to_do_is_ready(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ready"] is True


def test_workers_that_make_no_progress_are_not_ready(client):
    Event.objects.create(
        connection=a_connection(),
        external_id="evt_1",
        received_at=timezone.now() - timedelta(minutes=1),
        body=b"",
    )

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["workers"] is False


def test_nothing_is_changed_by_asking(client):
    assert client.post("/readyz").status_code == 405
    assert client.post("/healthz").status_code == 405
