"""
This module reads exchange rates as people write them down, and says line by line what is wrong with them.

It is pure: it knows neither the database nor the time.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import NamedTuple

from integrator.kernel.money import UnknownCurrency, currency_of
from integrator.kernel.texts import storable

COLUMNS = ("base", "quote", "day", "rate", "source")
MOST = 5_000  # rates that are added at once
MOST_PROBLEMS = 20  # that are told at once
EARLIEST = date(2000, 1, 1)
AHEAD = timedelta(days=366)  # a rate may be agreed for a year; further ahead it is a mistyped year

_NUMBER = re.compile(r"[0-9]+(\.([0-9]+))?")
_MOST_DECIMALS = 12
_LARGEST = 10**12
# More digits than this SQLite does not keep exactly: https://www.sqlite.org/datatype3.html#type_affinity
_MOST_DIGITS = 15


class Given(NamedTuple):
    """A rate as somebody wrote it down; `line` counts from 1."""

    line: int
    base: str
    quote: str
    day: str
    rate: str
    source: str


class Problem(NamedTuple):
    """What is wrong with one line; `field` is empty if it is the line as a whole."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"Line {self.line}, {self.field}" if self.field else f"Line {self.line}"
        return f"{where}: {self.message}"


class Unacceptable(ValueError):
    """Some lines cannot be taken, so none was."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems[:MOST_PROBLEMS]))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Line:
    """A rate that can be kept."""

    base: str
    quote: str
    day: date
    rate: Decimal
    source: str

    @property
    def key(self) -> tuple[str, str, date]:
        """Return what there is one rate of."""
        return self.base, self.quote, self.day


# Reading


def read_csv(text: str) -> list[Given]:
    """
    Return the rates of a table whose columns are base, quote, day, rate, source.

    They are separated by commas, semicolons or tabs. A first line that names the columns gives their order.

    :raises Unacceptable: if a line has other columns, or there are too many or none
    """
    lines = text.lstrip("\ufeff").splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    rows = [(n, [cell.strip() for cell in row]) for n, row in _rows(lines, separator) if any(row)]
    order: tuple[str, ...] = COLUMNS
    if rows and sorted(cell.lower() for cell in rows[0][1]) == sorted(COLUMNS):
        order = tuple(cell.lower() for cell in rows[0][1])
        rows = rows[1:]
    if not rows:
        raise Unacceptable([Problem(1, "", "There is no rate in it.")])
    _check_number(len(rows), "There are")
    wrong = [Problem(n, "", _other_columns(len(row))) for n, row in rows if len(row) != len(COLUMNS)]
    if wrong:
        raise Unacceptable(wrong)
    return [Given(line=n, **dict(zip(order, row, strict=True))) for n, row in rows]


def _rows(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line's number and cells. A line is a row: none of the columns holds a line break."""
    for number, line in enumerate(lines, 1):
        try:
            yield number, next(csv.reader(StringIO(line), delimiter=separator, strict=True), [])
        except csv.Error:
            yield number, [line]


def _other_columns(count: int) -> str:
    return (
        f"It has {count} column{'' if count == 1 else 's'}. {len(COLUMNS)} are needed: {', '.join(COLUMNS)}."
    )


def _check_number(count: int, begin: str) -> None:
    if count > MOST:
        raise Unacceptable([Problem(MOST + 1, "", f"{begin} {count:,} lines. At most {MOST:,} go at once.")])


# Checking


def checked(given: Sequence[Given], *, today: date) -> list[Line]:
    """
    Return what `given` says, each rate once.

    :raises Unacceptable: with everything that is wrong, if anything is
    """
    _check_number(len(given), "These are")
    problems: list[Problem] = []
    lines: dict[tuple[str, str, date], tuple[int, Line]] = {}
    for one in given:
        wrong = list(_wrong(one, today))
        if wrong:
            problems += wrong
            continue
        line = Line(
            one.base.upper(), one.quote.upper(), date.fromisoformat(one.day), Decimal(one.rate), one.source
        )
        known = lines.setdefault(line.key, (one.line, line))
        if known[1] != line:
            problems.append(Problem(one.line, "", f"It says something else than line {known[0]}."))
    if problems:
        raise Unacceptable(problems)
    return [line for _, line in lines.values()]


def _wrong(one: Given, today: date) -> Iterator[Problem]:
    """Yield what is wrong with a line, field by field."""
    for name, code in (("base", one.base), ("quote", one.quote)):
        if not _is_currency(code):
            yield Problem(one.line, name, f"“{code[:20]}” is not a currency that this product knows.")
    if one.base.upper() == one.quote.upper():
        yield Problem(one.line, "quote", "It is the same currency as the base.")
    for name, say in (("day", _about_day(one.day, today)), ("rate", _about_rate(one.rate))):
        if say:
            yield Problem(one.line, name, say)
    if not one.source or len(one.source) > 100 or storable(one.source) != one.source:
        yield Problem(one.line, "source", "Say where the rate comes from, in at most 100 letters.")


def _is_currency(code: str) -> bool:
    try:
        currency_of(code)
    except UnknownCurrency:
        return False
    return True


def _about_day(text: str, today: date) -> str:
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        day = None
    if day is None:
        return f"“{text[:20]}” is not a day. Write it as 2026-11-24."
    if not EARLIEST <= day <= today + AHEAD:
        return f"{day} is not between {EARLIEST} and a year from now."
    return ""


def _about_rate(text: str) -> str:
    number = _NUMBER.fullmatch(text)
    if number is None or len(text) > 100:
        return f"“{text[:30]}” is not a rate. Write it with a point, such as 1.0842."
    if Decimal(text) <= 0:
        return "A rate is more than zero."
    if len(number[2] or "") > _MOST_DECIMALS:
        return f"It has more than {_MOST_DECIMALS} digits behind the point."
    if len(Decimal(text).normalize().as_tuple().digits) > _MOST_DIGITS:
        return f"It has more than {_MOST_DIGITS} digits."
    if Decimal(text) >= _LARGEST:
        return f"It is not less than {_LARGEST:,}."
    return ""
