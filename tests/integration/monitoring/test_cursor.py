"""The change feed is read by a cursor that skips nothing and repeats nothing."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from flows.models import Change
from integrator.accounts.models import Environment
from monitoring import cursor
from monitoring.fragments import News
from tests.builders import NOON, an_environment
from tests.stage import until

pytestmark = pytest.mark.django_db(transaction=True)


def record(environment: Environment, *runs: str) -> None:
    """Append one change."""
    Change.objects.record(
        environment_id=environment.pk, kind="closed", summary={"fates": {}, "runs": runs}, now=NOON
    )


def settled(position: str, how_many: int) -> list[Change]:
    """
    Return what stands behind `position` once it is `how_many` changes.

    PostgreSQL holds changes back for the oldest transaction of the whole server, and other tests have theirs.
    """
    until(lambda: len(cursor.after(position)) >= how_many, seconds=120, what="the changes are settled")
    return cursor.after(position)


def test_each_change_is_read_once() -> None:
    environment = an_environment()
    record(environment, "a")
    first = settled(cursor.START, 1)
    position = cursor.position_of(first[-1])
    record(environment, "b")

    second = settled(position, 1)

    assert [change.summary["runs"] for change in (*first, *second)] == [["a"], ["b"]]
    assert cursor.after(cursor.position_of(second[-1])) == []


def test_one_environment_does_not_hear_of_another() -> None:
    record(an_environment("dev"), "a")

    assert cursor.after(cursor.START, environment_id=an_environment("qa").pk) == []


@pytest.mark.parametrize("position", ["", "garbage", "1", "1.2.3", "9" * 30 + ".1", "-1.1"])
def test_a_position_that_cannot_be_read_is_the_end(position: str) -> None:
    record(an_environment(), "a")

    assert cursor.after(position) == []


def test_a_commit_that_comes_late_is_not_skipped(on_postgresql: bool) -> None:
    if not on_postgresql:
        pytest.skip("SQLite has one writer at a time")
    environment = an_environment()
    begun, finish = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                record(environment, "late")
                begun.set()
                finish.wait(60)
        finally:
            connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    begun.wait(60)
    record(environment, "early")
    meanwhile = cursor.after(cursor.START)
    finish.set()
    writer.join()

    assert meanwhile == []
    assert [change.summary["runs"] for change in settled(cursor.START, 2)] == [["late"], ["early"]]


def test_who_missed_too_much_is_told_so_and_goes_on_from_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "MOST", 2)
    environment = an_environment()
    for name in "abc":
        record(environment, name)
    last = cursor.position_of(Change.objects.latest("id"))
    until(lambda: cursor.latest() == last, seconds=120, what="the changes are settled")

    news = News.since(cursor.START, environment_id=environment.pk)

    assert news.more
    assert news.position == last
