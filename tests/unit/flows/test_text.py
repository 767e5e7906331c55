"""Text fits into its field, and no reader sees half a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.mapping import text

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # eight UTF-16 units, one character to a reader


@pytest.mark.parametrize(
    ("given_text", "longest", "left"),
    [
        pytest.param("short", 10, "short", id="what fits is left alone"),
        pytest.param("a longer text", 8, "a longer", id="plain text is cut"),
        pytest.param("ab💳", 3, "ab", id="half of a pair falls away"),
        pytest.param("ab💳", 4, "ab💳", id="a pair counts two"),
        pytest.param("cafe\u0301", 4, "caf", id="an accent stays with its letter"),
        pytest.param(f"a{FAMILY}b", 8, "a", id="a family stays together"),
        pytest.param("a👍🏽", 4, "a", id="a skin tone stays with its hand"),
        pytest.param("🇩🇪🇫🇷", 6, "🇩🇪", id="flags are cut between flags"),
        pytest.param("a\r\nb", 2, "a", id="a line end is one"),
        pytest.param("e" + "\u0301" * 300, 255, "e" + "\u0301" * 254, id="a hostile character is cut"),
        pytest.param(FAMILY, 3, "\U0001f468\u200d", id="of a single one something is left"),
    ],
)
def test_text_is_cut_where_a_reader_would(given_text, longest, left):
    assert text.cut(given_text, longest) == left


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        pytest.param("a\x00b", "a\ufffdb", id="NUL"),
        pytest.param("a\x1b[31m", "a\ufffd[31m", id="an escape sequence"),
        pytest.param("a\ud800", "a\ufffd", id="a lone surrogate"),
        pytest.param("a\tb\nc\r\n", "a\tb\nc\r\n", id="tabs and line ends stay"),
        pytest.param("שלום\u202e 💳", "שלום\u202e 💳", id="right to left stays"),
    ],
)
def test_what_salesforce_cannot_store_is_replaced(dirty, clean):
    assert text.clean(dirty) == clean


@given(st.text(), st.integers(1, 300))
def test_cut_text_fits_and_begins_as_it_did(whole, longest):
    cleaned = text.clean(whole)

    left = text.cut(cleaned, longest)

    assert cleaned.startswith(left)
    assert text.length(left) <= longest
    left.encode("utf-16-le")
