"""CSV: no text of anybody is a formula for whoever opens the file, and every text comes back as it was."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from integrator.kernel.cells import LONGEST, inert, line


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("https://evil.test","Jenny")', "+49 30 1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
        "\tx", "＝1+1", "＋1", "－1", "＠SUM(1)", "  =1", "\u200b=1", "\u202e=1", "\ufeff=1", '"=1', "'=1",
        ";=1",
    ],
)  # fmt: skip
def test_what_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert inert(text).startswith("'")
    assert inert(text).removeprefix("'").replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["a;=1", 'a";=1', "a; \t+1", "a\n=1", "a\t@x", "a\u2028-1", 'a;"＝1'])
def test_what_would_begin_another_cell_elsewhere_is_no_formula_either(text: str) -> None:
    for ends in ";\t\n\u2028":
        assert not any(
            part.strip().strip('"').startswith(tuple("=+-@＝")) for part in inert(text).split(ends)
        )


@pytest.mark.parametrize(
    "text", ["", "Jenny Rosen", "jenny@acme.test", "Smith-Jones", "1=1", "a, -5", "Höfer & Söhne; KG", "'"]
)
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_a_line_is_read_back_as_it_was_written() -> None:
    noon = datetime(2026, 11, 30, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    texts = ['say "hi", Jenny', "two\nlines", "<img src=x>", "\N{GRINNING FACE}", "a\x00b"]

    written = line([*texts, Decimal("-19.90"), -7, None, noon])

    (read,) = csv.reader(io.StringIO(written, newline=""))
    assert read == [*texts[:4], "a\ufffdb", "-19.90", "-7", "", "2026-11-30T12:00:00Z"]
    assert ",-19.90,-7," in written  # a number of ours is a number
    assert written.endswith("\r\n")


def test_a_cell_is_never_longer_than_a_table_takes() -> None:
    assert len(inert("=" + "x" * 40_000)) == LONGEST + 1
