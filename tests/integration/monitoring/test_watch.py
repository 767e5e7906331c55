"""The duties of the watching process harm one another never, and of several processes one acts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from structlog.contextvars import get_contextvars

from integrator.management.commands.watch import tasks
from monitoring import watch
from monitoring.models import Duty
from monitoring.watch import Task, Watch
from tests.stage import until

pytestmark = pytest.mark.django_db(transaction=True)


class Told:
    """A duty that counts how often it was done, and does what it is told."""

    def __init__(self, failure: Exception | None = None, hangs: threading.Event | None = None) -> None:
        self.times = 0
        self.failure, self.hangs = failure, hangs

    def __call__(self, now: datetime) -> None:
        self.times += 1
        if self.hangs is not None:
            self.hangs.wait(10)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def started() -> Iterator[Any]:
    watches: list[Watch] = []

    def start(**duties: Told) -> Watch:
        watching = Watch([Task(name, 0.02, duty) for name, duty in duties.items()])
        watching.holder = f"{watching.holder}:{len(watches)}"
        for keeper in watching._keepers:
            keeper.holder = watching.holder
        watching.start()
        watches.append(watching)
        return watching

    yield start
    for one in watches:
        one.stop()


def test_a_duty_is_done_again_and_again(started: Any) -> None:
    duty = Told()

    started(one=duty)

    until(lambda: duty.times >= 3, seconds=120, what="it was done three times")
    assert Duty.objects.get().name == "one"


def test_what_is_logged_within_a_duty_says_which() -> None:
    said: list[datetime | str] = []

    def walk(now: datetime) -> None:
        said.append(get_contextvars()["duty"])

    Watch([Task("walk", 0.02, walk)])._keepers[0]._once()

    assert said == ["walk"]
    assert "duty" not in get_contextvars()


def test_one_that_hangs_or_fails_harms_no_other(started: Any) -> None:
    release = threading.Event()
    hangs, fails, works = Told(hangs=release), Told(failure=ValueError("sk_live_secret")), Told()

    started(hangs=hangs, fails=fails, works=works)

    until(lambda: works.times >= 5 and fails.times >= 2, seconds=120, what="the others went on")
    assert hangs.times == 1
    release.set()
    failing = Duty.objects.get(name="fails")
    assert failing.failure == "ValueError"  # the row is read in all workspaces, so no more than that
    assert Duty.objects.get(name="works").failure == ""


def test_a_duty_that_works_again_says_so(started: Any) -> None:
    duty = Told(failure=ValueError())
    started(one=duty)
    until(lambda: Duty.objects.filter(failure="ValueError").exists(), seconds=120, what="it failed")

    duty.failure = None

    until(lambda: Duty.objects.filter(failure="").exists(), seconds=120, what="it works")


def test_of_two_processes_one_acts_and_the_other_takes_over(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RENEW_EVERY", 0.05)
    first, second = Told(), Told()
    acting = started(one=first)
    until(lambda: first.times >= 1, seconds=120, what="the first acts")
    started(one=second)
    until(lambda: first.times >= 5, seconds=120, what="the first goes on")
    assert second.times == 0

    acting.stop()

    until(lambda: second.times >= 1, seconds=120, what="the second takes over")


def test_a_duty_of_a_process_that_was_killed_is_taken_over_when_its_lease_ends() -> None:
    assert Duty.objects.take("one", holder="killed", lease=timedelta(seconds=30))
    assert not Duty.objects.take("one", holder="another", lease=timedelta(seconds=30))

    Duty.objects.update(held_until=datetime(2026, 1, 1, tzinfo=watch.timezone.now().tzinfo))

    assert Duty.objects.take("one", holder="another", lease=timedelta(seconds=30))
    assert not Duty.objects.take("one", holder="killed", lease=timedelta(seconds=30))


def test_two_that_begin_at_the_same_moment_do_not_both_hold_a_duty() -> None:
    taken: list[str] = []
    ready = threading.Barrier(4)

    def take(name: str) -> None:
        ready.wait()
        if Duty.objects.take("one", holder=name, lease=timedelta(seconds=30)):
            taken.append(name)
        connection.close()

    threads = [threading.Thread(target=take, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 1


def test_the_command_watches_over_everything(settings: Any) -> None:
    done = [task.name for task in tasks() if task.run(watch.timezone.now()) is not None]

    assert {"alerts", "mail", "conservation"} <= set(done)
