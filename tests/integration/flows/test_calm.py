"""Runs that wait for their next try go on soon once trouble is over; what fails by itself gains nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.models import Connection
from flows import calm
from flows.models import Lane, Pair, Run
from integrator.management.commands import watch
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, runs

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def waiting(pair: Pair) -> Run:
    """Return a run that has failed seven times in two minutes, and is tried again in a minute and a half."""
    a_live_flow(pair)
    health(pair.salesforce, failed=30, succeeded=2)
    (run,) = runs(pair, 1)
    return failing(run)


def failing(run: Run, *, attempts: int = 7, since: int = 120, due: int = 90) -> Run:
    at = NOON + due * SECOND
    Run.objects.filter(pk=run.pk).update(
        state="retrying", attempts=attempts, first_failed_at=NOON - since * SECOND, next_attempt_at=at
    )
    Lane.objects.filter(pk=run.lane_id).update(ready_at=at)
    return run


def health(connection: Connection, *, failed: int, succeeded: int, **fields: Any) -> None:
    """Let the last failure and the last success of a connection be so many seconds ago."""
    Connection.objects.filter(pk=connection.pk).update(
        last_failure_at=NOON - failed * SECOND, last_success_at=NOON - succeeded * SECOND, **fields
    )


def due(run: Run) -> datetime | None:
    calm.hasten_due(now=NOON)
    run.refresh_from_db()
    return run.next_attempt_at


def test_once_the_trouble_is_over_a_run_goes_on_at_once(waiting: Run) -> None:
    assert due(waiting) == NOON
    assert Lane.objects.get(pk=waiting.lane_id).ready_at is not None
    assert calm.hasten_due(now=NOON) == 0
    assert "calm" in {task.name for task in watch.tasks()}


@pytest.mark.parametrize("system", ["stripe", "salesforce"])
@pytest.mark.parametrize(
    "trouble",
    [
        {"failed": 3, "succeeded": 1},
        {"failed": 30, "succeeded": 40},
        {"failed": 30, "succeeded": 2, "state": "paused"},
        {"failed": 30, "succeeded": 2, "state": "resting"},
    ],
    ids=["fails now and then", "nothing has succeeded since", "paused", "rests"],
)
def test_it_waits_while_one_of_its_systems_is_not_well(
    waiting: Run, pair: Pair, system: str, trouble: dict[str, Any]
) -> None:
    health(getattr(pair, system), **trouble)

    assert due(waiting) == NOON + 90 * SECOND


def test_a_run_that_fails_by_itself_is_tried_as_often_as_chance_would_have_it(waiting: Run) -> None:
    failing(waiting, attempts=8)  # it was hastened a moment ago, and has failed once more
    assert due(waiting) == NOON + 90 * SECOND

    failing(waiting, attempts=8, since=130)
    assert due(waiting) == NOON

    failing(waiting, attempts=calm.LAST + 1, since=72 * 3600)
    assert due(waiting) == NOON + 90 * SECOND


def test_what_is_due_in_a_moment_is_left_alone(waiting: Run) -> None:
    failing(waiting, due=4)

    assert due(waiting) == NOON + 4 * SECOND


def test_what_waits_for_something_else_is_left_alone(waiting: Run) -> None:
    Run.objects.update(state="ready")  # as a run that waits for calls, for an event or for a time

    assert due(waiting) == NOON + 90 * SECOND
