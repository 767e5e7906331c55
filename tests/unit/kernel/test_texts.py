"""Text from elsewhere fits into a database column, and good text stays as it is."""

from __future__ import annotations

import pytest

from integrator.kernel.texts import storable


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("Zoë 💳\n\t", "Zoë 💳\n\t", id="good text"),
        pytest.param("a\x00b", "a\ufffdb", id="NUL"),
        pytest.param("a\ud83d", "a\ufffd", id="the first half of a pair"),
        pytest.param("\udfffb", "\ufffdb", id="the second half of a pair"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_no_column_takes_is_replaced(text, stored):
    assert storable(text) == stored
    stored.encode()


@pytest.mark.parametrize(
    ("longest", "stored"), [(0, ""), (2, "a\ufffd"), (9, "a\ufffdb"), (None, "a\ufffdb")]
)
def test_no_more_is_kept_than_fits(longest, stored):
    assert storable("a\x00b", longest) == stored
