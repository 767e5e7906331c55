"""This module reads what the product's processes tell a real OTLP collector, which then dies and hangs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.load import Load, arrives
from tests.collector import held_beside
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, free_port, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(300),
]
pytest.importorskip("opentelemetry.proto", reason="the extra requirements/otel.txt is not installed")
EVENTS = 12
HANGS = 30.0  # seconds, far longer than a sending may take
SOON = 20.0  # seconds for one payment with a collector that is away, on a busy machine
# All that spans may say; whatever comes new is looked at by a person before it stands here.
TOLD = {
    "webhook": {"event", "connection"},
    "tick": {"handled", "runs"},
    "run": {"runs", "events", "count", "flow", "version"},
    "call": {"action", "connection", "requests", "failed"},
}


class Collector:
    """A collector in a process of its own, and the spans that it was sent."""

    def __init__(self, folder: Path) -> None:
        self.port, self.file = free_port(), folder / "spans.jsonl"
        self.file.touch()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def start(self, *, pause: float = 0.0) -> None:
        whole = [sys.executable, "-m", "tests.collector", str(self.port), str(self.file), str(pause)]
        self._process = subprocess.Popen(whole, cwd=Path(__file__).resolve().parents[2])

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def spans(self, name: str = "") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [span for span in found if name in ("", span["name"])]


@contextmanager
def traced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> Iterator[tuple[Stage, Collector]]:
    """Yield a stage whose processes send all traces to a collector, every half a second."""
    collector = Collector(folder)
    collector.start()
    monkeypatch.setenv("INTEGRATOR_TRACES_ENDPOINT", collector.address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
    try:
        with a_stage(folder, postgresql=POSTGRESQL, redis_url=redis_url) as stage:
            yield stage, collector
    finally:
        collector.kill()


def named(spans: list[dict[str, Any]], attribute: str) -> set[str]:
    """Return all that spans say under an attribute of ours."""
    found: set[str] = set()
    for span in spans:
        value = span["attributes"].get(f"integrator.{attribute}", [])
        found |= set(value) if isinstance(value, list) else {value}
    return found


def test_spans_of_web_and_workers_arrive_whole_and_a_collector_that_is_away_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with traced(tmp_path, monkeypatch, "") as (stage, collector):
        load = Load(charges=EVENTS, events=EVENTS, seed=11, prefix="ch_traced", duplicates=0, disorder=0)
        for event in load.deliveries:
            event["data"]["object"]["billing_details"] = {
                "name": "Jenny Rosen", "email": "jenny.rosen@example.com", "phone": "+4930123456",
            }  # fmt: skip
        load.deliver(stage, rate=20)
        until(stage.settled, seconds=90, what="everything is done")
        until(
            lambda: (
                named(collector.spans("run"), "events") >= load.acknowledged
                and named(collector.spans("webhook"), "event") >= load.acknowledged
            ),
            seconds=30,
            what="the spans of all events arrive",
        )
        _are_whole(collector.spans(), runs={run["id"] for run in stage.whole("runs/")})
        _say_nothing_private(collector, stage)

        collector.kill()
        down = arrives(stage, "ch_down", seconds=SOON)
        collector.start(pause=HANGS)
        keep_somebody_waiting(stage, collector)
        slow = [arrives(stage, f"ch_slow_{number}", seconds=SOON) for number in range(3)]
        print(f"with the collector down {down:.1f} s, hanging {max(slow):.1f} s")
        process = stage.processes["serve"]
        began = time.monotonic()
        process.terminate()
        process.wait(30)
        assert time.monotonic() - began < 15


def keep_somebody_waiting(stage: Stage, collector: Collector) -> None:
    """Wait until a process of the product waits for the collector's answer."""
    numbers = itertools.count()

    def hangs() -> bool:
        arrives(stage, f"ch_hang_{next(numbers)}", seconds=SOON)  # so that there is something to tell
        return held_beside(collector.file).exists()

    until(hangs, seconds=60, every=1.0, what="somebody waits for the collector")


def _are_whole(spans: list[dict[str, Any]], *, runs: set[str]) -> None:
    by_id = {span["id"]: span for span in spans}
    assert {span["resource"]["service.name"] for span in spans} == {"integrator"}
    assert {span["resource"]["process.role"] for span in spans if span["name"] == "webhook"} == {"serve"}
    assert "serve" not in {span["resource"]["process.role"] for span in spans if span["name"] == "run"}
    found = [span for span in spans if span["name"] == "run"]
    assert named(found, "runs") == runs
    for run in found:
        tick = by_id[run["parent"]]
        assert (tick["name"], tick["parent"], tick["trace"]) == ("tick", "", run["trace"])
        assert tick["began"] <= run["began"] <= run["ended"] <= tick["ended"]
    saved = [span for span in spans if span["attributes"].get("integrator.action") == "upsert"]
    assert {by_id[span["parent"]]["name"] for span in saved} == {"run"}
    assert all(span["attributes"]["integrator.failed"] == 0 for span in saved)
    assert {span["parent"] for span in spans if span["name"] == "webhook"} == {""}


def _say_nothing_private(collector: Collector, stage: Stage) -> None:
    for span in collector.spans():
        said = {name.removeprefix("integrator.") for name in span["attributes"]}
        assert said <= TOLD[span["name"]], span
        assert span["events"] == []
    text = collector.file.read_text()
    private = ["jenny", "Rosen", "4930123456", "order-", "visa", "declined", stage.secret, stage.token]
    private += ["sk_test", "whsec_", "127.0.0.1", "Bearer", stage.env["SECRET_KEY"]]
    assert [one for one in private if one and one in text] == []
