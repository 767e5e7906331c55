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
    return any(_is_open(line) for step in _steps(raw["steps"]) for line in step["settings"].get("lines", ()))


def in_several(raw: dict[str, Any]) -> dict[str, Any]:
    """
    Return the document for an org with several currencies.

    The currency is that of the record that starts the flow, or of the price that does; entries of a price
    book are found and made in it.
    """
    found = copy.deepcopy(raw)
    record = found["trigger"].get("object")
    known: dict[str, Any] = {"from": [f"{record}.{FIELD}"] if record else ["price.currency"]}
    if not record:
        known["chips"] = [{"chip": "text", "case": "upper"}]
    place = ""  # where later steps read it
    for step in _steps(found["steps"]):
        lines = step["settings"].get("lines", [])
        for line in filter(_is_open, lines):
            place = f"steps.{step['id']}.{line['field']}"
            del line["chips"]
            line |= {**known, "empty": "fail"}
        if any(line["field"] == "UnitPrice" for line in lines):
            lines.append({"field": FIELD, "from": [place], "empty": "fail"})
        if step["kind"] == "salesforce.list" and step["settings"]["object"] == "PricebookEntry":
            step["settings"]["where"].append({"field": FIELD, "from": [place]})
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


def _steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every step in the order in which runs come to them."""
    for step in steps:
        yield step
        for inner in step.get("exits", {}).values():
            yield from _steps(inner)
