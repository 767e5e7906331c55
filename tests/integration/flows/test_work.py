"""This module tests the supervisor's tick: what it outlives, and when it starts the pool anew."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
import time_machine
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from flows import watchdog
from flows.management.commands.work import Command, Restarts
from flows.queries import Progress
from integrator.processes import Child, Supervisor
from tests.builders import NOON

pytestmark = pytest.mark.django_db(transaction=True)  # a tick closes the connection


def a_supervising_command() -> Command:
    command = Command()
    command.workers = Child("pool", ["true"])
    command.started_at = (0, NOON)
    command.idle_at = NOON
    command.restarts = Restarts()
    command.spare = Child("drain", ["true"], wanted=False)
    command.supervisor = Supervisor([command.workers])
    return command


@pytest.mark.parametrize("failure", [OperationalError("gone"), InterfaceError("the connection is closed")])
def test_a_tick_without_a_database_is_only_a_tick_that_found_nothing(monkeypatch, failure):
    def gone() -> None:
        raise failure

    command = a_supervising_command()
    monkeypatch.setattr(watchdog, "sweep", gone)

    command.tick()

    assert command.workers.starts == 0
    assert not command.supervisor.stopping


def ticks(monkeypatch, ready: dict[int, bool], moved: dict[int, int] | None = None) -> list[int]:
    """
    Return when the pool was started anew, if old work was ready, or not, so many seconds after noon.

    `moved` is when something was claimed, as it is known so many seconds after noon.
    """
    restarted: list[int] = []
    command = a_supervising_command()
    claimed = None

    def restart(name: str, *, reason: str) -> None:
        restarted.append(second)
        command.workers.starts += 1

    monkeypatch.setattr(command.supervisor, "restart", restart)
    for second, is_ready in ready.items():
        if moved and second in moved:
            claimed = NOON + timedelta(seconds=moved[second])
        state = Progress(
            NOON - timedelta(hours=1) if is_ready else None, None, claimed, at_work_at=None, workers=2
        )
        monkeypatch.setattr(watchdog, "sweep", lambda state=state: state)
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            command.tick()
    return restarted


def test_a_pool_that_takes_up_nothing_is_started_anew(monkeypatch):
    assert len(ticks(monkeypatch, {20: True})) == 1


def test_a_pool_that_takes_long_to_start_is_given_longer_each_time(monkeypatch):
    always = dict.fromkeys(range(1, 1_000), True)

    restarted = ticks(monkeypatch, always)

    pauses = [later - earlier for earlier, later in itertools.pairwise([0, *restarted])]
    # A tick later it is seen that it was started.
    assert pauses == [15, 31, 61, 121, 241, 241, 241]


def test_once_something_has_moved_a_pool_that_is_stuck_is_noticed_as_soon_as_at_first(monkeypatch):
    always = dict.fromkeys(range(1, 150), True)

    assert ticks(monkeypatch, always, moved={100: 99}) == [15, 46, 111, 142]


def test_what_a_rested_connection_gives_free_is_no_sign_of_a_stuck_pool(monkeypatch):
    assert ticks(monkeypatch, {40: False, 41: True, 50: True}) == []
    assert len(ticks(monkeypatch, {40: False, 41: True, 56: True})) == 1


def test_a_lone_worker_stays_wanted_and_is_the_one_that_is_started_anew(monkeypatch, settings):
    settings.LONE_WORKER = True
    command = a_supervising_command()
    command.workers = command.spare
    state = Progress(NOON - timedelta(hours=1), None, None, at_work_at=None, workers=1)
    monkeypatch.setattr(watchdog, "sweep", lambda: state)
    restarted: list[str] = []
    monkeypatch.setattr(command.supervisor, "restart", lambda name, **_: restarted.append(name))

    with time_machine.travel(NOON + timedelta(seconds=20), tick=False):
        command.tick()

    assert restarted == ["drain"]
    assert command.spare.wanted


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
