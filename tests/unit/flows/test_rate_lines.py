"""This module tests that exchange rates are read as people write them, and that each mistake is named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from flows.rate_lines import MOST, Given, Unacceptable, checked, read_csv

TODAY = date(2026, 11, 24)


def a_line(**fields: str) -> Given:
    """Return a rate that nothing is wrong with, but for `fields`."""
    said = {"base": "USD", "quote": "EUR", "day": "2026-11-24", "rate": "0.9273", "source": "ECB"}
    return Given(line=1, **(said | fields))


def problems(given: list[Given]) -> list[tuple[int, str]]:
    """Return the line and field of each mistake in `given`."""
    with pytest.raises(Unacceptable) as refusal:
        checked(given, today=TODAY)
    return [(problem.line, problem.field) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("USD,EUR,2026-11-24,0.9273,ECB", id="commas"),
        pytest.param("USD;EUR;2026-11-24;0.9273;ECB\r\n", id="semicolons"),
        pytest.param("USD\tEUR\t2026-11-24\t0.9273\tECB", id="pasted from a sheet"),
        pytest.param("\ufeffbase,quote,day,rate,source\nUSD,EUR,2026-11-24,0.9273,ECB", id="with a head"),
        pytest.param("Day,Base,Quote,Source,Rate\n2026-11-24,USD,EUR,ECB,0.9273", id="in another order"),
        pytest.param('\n"USD", EUR , 2026-11-24,0.9273,"ECB"\n\n', id="with quotes and blanks"),
    ],
)
def test_a_table_is_read_however_it_is_separated(text: str) -> None:
    (given,) = read_csv(text)

    assert given._replace(line=1) == a_line()


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    given = read_csv("base,quote,day,rate,source\n\nUSD,EUR,2026-11-24,0.9273,ECB\nx,EUR,2026-11-24,1,ECB")

    assert problems(given) == [(4, "base")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "There is no rate in it", id="nothing"),
        pytest.param("base,quote,day,rate,source", "There is no rate in it", id="only a head"),
        pytest.param("USD,EUR,2026-11-24,0.9273", "Line 1: It has 4 columns", id="a column too few"),
        pytest.param("USD,EUR,2026-11-24,0,9273,ECB", "Line 1: It has 6 columns", id="a decimal comma"),
        pytest.param(
            'USD,EUR,2026-11-24,1,"ECB', "Line 1: It has 1 column.", id="a quote that is not closed"
        ),
        pytest.param("x\n" * (MOST + 1), "At most 5,000 go at once", id="too many"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(Unacceptable, match=message):
        read_csv(text)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"base": "XXX"}, id="no currency"),
        pytest.param({"base": ""}, id="no base"),
        pytest.param({"quote": "€"}, id="a sign"),
        pytest.param({"quote": "usd"}, id="the same currency"),
        pytest.param({"day": "24.11.2026"}, id="another way to write a day"),
        pytest.param({"day": "2026-02-30"}, id="no day"),
        pytest.param({"day": "1999-12-31"}, id="long ago"),
        pytest.param({"day": "2206-11-24"}, id="a mistyped year"),
        pytest.param({"rate": "0,9273"}, id="a comma"),
        pytest.param({"rate": "0.000"}, id="zero"),
        pytest.param({"rate": "-1"}, id="less than zero"),
        pytest.param({"rate": "1e5"}, id="an exponent"),
        pytest.param({"rate": "NaN"}, id="not a number"),
        pytest.param({"rate": "\u0661.5"}, id="digits of another script"),
        pytest.param({"rate": "123456.1234567891"}, id="more digits than are kept"),
        pytest.param({"rate": "1.1234567891234"}, id="more decimals than are kept"),
        pytest.param({"rate": "1000000000000"}, id="more than is kept"),
        pytest.param({"rate": "1" * 5_000}, id="no end of digits"),
        pytest.param({"source": ""}, id="no source"),
        pytest.param({"source": "x" * 101}, id="a long source"),
        pytest.param({"source": "E\x00CB"}, id="a NUL"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(fields: dict[str, str]) -> None:
    (name,) = fields

    assert problems([a_line(**fields)]) == [(1, name)]


def test_every_mistake_is_told_at_once() -> None:
    given = [a_line(rate="x", day="y"), a_line(), a_line(source="")._replace(line=3)]

    assert problems(given) == [(1, "day"), (1, "rate"), (3, "source")]


def test_codes_may_be_written_small_and_the_rate_is_exact() -> None:
    (line,) = checked([a_line(base="usd", rate="0.927300000001")], today=TODAY)

    assert (line.base, line.rate) == ("USD", Decimal("0.927300000001"))


def test_a_rate_that_stands_there_twice_counts_once_and_two_rates_of_a_day_are_a_mistake() -> None:
    assert len(checked([a_line(), a_line()], today=TODAY)) == 1
    assert problems([a_line(), a_line(rate="0.93")._replace(line=7)]) == [(7, "")]
