"""How things are said and drawn."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.models import Fate
from monitoring import shown
from monitoring import words as wording


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        pytest.param(1999, "USD", "$19.99", id="two decimals"),
        pytest.param(500, "JPY", "¥500", id="none"),
        pytest.param(12340, "KWD", "KWD\u00a012.340", id="three, and a code for a symbol"),
        pytest.param(50000, "isk", "ISK\u00a0500.00", id="Stripe's decimals, not CLDR's"),
        pytest.param(-1050, "EUR", "-€10.50", id="a refund"),
        pytest.param(1234, "XXQ", "1,234 XXQ (minor units)", id="an unknown currency keeps its units"),
        pytest.param(10**17 + 1, "EUR", "€1,000,000,000,000,000.01", id="no digit is lost"),
    ],
)
def test_money_is_written_with_stripes_decimals(amount: int, currency: str, words: str) -> None:
    assert shown.money(amount, currency) == words


@pytest.mark.parametrize("fate", Fate)
def test_every_fate_has_a_look(fate: Fate) -> None:
    assert fate.value in shown.LOOKS


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(milliseconds=430), "430 ms"),
        (timedelta(seconds=2.5), "2.5 s"),
        (timedelta(seconds=42), "42 s"),
        (timedelta(minutes=3), "3 min"),
        (timedelta(hours=30), "30 h"),
        (timedelta(days=5), "5 days"),
    ],
)
def test_lengths_of_time_are_said_as_people_do(length: timedelta, words: str) -> None:
    assert wording.duration(length) == words


def test_a_tree_cuts_what_is_too_much_and_says_so() -> None:
    tree = shown.tree_of({"many": list(range(500)), "long": "x" * 5000})

    many, long = tree.children
    assert many.children[-1].text == "and 300 more"
    assert long.text.endswith("(5,000 characters)")


def test_a_tree_survives_any_depth() -> None:
    value: object = "end"
    for _ in range(1000):
        value = [value]

    node = shown.tree_of(value)
    while node.children:
        node = node.children[0]

    assert node.text == "nested too deeply to show"
