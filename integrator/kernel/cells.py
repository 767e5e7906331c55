"""
This module writes rows of tables as CSV whose texts no program for tables takes for formulas.

Texts come from customers, and a cell that begins like a formula is run by whoever opens the file. It gets an
apostrophe in front, as is advised at https://owasp.org/www-community/attacks/CSV_Injection.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

# By it programs for tables know that a file is UTF-8.
MARK = "\ufeff"
LONGEST = 32_000  # characters of a cell; Excel takes 32,767

Cell = str | int | Decimal | datetime | None

# What a formula begins with, as keyboards for Chinese and Japanese write it too. What is not seen may stand
# before it, or a quote. It may also stand behind what ends a cell where numbers have commas: there, programs
# split at semicolons and take no notice of our quotes.
_FORMULA = re.compile(
    "(?:^|[;\t\n\r\v\f\x85\u2028\u2029])"
    "[\\s\"'\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
    "(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])"
)
_ENDS = (";", "\t", "\r", "\n")  # of a cell: what comes behind them begins another one


def inert(text: str) -> str:
    """Return `text`, cut to LONGEST, with an apostrophe wherever a program may take up a formula."""
    found = _FORMULA.sub(_with_apostrophe, text[:LONGEST])
    return f"'{found}" if found.startswith(_ENDS) else found


def _with_apostrophe(begun: re.Match[str]) -> str:
    return f"'{begun.group()}" if begun.start() == 0 else f"{begun.group()}'"


def line(cells: Sequence[Cell]) -> str:
    """
    Return one line of CSV as RFC 4180 has it: every text in quotes, numbers bare, moments in UTC.

    What is not there is an empty cell.
    """
    written = StringIO()
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerow(map(_cell, cells))
    return written.getvalue()


def _cell(value: Cell) -> str | int | Decimal:
    match value:
        case None:
            return ""
        case str():
            return inert(value.replace("\x00", "\N{REPLACEMENT CHARACTER}"))
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case _:
            return value
