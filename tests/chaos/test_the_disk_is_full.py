"""This module lets the disk of the database be full while events pour in."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.load import Load, arrives
from tests.chaos.own_postgresql import OwnPostgresql, binaries, own_postgresql
from tests.chaos.small_disk import NoDisk, SmallDisk, small_disk
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of disks"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(POSTGRESQL and binaries() is None, reason="no PostgreSQL server programs here"),
]


@contextlib.contextmanager
def a_stage_on(folder: Path) -> Iterator[tuple[SmallDisk, Stage, OwnPostgresql | None]]:
    """Yield a small disk, a stage whose database and nothing else is on it, and the database's server."""
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(megabytes=256 if POSTGRESQL else 24))
        except NoDisk as refusal:
            pytest.skip(f"no disk of its own may be mounted here: {refusal}")
        if POSTGRESQL:
            server = stack.enter_context(own_postgresql(disk.folder))
            yield disk, stack.enter_context(a_stage(folder, postgresql=server.address)), server
        else:
            yield (
                disk,
                stack.enter_context(a_stage(folder, database=f"sqlite:///{disk.folder}/db.sqlite3")),
                None,
            )


def told(stage: Stage) -> list[dict[str, Any]]:
    return stage.whole("alerts/", kind="disk")


def test_a_full_disk_turns_events_away_loses_none_and_is_over_with_it(tmp_path: Path):
    with a_stage_on(tmp_path) as (disk, stage, server):
        arrives(stage, "ch_before", seconds=60)
        # So small a disk is nearly full from the beginning; that of PostgreSQL is not looked at.
        until(lambda: POSTGRESQL or bool(told(stage)), seconds=60, what="somebody is told early")
        load = Load(charges=100, events=600, seed=9)
        delivery = threading.Thread(target=lambda: load.deliver(stage, rate=100))

        disk.fill()
        delivery.start()
        until(
            lambda: load.answers[503] > 20,
            seconds=60,
            what="events are turned away",
            found=lambda: load.answers,
        )
        free, answers = disk.free(), dict(load.answers)
        acknowledged = set(load.acknowledged)
        advice = "" if POSTGRESQL else stage.try_to("doctor", "--offline")
        # PostgreSQL itself ends when its log of writes cannot grow, and whoever runs it starts it anew.
        ended = server is not None and not server.runs()
        still_shown = 1 if ended else stage.api("health/")["received"]
        disk.empty()
        if server is not None and ended:
            server.start()
        recovered = until(
            lambda: len(load.acknowledged) > len(acknowledged), seconds=60, what="events are taken again"
        )
        delivery.join()
        until(stage.settled, seconds=90, what="everything came to rest", found=stage.fates)

        print(f"full: {free} bytes free, server ended: {ended}, answers {answers}")
        print(f"events were taken again after {recovered:.1f} s")
        assert free < 64 * 1024
        assert still_shown >= 1
        assert POSTGRESQL or "Make room" in advice  # another host's disk is not looked at
        assert [alert["severity"] for alert in told(stage)] == ([] if POSTGRESQL else ["critical"])
        assert set(load.answers) <= {0, 200, 503}
        assert load.acknowledged == {event["id"] for event in load.deliveries}
        shown = [event["external_id"] for event in stage.whole("events/")]
        assert len(shown) == len(set(shown))
        assert load.acknowledged <= set(shown)
        assert load.wrong_records(stage.records()) == []
        assert stage.api("dead-letters/")["results"] == []
        if not POSTGRESQL:
            with contextlib.closing(sqlite3.connect(disk.folder / "db.sqlite3")) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
