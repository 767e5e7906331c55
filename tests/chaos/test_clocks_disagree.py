"""This module lets the clocks of web and workers be wrong by an hour, each in another direction."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import requests

from tests.chaos.load import Load, a_charge_event, arrives, dunned, post
from tests.chaos.sure import FIRST, break_writes, fired
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

FAKETIME = shutil.which("faketime")
HOUR = 3_600
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of clocks"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="with SQLite there is one host, and one clock"),
    pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime (apt-get install faketime)"),
]


@lru_cache
def library() -> str:
    """Return what is loaded into a process whose clock shall be wrong; libfaketime's command knows it."""
    command = [str(FAKETIME), "-m", "-f", "+0s", "printenv", "LD_PRELOAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def clock(seconds: int) -> list[str]:
    """
    Return what stands before a command so that its clock is wrong by so much.

    libfaketime's own command would stay as its parent, and leave it behind when it is killed.
    """
    return ["env", f"LD_PRELOAD={library()}", f"FAKETIME={seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC=1"]


def what_it_sees(seconds: int) -> float:
    """Return how wrong the clock of such a process is."""
    printing = [*clock(seconds), sys.executable, "-c", "import time; print(time.time())"]
    shown = subprocess.run(printing, capture_output=True, text=True, check=True)
    return float(shown.stdout) - time.time()


def has_a_wrong_clock(stage: Stage, name: str) -> bool:
    """Tell whether a process of the stage has the library loaded; those that it starts inherit it."""
    return Path(library()).name in Path(f"/proc/{stage.processes[name].pid}/maps").read_text()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return a stage whose web process is an hour behind."""
    with a_stage(tmp_path_factory.mktemp("clocks"), postgresql=True) as stage:
        stage.kill("serve")
        stage.spawn("serve", before=clock(-HOUR))
        until(lambda: stage.answers(f"{stage.web}/readyz"), seconds=60, what="the product is ready again")
        yield stage


def test_a_web_process_with_a_wrong_clock_refuses_signatures_and_says_what_is_wrong(behind: Stage):
    body = json.dumps(a_charge_event(1, "ch_skewed", int(time.time()), 1999, "succeeded")).encode()

    refused = post(behind, body)
    taken = [post(behind, body, at=time.time() - HOUR + wrong) for wrong in (-240, 0, 240)]
    advice = behind.try_to("doctor", before=clock(-HOUR))

    assert refused == requests.codes.bad_request
    assert taken == [requests.codes.ok] * 3
    assert "Synchronise the clocks" in advice


def test_workers_whose_clocks_disagree_do_everything_once_and_nothing_too_late(behind: Stage):
    stage = behind
    assert what_it_sees(HOUR) > HOUR - 60
    stage.spawn("work", name="work ahead", before=clock(HOUR))
    break_writes(stage, "before", probability=0.2)
    load = Load(charges=60, events=300, seed=6, clock=-HOUR)

    load.deliver(stage, rate=60)
    until(stage.settled, seconds=180, what="everything came to rest")
    faults = stage.end_faults("salesforce")
    failed = [event["id"] for event in load.deliveries if event["type"] == "charge.failed"]

    assert [has_a_wrong_clock(stage, name) for name in ("serve", "work ahead", "work")] == [True, True, False]
    assert fired(faults) == [("before", FIRST)]
    assert load.wrong_records(stage.records()) == []
    assert dunned(stage) == Counter(set(failed))
    assert stage.look("salesforce", "writes", limit=1)["overlapped"] == 0
    assert stage.api("dead-letters/")["results"] == []
    assert stage.fates()["waiting"] == 0

    # Each of the two did its part: the one that is ahead goes on alone, with what the other one held.
    assert stage.kill("work") == -signal.SIGKILL
    alone = arrives(stage, "ch_ahead_alone", seconds=90, clock=-HOUR)
    print(f"the worker that is ahead took {alone:.1f} s alone")
