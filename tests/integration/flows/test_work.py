"""This module tests the supervisor's tick: what it outlives, and when it starts the pool anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from flows import watchdog
from flows.management.commands.work import Command
from flows.queries import Progress
from integrator.processes import Child, Supervisor
from tests.builders import NOON

pytestmark = pytest.mark.django_db(transaction=True)  # a tick closes the connection


def a_supervising_command() -> Command:
    command = Command()
    command.pool = Child("pool", ["true"])
    command.pool_started_at = (0, NOON)
    command.idle_at = NOON
    command.spare = Child("drain", ["true"], wanted=False)
    command.supervisor = Supervisor([command.pool])
    return command


@pytest.mark.parametrize("failure", [OperationalError("gone"), InterfaceError("the connection is closed")])
def test_a_tick_without_a_database_is_only_a_tick_that_found_nothing(monkeypatch, failure):
    def gone() -> None:
        raise failure

    command = a_supervising_command()
    monkeypatch.setattr(watchdog, "sweep", gone)

    command.tick()

    assert command.pool.starts == 0
    assert not command.supervisor.stopping


def ticks(monkeypatch, ready: dict[int, bool]) -> list[str]:
    """Return why the pool was started anew, if old work was ready, or not, so many seconds after noon."""
    reasons: list[str] = []
    command = a_supervising_command()
    monkeypatch.setattr(command.supervisor, "restart", lambda _name, *, reason: reasons.append(reason))
    for second, is_ready in ready.items():
        state = Progress(
            NOON - timedelta(hours=1) if is_ready else None, None, None, at_work_at=None, workers=2
        )
        monkeypatch.setattr(watchdog, "sweep", lambda state=state: state)
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            command.tick()
    return reasons


def test_a_pool_that_takes_up_nothing_is_started_anew(monkeypatch):
    assert len(ticks(monkeypatch, {20: True})) == 1


def test_what_a_rested_connection_gives_free_is_no_sign_of_a_stuck_pool(monkeypatch):
    assert ticks(monkeypatch, {40: False, 41: True, 50: True}) == []
    assert len(ticks(monkeypatch, {40: False, 41: True, 56: True})) == 1


def test_a_spare_worker_is_wanted_while_something_waits_and_redis_is_away(monkeypatch, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    command = a_supervising_command()
    wanted = []
    for waits in (False, True, False):
        state = Progress(timezone.now() if waits else None, None, None, at_work_at=None, workers=2)
        monkeypatch.setattr(watchdog, "sweep", lambda state=state: state)
        command.tick()
        wanted.append(command.spare.wanted)
    settings.REDIS_URL = ""
    command.tick()

    assert wanted == [False, True, True]
    assert not command.spare.wanted
