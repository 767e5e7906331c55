"""
This module measures how good and how fast anomalies are found in streams of payments with known troubles (A).

The detectors were tuned on streams of the seeds in TUNED; what counts are those of UNSEEN. A stream from
elsewhere is judged too: ANOMALY_STREAM names its CSV, beside which lies the JSON with the truth.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitoring.detection import CONNECTION, FLOW, fresh, observe, score_amount
from tests.benchmarks import flow_stream
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.payment_stream import LOW_SIZE, PER_DAY, USUAL_SIZE, Stream, Trouble, make
from tests.benchmarks.tables import Table

TUNED, UNSEEN = tuple(range(1, 7)), tuple(range(101, 109))
WARM_UP = 7 * PER_DAY
TAIL = 6  # bins after a trouble in which it may still be told
METRICS = {
    "volume_drop": "charges", "volume_spike": "charges", "outage": "charges", "failed_spike": "failed",
    "slow_fail_drift": "failed", "refund_surge": "refunds", "dispute_wave": "disputes",
    "dup_surge": "dup_events", "call_error_surge": "call_errors", "latency_rise": "call_ms",
    "amount_outlier": "amt_max",
}  # fmt: skip
OTHERS = {  # kinds that payments do not have, by the streams that do
    FLOW: {"flow_silence": "runs", "run_error_surge": "run_errors", "run_lag": "run_s"},
    CONNECTION: {"delivery_lag": "delivery_s"},
}
# What is recorded elsewhere under another name.
RENAMED = {
    "sf_calls": "calls", "sf_errors": "call_errors", "lat_p95_ms": "call_ms",
    "sf_error_surge": "call_error_surge",
}  # fmt: skip
WORDS = {FLOW: "runs of a flow", CONNECTION: "calls of a connection"}
METRIC_OF = {**METRICS, **OTHERS[FLOW], **OTHERS[CONNECTION]}
COLUMNS = {
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "f1": ("F1", ".3f"),
    "false": ("false alerts a day", ".3f"),
    "delay": ("median delay, min", ".0f"),
    "us": ("µs a bin", ".0f"),
}


@dataclass
class Judged:
    """What was found in a stream; delays in minutes by kind, None for what was missed."""

    delays: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))
    false: int = 0
    days: float = 0.0
    microseconds: float = 0.0

    def figures(self) -> Mapping[str, float]:
        """Return the figures of the table."""
        every = [delay for delays in self.delays.values() for delay in delays]
        found = [delay for delay in every if delay is not None]
        precision = len(found) / (len(found) + self.false) if found else 0.0
        recall = len(found) / len(every)
        f1 = 2 * precision * recall / (precision + recall) if found else 0.0
        delay = statistics.median(found) if found else 0.0
        told = {"precision": precision, "recall": recall, "f1": f1, "false": self.false / self.days}
        return {**told, "delay": delay, "us": self.microseconds}


def judge(stream: Stream, profile: str = CONNECTION) -> Judged:
    """
    Return what is found in a stream, strictly: only an alert of the right metric finds a trouble, and any
    other is false, also while something else is wrong. No known events are told to the detectors.
    """
    state, alerts, count = fresh(profile), [], len(stream.rows)
    began = time.process_time()
    for index, row in enumerate(stream.rows):
        state, found = observe(state, row)
        alerts += [(index, alert.metric) for alert in found]
    judged = Judged(microseconds=(time.process_time() - began) / count * 1e6)
    alerts += [(index, "amt_max") for index in outliers(stream.charges)]
    judged.days = (count - WARM_UP) / PER_DAY
    first: dict[Trouble, int] = {}
    for index, metric in sorted(alerts):
        if index < WARM_UP:
            continue
        fitting = [one for one in stream.troubles if _fits(one, index, metric)]
        judged.false += not fitting
        for one in fitting[:1]:
            first.setdefault(one, index)
    for one in stream.troubles:
        delay = (first[one] - one.start) * 5.0 if one in first else None
        judged.delays[one.kind].append(delay)
    return judged


def outliers(charges: Sequence[Sequence[tuple[str, float]]]) -> Iterable[int]:
    """Yield the bins with a charge that its customer's history does not explain."""
    histories: dict[str, list[float]] = {}
    for index, paid in enumerate(charges):
        for customer, amount in paid:
            histories[customer], score = score_amount(histories.get(customer, []), amount)
            if score.unusual:
                yield index


def _fits(one: Trouble, index: int, metric: str) -> bool:
    return one.start <= index <= one.end + TAIL and METRIC_OF[one.kind] == metric


def recorded(path: Path) -> Stream:
    """Return a stream from a CSV and the JSON of the same name."""
    with path.open() as file:
        rows: list[dict[str, Any]] = [
            {RENAMED.get(name, name): value for name, value in row.items()} for row in csv.DictReader(file)
        ]
    told = json.loads(path.with_suffix(".json").read_text())["events"]
    troubles = [
        Trouble(RENAMED.get(one["kind"], one["kind"]), one["start"], one["end"], one["mag"]) for one in told
    ]
    return Stream(rows=rows, troubles=troubles)


def report(asked: Asked) -> Measured:
    """Judge streams that were tuned on and others, and gather the figures."""
    table = Table("anomalies", COLUMNS)
    _rows(table, "24 charges a bin, tuned on", TUNED, USUAL_SIZE)
    usual = _rows(table, "24 charges a bin, unseen", UNSEEN, USUAL_SIZE)
    low = _rows(table, "5 charges a bin, unseen", UNSEEN, LOW_SIZE)
    others = {
        (profile, size): _rows(table, f"{WORDS[profile]}, {size:.0f} a bin, unseen", UNSEEN, size, profile)
        for profile in (FLOW, CONNECTION)
        for size in (USUAL_SIZE, LOW_SIZE)
    }
    if path := os.environ.get("ANOMALY_STREAM"):
        table.add("from elsewhere", judge(recorded(Path(path))).figures())
    kinds = Table("anomalies by kind", {
        "recall": ("recall", ".2f"), "delay": ("median delay, min", ".0f"),
        "low": ("recall at 5 a bin", ".2f"), "low_delay": ("median delay, min", ".0f"),
    })  # fmt: skip
    for kind in METRICS:
        (recall, delay), (low_recall, low_delay) = _of(usual, kind), _of(low, kind)
        kinds.add(kind, {"recall": recall, "delay": delay, "low": low_recall, "low_delay": low_delay})
    for profile, names in OTHERS.items():
        for kind in names:
            recall, delay = _of(others[profile, USUAL_SIZE], kind)
            low_recall, low_delay = _of(others[profile, LOW_SIZE], kind)
            figures_of = {"recall": recall, "delay": delay, "low": low_recall, "low_delay": low_delay}
            kinds.add(kind, figures_of)
    name = "24 charges a bin, unseen"
    figures = {f"A.{one}": table.figure(name, one) for one in ("f1", "false", "delay", "us")}
    figures["A.low"] = table.figure("5 charges a bin, unseen", "f1")
    figures["A.drop"] = kinds.figure("volume_drop", "recall")
    figures["A.kinds"] = min(kinds.figure(kind, "recall") for kind in METRIC_OF if kind != "volume_drop")
    for short, profile in (("flows", FLOW), ("calls", CONNECTION)):
        name = f"{WORDS[profile]}, {USUAL_SIZE:.0f} a bin, unseen"
        figures |= {f"A.{short}.{one}": table.figure(name, one) for one in ("f1", "false", "delay")}
    return Measured([table, kinds], figures)


def _rows(table: Table, name: str, seeds: Sequence[int], size: float, profile: str = "") -> list[Judged]:
    judged = [
        judge(flow_stream.make(seed, profile, size=size), profile)
        if profile
        else judge(make(seed, size=size))
        for seed in seeds
    ]
    every = [one.figures() for one in judged]
    table.add(name, {figure: statistics.fmean(one[figure] for one in every) for figure in COLUMNS})
    return judged


def _of(judged: Sequence[Judged], kind: str) -> tuple[float, float]:
    delays = [delay for one in judged for delay in one.delays[kind]]
    found = [delay for delay in delays if delay is not None]
    return len(found) / len(delays), statistics.median(found) if found else 0.0
