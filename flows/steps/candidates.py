"""This module lets a person choose among records that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Option
from flows.mapping.text import clean

NONE = "none"  # the answer that no record fits; no record id looks like it
MOST = 10  # candidates that are shown
_LONGEST_LABEL = 200

Record = Mapping[str, Any]


def value_of(record: Any, field: str) -> Any:
    """Return a field of a record, or of a look-up by a dotted name. Salesforce does not mind the case."""
    for name in field.split("."):
        if not isinstance(record, Mapping):
            return None
        wanted = name.lower()
        record = next((value for key, value in record.items() if key.lower() == wanted), None)
    return record


def id_of(record: Record) -> str:
    """Return the record's id."""
    return str(value_of(record, "Id") or "")


def ask(question: str, records: Sequence[Record], shows: Sequence[str], *, none: str = "") -> AskHuman:
    """Return the question which of `records` is meant; `none` is what the answer is called that none is."""
    options = [Option(id_of(record), _label(record, shows), id_of(record)) for record in records[:MOST]]
    if none:
        options.append(Option(NONE, none))
    if len(records) > MOST:
        question = f"{question} The first {MOST} are shown."
    evidence = {"records": [dict(record) for record in records[:MOST]]}
    return AskHuman(question, kind="several", options=options, evidence=evidence)


def answer(item: Item, step: str) -> str:
    """Return what a person chose for `step`: a record id, `NONE`, or nothing yet."""
    chosen = item.recall(step, "answer")
    return chosen if isinstance(chosen, str) else ""


def _label(record: Record, shows: Sequence[str]) -> str:
    values = [str(value) for field in shows if (value := value_of(record, field)) not in (None, "")]
    return clean(", ".join(values))[:_LONGEST_LABEL] or id_of(record)
