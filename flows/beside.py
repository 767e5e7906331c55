"""This module shows a customer beside the records that it may be, and what speaks for and against each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.matching.likeness import EXACT
from flows.matching.telling import chance, told

LABELS = {
    "name": "Name",
    "email": "E-mail",
    "domain": "Website",
    "phone": "Phone",
    "line1": "Street",
    "postal": "Postal code",
    "city": "Town",
    "country": "Country",
}
# Which line of the waterfall compares a value, where it is called otherwise.
_LINES = {"line1": "street", "postal": "place", "city": "place"}
_WIDEST = 50  # of a bar, to either side of the middle
_MOST_BITS = 10.0  # that fill it


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a field; `differs` if the customer tells something else."""

    label: str
    text: str = ""
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the waterfall: from where to where it is drawn, in hundredths of the width."""

    words: str
    bits: str
    x: float
    width: float
    speaks_for: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One record that it may be."""

    id: str
    cells: Sequence[Cell]
    bars: Sequence[Bar]
    score: str
    percent: int


@dataclass(frozen=True, slots=True)
class Beside:
    """The customer and the records that it may be."""

    object: str
    customer: str
    cells: Sequence[Cell]
    columns: Mapping[str, Column]

    @property
    def ids(self) -> str:
        """Return the records' ids, one after the other."""
        return ",".join(self.columns)


def of(evidence: Mapping[str, Any]) -> Beside | None:
    """Return what the evidence of a question tells; nothing if it is of another form."""
    mine, shown = evidence.get("told"), evidence.get("candidates")
    if not isinstance(mine, Mapping) or not isinstance(shown, list):
        return None
    found = [one for one in shown if isinstance(one, Mapping) and isinstance(one.get("values"), Mapping)]
    names = [
        name
        for name in LABELS
        if _text(mine.get(name)) or any(_text(one["values"].get(name)) for one in found)
    ]
    return Beside(
        object=str(evidence.get("object") or ""),
        customer=str(evidence.get("customer") or ""),
        cells=[Cell(LABELS[name], _text(mine.get(name))) for name in names],
        columns={str(one.get("id")): _column(one, mine, names) for one in found},
    )


def _column(one: Mapping[str, Any], mine: Mapping[str, Any], names: Sequence[str]) -> Column:
    score = _number(one.get("score"))
    lines = one.get("waterfall")
    rows = (
        [row for row in lines if isinstance(row, list) and len(row) == 3] if isinstance(lines, list) else []
    )
    same = {str(field) for field, level, _ in rows if level == EXACT}
    return Column(
        id=str(one.get("id")),
        cells=[
            _cell(name, one["values"].get(name), mine.get(name), alike=_LINES.get(name, name) in same)
            for name in names
        ],
        bars=[_bar(str(field), str(level), _number(bits)) for field, level, bits in rows],
        score=_signed(score),
        # A person is asked because nobody is sure.
        percent=min(99, max(1, round(100 * chance(score)))),
    )


def _cell(name: str, value: Any, mine: Any, *, alike: bool) -> Cell:
    """Return a value; what was found to be the same, such as a phone number, may be written otherwise."""
    text, other = _text(value), _text(mine)
    differs = bool(text and other) and not alike and text.casefold() != other.casefold()
    return Cell(LABELS[name], text, differs)


def _bar(field: str, level: str, bits: float) -> Bar:
    width = round(_WIDEST * min(abs(bits), _MOST_BITS) / _MOST_BITS, 1)
    return Bar(told(field, level), _signed(bits), _WIDEST if bits >= 0 else _WIDEST - width, width, bits >= 0)


def _signed(bits: float) -> str:
    return f"{bits:+.1f}".replace("-", "−")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
