"""
This module fits templates to what an org sells in: one currency, or several.

Only an org with several currencies has the field `CurrencyIsoCode`, so that no document fits both. Templates
are written for one currency, which the org does not tell: a line of a map step holds `XXX`, which by ISO 4217
stands for no currency, and the flow stops until somebody has put in the org's own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectors import schemas
from connectors.models import Connection

FIELD = "CurrencyIsoCode"
NONE = "XXX"
_ASKED = "Opportunity"  # an object of every org with which somebody sells; its records have a currency


def is_open(raw: dict[str, Any]) -> bool:
    """Tell whether a document leaves open in which currency the org sells."""
    return any(_is_open(line) for step in _maps(raw["steps"]) for line in step["settings"]["lines"])


def in_several(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the document for an org with several currencies: that of the record stands in it."""
    found = copy.deepcopy(raw)
    record = found["trigger"].get("object")
    for step in _maps(found["steps"]):
        for line in step["settings"]["lines"]:
            if _is_open(line):
                del line["chips"]
                line |= {"from": [f"{record}.{FIELD}"], "empty": "fail"}
    return found


def fitted(raw: dict[str, Any], connections: list[Connection], *, now: datetime) -> dict[str, Any]:
    """
    Return the document as it fits the first of `connections` whose org tells what it sells in.

    If none does, it is the one for a single currency, which does nothing until that is put in.

    :raises RuntimeError: if an org would have to be asked, and this is inside a transaction
    """
    if not is_open(raw):
        return raw
    for connection in connections:
        try:
            told = schemas.of(connection=connection, object=_ASKED, now=now)
        except schemas.Unavailable:
            continue
        return in_several(raw) if any(one.get("name") == FIELD for one in told.fields) else raw
    return raw


def _is_open(line: dict[str, Any]) -> bool:
    return any(chip.get("chip") == "constant" and chip.get("value") == NONE for chip in line.get("chips", ()))


def _maps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        if step["kind"] == "map":
            yield step
        for inner in step.get("exits", {}).values():
            yield from _maps(inner)
