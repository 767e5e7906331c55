"""This module measures how good suggested mapping lines are, on pairs judged by meaning, and how fast (S)."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flows.embedding import installing
from flows.mapping.suggest import Embedder, SObjField, suggest
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.tables import Table
from tests.judged import HALVES, PARAPHRASED, USUAL, data, figures, source

COLUMNS = {
    "top1": ("top-1", ".3f"),
    "top3": ("top-3", ".3f"),
    "mrr": ("MRR", ".3f"),
    "listed": ("first and shown", ".3f"),
    "shown": ("right among the shown", ".3f"),
    "strong": ("right among the strong", ".3f"),
    "recall": ("strong and right among all", ".3f"),
}
CHANGES = {"changes": ("right change", ".3f")}
HELD_OUT = "held out"
MODELS = Path(os.environ.get("INTEGRATOR_MODELS_FOLDER") or Path(__file__).parents[2] / "var" / "models")


def milliseconds(
    *, paths: int, fields: int, name: str = USUAL, rounds: int = 7, embedder: Embedder | None = None
) -> float:
    """Return the milliseconds of processor time that suggestions for so many take, the median."""
    sources = [source(path) for path in list(data()["sources"])[:paths]]
    told = {field["name"]: field for found in data(name)["objects"].values() for field in found}
    targets = [SObjField.from_describe(field) for field in list(told.values())[:fields]]
    assert (len(sources), len(targets)) == (paths, fields)
    costs = []
    for _ in range(rounds):
        began = time.process_time()
        suggest(sources, targets, embedder=embedder)
        costs.append((time.process_time() - began) * 1e3)
    return statistics.median(costs)


@cache
def installed() -> Any:
    """Return the vectors of the model, patiently, or nothing where it is not installed."""
    if find_spec("numpy") is None or not installing.is_installed(MODELS):
        return None
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    model = import_module("flows.embedding.minilm").load(installing.folder_in(MODELS))
    return import_module("flows.embedding.vectors").Vectors(model, width=model.width)


def patient(texts: Sequence[str]) -> Any:
    """Return vectors for `texts`, however long it takes."""
    return installed().of(texts, ends=time.monotonic() + 600)


def report(asked: Asked) -> Measured:
    """Judge both halves of the pairs and measure the time, and gather the figures."""
    quality = Table("suggestions, no embedding", COLUMNS | CHANGES)
    for half in HALVES:
        for typed, words in ((True, "types of the schema"), (False, "types of JSON")):
            quality.add(f"{half}, {words}", figures(half, typed=typed))
    speed = Table("time of suggestions", {"ms": ("ms", ",.0f")})
    for _ in range(asked.rounds):
        speed.add("150 paths x 50 fields", {"ms": milliseconds(paths=150, fields=50)})
        speed.add("400 paths x 300 fields", {"ms": milliseconds(paths=400, fields=300)})
    judged = {f"S.{name}": value for name, value in figures(HELD_OUT).items()}
    measured = Measured(
        [quality, _paraphrased(None), speed], {**judged, "S.ms": speed.figure("150 paths x 50 fields", "ms")}
    )
    if installed() is not None:
        measured.add(_embedded(asked))
    return measured


def _embedded(asked: Asked) -> Measured:
    """Measure the same with the model, the time on fields that words say nothing about."""
    speed = Table("time with the model, paraphrased labels", {"ms": ("ms", ",.0f")})
    row, some = (
        "150 paths x 50 fields",
        {"paths": 150, "fields": 50, "name": PARAPHRASED, "embedder": patient},
    )
    # The first time holds all the work of the model; a page does not wait for it.
    speed.add(f"{row}, the first time", {"ms": milliseconds(**some, rounds=1)})
    for _ in range(asked.rounds):
        speed.add(f"{row}, later", {"ms": milliseconds(**some)})
    judged = {f"S.embedded.{name}": value for name, value in figures(HELD_OUT, embedder=patient).items()}
    return Measured(
        [_usual(patient), _paraphrased(patient), speed],
        {**judged, "S.embedded.ms": speed.figure(f"{row}, later", "ms")},
    )


def _usual(embedder: Embedder) -> Table:
    table = Table("suggestions, with the model", COLUMNS | CHANGES)
    for half in HALVES:
        table.add(half, figures(half, embedder=embedder))
    return table


def _paraphrased(embedder: Embedder | None) -> Table:
    how = "with the model" if embedder else "no embedding"
    table = Table(f"paraphrased labels, {how}", COLUMNS)
    for half in HALVES:
        table.add(half, figures(half, name=PARAPHRASED, embedder=embedder))
    return table
