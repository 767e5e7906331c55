"""Failures as readers told them who had not seen the rules of the catalogue (`docs/errors.md`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flows.error_catalogue import classify
from flows.error_catalogue.policy import AUTONOMIES

LINES = Path(__file__).parents[2] / "data" / "failures_as_told.jsonl"
TOLD: list[dict[str, Any]] = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]


def test_the_class_is_what_readers_say_of_nineteen_in_twenty():
    right = sum(
        classify(told["system"], told["status"], told["code"], told["message"]).cls in told["classes"]
        for told in TOLD
    )

    assert len(TOLD) == 400
    assert right >= 0.95 * len(TOLD), f"{right} of {len(TOLD)}"


def test_nothing_is_given_more_freedom_than_readers_give():
    looser = [
        told["code"]
        for told in TOLD
        if AUTONOMIES.index(
            classify(told["system"], told["status"], told["code"], told["message"]).autonomy
        )
        > AUTONOMIES.index(told["loosest"])
    ]  # fmt: skip

    assert looser == []
