"""This module shows a customer beside the records that it may be, and what speaks for and against each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flows.matching.likeness import EXACT
from flows.matching.records import external_value
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
_MOST_MERGED = 3  # records


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a field; `differs` if the customer tells something else."""

    label: str
    text: str = ""
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a record that is otherwise than what was to be saved."""

    label: str
    is_: str
    would: str


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
    """One record that it may be; `note` says what else has to be known of it."""

    id: str
    cells: Sequence[Cell]
    bars: Sequence[Bar]
    score: str
    percent: int
    note: str = ""
    points: float = 0.0  # `score` as a number
    changes: Sequence[Change] = ()  # of what was to be saved, fields that are told and are not so here


@dataclass(frozen=True, slots=True)
class Beside:
    """
    The customer and the records that it may be.

    Where a record was refused there is no `customer`: what was to be saved stands in its place. `also` are
    records of other objects that it looks like.
    """

    object: str
    customer: str
    cells: Sequence[Cell]
    columns: Mapping[str, Column]
    also: Sequence[str] = ()

    @property
    def ids(self) -> str:
        """Return the ids of the records that can be merged at once, one after the other."""
        return ",".join(list(self.columns)[:_MOST_MERGED])


def of(evidence: Mapping[str, Any], fields: Mapping[str, str] = MappingProxyType({})) -> Beside | None:
    """
    Return what the evidence of a question tells; nothing if it is of another form.

    `fields` are what the org calls its fields, by their names.
    """
    mine, shown = evidence.get("told"), evidence.get("candidates")
    if not isinstance(mine, Mapping) or not isinstance(shown, list):
        return None
    found = [one for one in shown if isinstance(one, Mapping) and isinstance(one.get("values"), Mapping)]
    labels = _labels(evidence.get("labels"), fields)
    also = evidence.get("also")
    names = {
        name: label
        for name, label in (labels | LABELS).items()
        if _text(mine.get(name)) or any(_text(one["values"].get(name)) for one in found)
    }
    return Beside(
        object=str(evidence.get("object") or ""),
        customer=str(evidence.get("customer") or ""),
        cells=[Cell(label, _text(mine.get(name))) for name, label in names.items()],
        columns={str(one.get("id")): _column(one, mine, names, labels) for one in found},
        also=[str(one) for one in also] if isinstance(also, list) else (),
    )


def _labels(told: Any, fields: Mapping[str, str]) -> dict[str, str]:
    """Return what values are called that the question itself names, such as external keys, by their names."""
    known = told.items() if isinstance(told, Mapping) else ()
    return {
        str(name): _text(label) if label != name and _text(label) else fields.get(name) or str(name)
        for name, label in known
    }


def _column(
    one: Mapping[str, Any], mine: Mapping[str, Any], names: Mapping[str, str], labels: Mapping[str, str]
) -> Column:
    score = _number(one.get("score"))
    lines = one.get("waterfall")
    rows = (
        [row for row in lines if isinstance(row, list) and len(row) == 3] if isinstance(lines, list) else []
    )
    same = {str(field) for field, level, _ in rows if level == EXACT}
    return Column(
        id=str(one.get("id")),
        cells=[
            _cell(label, value, mine.get(name), alike=_is_same(name, value, mine, same, labels))
            for name, label in names.items()
            for value in [one["values"].get(name)]
        ],
        bars=[_bar(told(str(field), str(level), labels), _number(bits)) for field, level, bits in rows],
        score=_signed(score),
        # A person is asked because nobody is sure.
        percent=min(99, max(1, round(100 * chance(score)))),
        note=_text(one.get("note")),
        points=score,
        changes=[
            Change(label, _text(one["values"].get(name)), would)
            for name, label in names.items()
            if (would := _text(mine.get(name))) and would != _text(one["values"].get(name))
        ],
    )


def _is_same(
    name: str, value: Any, mine: Mapping[str, Any], same: set[str], labels: Mapping[str, str]
) -> bool:
    """Tell whether a comparison has found a value to be the same, however it is written."""
    if name in labels:
        return external_value(value) == external_value(mine.get(name))
    return _LINES.get(name, name) in same


def _cell(label: str, value: Any, mine: Any, *, alike: bool) -> Cell:
    """Return a value; what was found to be the same, such as a phone number, may be written otherwise."""
    text, other = _text(value), _text(mine)
    differs = bool(text and other) and not alike and text.casefold() != other.casefold()
    return Cell(label, text, differs)


def _bar(words: str, bits: float) -> Bar:
    width = round(_WIDEST * min(abs(bits), _MOST_BITS) / _MOST_BITS, 1)
    return Bar(words, _signed(bits), _WIDEST if bits >= 0 else _WIDEST - width, width, bits >= 0)


def _signed(bits: float) -> str:
    return f"{bits:+.1f}".replace("-", "−")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""
