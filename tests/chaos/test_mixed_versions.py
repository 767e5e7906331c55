"""
This module runs the worker of an older version beside the newest web process and database, as every upgrade
does for a while, and replaces it while events pour in.

The older version is in the repository's history; where there is none, as in a download, nothing can be told.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chaos.load import Load, arrives, dunned
from tests.chaos.older_code import NoHistory, an_upgraded_stage, migrations_now, unpack
from tests.chaos.sure import WRITES
from tests.conftest import POSTGRESQL
from tests.stage import ROOT, Stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos of versions"), pytest.mark.timeout(600)]
SEED = int(os.environ.get("CHAOS_SEED", "18"))
UNFINISHED = {"ready", "retrying"}
HANGS = 600  # seconds


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the older version."""
    try:
        commit, code = unpack(tmp_path_factory.mktemp("versions"))
    except NoHistory as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no older version to run: {reason}")
        pytest.skip(f"no older version to run: {reason}")
    lacks = sorted(path for path in migrations_now() if not (code / path).exists())
    print(f"the older version is {commit}, which lacks {', '.join(lacks) or 'no migration'}")
    return code


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory, older: Path) -> Iterator[Stage]:
    """Return an installation that is being upgraded: all but the worker is of the newest version."""
    folder, redis_url = tmp_path_factory.mktemp("upgraded"), os.environ.get("REDIS_URL", "")
    with an_upgraded_stage(folder, older, postgresql=POSTGRESQL, redis_url=redis_url) as stage:
        yield stage


def change_worker(stage: Stage, root: Path) -> None:
    """Let the worker of the version in a folder take the place of the one that there is."""
    stage.root = root
    stage.spawn("work")
    stage.root = ROOT


def code_of(stage: Stage, name: str) -> list[Path]:
    """Return from which folders a process and everything below it run."""
    found = []
    for process in stage.family(name):
        try:
            found += [Path(part).parent for part in process.cmdline() if part.endswith("manage.py")]
        except psutil.NoSuchProcess:
            continue
    return found


def runs(stage: Stage) -> dict[str, dict[str, Any]]:
    return {run["id"]: run for run in stage.whole("runs/")}


def judge(stage: Stage, load: Load) -> None:
    """Tell that nothing was lost or doubled, and that everything is the newest."""
    assert load.acknowledged == {event["id"] for event in load.deliveries}
    shown = [event["external_id"] for event in stage.whole("events/")]
    assert len(shown) == len(set(shown))
    assert load.acknowledged <= set(shown)
    assert load.wrong_records(stage.records()) == []
    assert stage.look("salesforce", "records", object="Payment__c")["duplicates"] == {}
    started = dunned(stage)
    failed = {event["id"] for event in load.deliveries if event["type"] == "charge.failed"}
    assert {event: started[event] for event in failed} == dict.fromkeys(failed, 1)
    assert max(started.values()) == 1
    assert stage.api("dead-letters/")["results"] == []
    fates = stage.fates()
    assert fates["applied"] + fates["superseded"] + fates["ignored"] == sum(fates.values()) == len(shown)


def test_an_older_worker_works_beside_newer_pages_until_it_is_replaced(upgraded: Stage, older: Path):
    stage = upgraded
    load = Load(charges=40, events=240, seed=SEED)
    delivery = threading.Thread(target=lambda: load.deliver(stage, rate=20))
    assert set(code_of(stage, "work")) == {older}
    assert set(code_of(stage, "serve")) == {ROOT}

    delivery.start()
    until(lambda: len(stage.records()) > 5, seconds=90, what="the older worker writes records")
    written = len(stage.records())
    assert delivery.is_alive(), "nothing poured in any more"
    stage.processes["work"].send_signal(signal.SIGTERM)
    ended = stage.processes["work"].wait(60)
    change_worker(stage, ROOT)
    delivery.join()
    arrives(stage, "ch_newer", seconds=90)
    until(stage.settled, seconds=120, what="everything came to rest", found=stage.fates)

    print(f"the older worker wrote {written} of {len(stage.records())} records")
    assert ended == 0
    assert set(code_of(stage, "work")) == {ROOT}
    judge(stage, load)


def test_what_an_older_worker_began_is_finished_by_the_newer_one(upgraded: Stage, older: Path):
    stage = upgraded
    stage.kill("work")
    change_worker(stage, older)
    load = Load(charges=20, events=40, seed=SEED, prefix="ch_begun")
    # What it asks for is done, and it never hears of it.
    hanging = {"seconds": HANGS, "done": True}
    stage.fault("salesforce", kind="slow", **WRITES, params=hanging)

    load.deliver(stage, rate=60)
    until(
        lambda: stage.faults("salesforce")[0]["fired"] > 0,
        seconds=90,
        what="the older worker waits for an answer",
    )
    begun = {name for name, run in runs(stage).items() if run["state"] in UNFINISHED}
    assert begun
    assert set(code_of(stage, "work")) == {older}
    assert stage.kill("work") == -signal.SIGKILL
    stage.end_faults("salesforce")
    change_worker(stage, ROOT)
    until(stage.settled, seconds=120, what="everything came to rest", found=stage.fates)

    finished = runs(stage)
    print(f"{len(begun)} runs were under way")
    assert set(code_of(stage, "work")) == {ROOT}
    assert {finished[name]["state"] for name in begun} == {"done"}
    judge(stage, load)
