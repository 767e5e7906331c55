"""This module tests that supervised processes come back, stop in order and leave no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from integrator.processes import Child, Supervisor

ROOT = Path(__file__).resolve().parents[3]
SLEEPER = "import time; time.sleep(60)"
FORKER = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])
time.sleep(60)
"""
OBEDIENT = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from integrator.processes import die_with_parent, forks_die_with_parent
import os, time
die_with_parent(); forks_die_with_parent()
os.fork()
time.sleep(60)
"""


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def a_child(code: str) -> Child:
    return Child(name="child", argv=[sys.executable, "-c", code])


@pytest.fixture
def started():
    """Children that are killed at the end of the test."""
    children: list[Child] = []
    yield children
    for child in children:
        child.kill_group()


def test_a_child_that_dies_is_started_again(started):
    child = a_child(SLEEPER)
    started.append(child)
    supervisor = Supervisor([child], every=0.05)

    supervisor._keep_alive(time.monotonic())
    first = child.process
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    supervisor._keep_alive(time.monotonic())
    supervisor._keep_alive(time.monotonic() + 11)

    assert child.alive()
    assert child.starts == 2


def test_a_child_runs_only_while_it_is_wanted(started):
    child = a_child(SLEEPER)
    child.wanted = False
    started.append(child)
    supervisor = Supervisor([child])

    supervisor._keep_alive(time.monotonic())
    assert child.starts == 0
    child.wanted = True
    supervisor._keep_alive(time.monotonic())
    assert child.alive()
    child.wanted = False
    supervisor._keep_alive(time.monotonic())

    assert until(lambda: not child.alive())
    supervisor._keep_alive(time.monotonic() + 60)
    assert child.starts == 1


def test_a_child_that_keeps_dying_waits_longer_each_time(started):
    child = a_child("raise SystemExit(1)")
    started.append(child)
    supervisor = Supervisor([child])
    pauses = []
    now = time.monotonic()
    for _ in range(4):
        supervisor._keep_alive(now)
        child.process.wait()
        supervisor._keep_alive(now)
        pauses.append(child.not_before - now)
        now = child.not_before

    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


def test_a_restart_that_is_asked_for_again_and_again_still_comes(started):
    child = a_child(SLEEPER)
    started.append(child)
    supervisor = Supervisor([child], every=0.01)

    now = time.monotonic()
    supervisor._keep_alive(now)
    for second in range(5):
        if child.starts == 1:
            supervisor.restart("child", reason="stuck")
        supervisor._keep_alive(now + second)

    assert child.starts == 2
    assert child.alive()


def test_what_is_to_be_finished_is_finished_while_the_children_still_run(started, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test's own are kept
    child = a_child(SLEEPER)
    started.append(child)
    found = []
    supervisor = Supervisor([child], every=0.01, farewell=lambda: found.append(child.alive()))
    supervisor._tick = supervisor.stop

    supervisor.run()

    assert found == [True]
    assert not child.alive()


def test_whoever_asks_twice_for_a_stop_is_in_a_hurry(monkeypatch):
    handlers = {}
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.update({number: handler}))
    found = []

    def asked_again() -> None:
        found.append(supervisor.hurried)
        handlers[signal.SIGINT](signal.SIGINT, None)
        found.append(supervisor.hurried)

    supervisor = Supervisor([], every=0.01, farewell=asked_again)
    supervisor._tick = lambda: handlers[signal.SIGINT](signal.SIGINT, None)

    supervisor.run()

    assert found == [False, True]


def test_what_a_child_forked_is_killed_with_it(started):
    child = a_child(FORKER)
    started.append(child)
    child.start(now=0)
    assert until(lambda: bool(psutil.Process(child.process.pid).children()))
    grandchild = psutil.Process(child.process.pid).children()[0]

    child.kill_group()

    assert until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_children_and_their_forks_die_with_a_killed_supervisor():
    code = f"""
import sys, time; sys.path.insert(0, {str(ROOT)!r})
from integrator.processes import Child
child = Child(name="child", argv=[sys.executable, "-c", {OBEDIENT!r}])
child.start(now=0)
print(child.process.pid, file=sys.stderr, flush=True)
time.sleep(60)
"""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    pid = int(supervisor.stderr.readline())
    assert until(lambda: bool(psutil.Process(pid).children()))
    family = [psutil.Process(pid), *psutil.Process(pid).children()]

    supervisor.kill()
    supervisor.wait()
    supervisor.stderr.close()

    assert until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family))


def test_a_stop_is_polite_first_and_final_after_the_grace(started):
    stubborn = a_child("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    polite = a_child(SLEEPER)
    started.extend([stubborn, polite])
    for child in started:
        child.start(now=0)
    time.sleep(0.3)

    begun = time.monotonic()
    Supervisor([stubborn, polite], grace=0.5).shut_down()

    assert not stubborn.alive()
    assert not polite.alive()
    assert time.monotonic() - begun < 30  # both would sleep for a minute
