"""This module tests the doorbell: one unanswered ring, none while somebody works, none lost for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django_q.models import OrmQ

from flows import queue
from flows.models import Doorbell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("embedded")]


@pytest.fixture
def embedded(settings):
    """The database carries the doorbell, whatever this run's services are."""
    settings.REDIS_URL = ""
    from django_q.conf import Conf  # noqa: PLC0415  # read at import; a run with Redis has another value

    before = Conf.ORM
    Conf.ORM = "default"
    yield
    Conf.ORM = before


def time_passes(seconds: float) -> None:
    """Let the doorbell's marks grow older."""
    age = timedelta(seconds=seconds)
    Doorbell.objects.update(
        rung_at=F("rung_at") - age, answered_at=F("answered_at") - age, busy_until=F("busy_until") - age
    )


def test_the_first_ring_sends_one_job():
    assert queue.ring()

    assert OrmQ.objects.count() == 1


def test_a_second_ring_is_not_needed_while_the_first_is_on_its_way():
    queue.ring()

    assert not queue.ring()
    assert OrmQ.objects.count() == 1


def test_a_ring_that_nobody_answered_counts_as_lost():
    queue.ring()
    time_passes(3)

    assert queue.ring()


def test_nobody_rings_while_a_drain_is_at_work():
    queue.ring()
    queue.answer(shard=0)
    time_passes(3)

    assert not queue.ring()


def test_a_drain_that_was_killed_is_forgotten():
    queue.ring()
    queue.answer(shard=0)
    time_passes(6)

    assert queue.ring()


def test_after_a_drain_has_fallen_idle_the_next_event_rings():
    queue.ring()
    queue.answer(shard=0)
    queue.fall_idle(shard=0)

    assert queue.ring()


def test_shards_ring_for_themselves():
    queue.ring(shard=0)

    assert queue.ring(shard=1)


def test_a_lone_worker_is_not_rung_for_since_nobody_would_take_the_jobs_away(settings):
    settings.LONE_WORKER = True

    assert not queue.ring()

    assert OrmQ.objects.count() == 0
    assert queue.can_ring()


def test_a_lone_worker_answers_no_doorbell(settings):
    queue.ring()
    settings.LONE_WORKER = True

    queue.answer(shard=0)

    assert Doorbell.objects.get().answered_at is None


def test_a_lone_worker_leaves_the_doorbell_of_a_pool_at_work_alone(settings):
    queue.ring()
    queue.answer(shard=0)
    settings.LONE_WORKER = True

    queue.fall_idle(shard=0)

    assert Doorbell.objects.get().busy_until is not None


def test_rings_that_nobody_takes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(queue, "MOST_WAITING", 3)
    for _ in range(6):
        queue.ring()
        time_passes(3)

    assert OrmQ.objects.count() == 3


def test_a_broken_broker_raises_nothing(monkeypatch):
    def broken(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(queue, "async_task", broken)

    assert not queue.ring()
    assert Doorbell.objects.get(shard=0).rung_at is None, "the mark is rolled back with the job"
