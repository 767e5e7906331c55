"""Equal values become equal bytes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.kernel import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}', id="keys are sorted"),
        pytest.param(Decimal("5.00"), "5", id="zeros at the end say nothing"),
        pytest.param(Decimal("-19.90"), "-19.9", id="a negative amount"),
        pytest.param(Decimal("0.005"), "0.005", id="a small amount"),
        pytest.param(Decimal("-0.00"), "0", id="nothing has no sign"),
        pytest.param(Decimal("1E+20"), "100000000000000000000", id="a large amount"),
        pytest.param(Decimal("1E+999999"), "1E999999", id="a hostile amount stays short"),
        pytest.param(2**60, "1152921504606846976", id="an integer that a float would round"),
        pytest.param(0.1, "0.1", id="a float as it was written"),
        pytest.param("é💳\x00\ud800", '"\\u00e9\\ud83d\\udcb3\\u0000\\ud800"', id="text is ASCII"),
        pytest.param(date(2026, 11, 24), '"2026-11-24"', id="a date"),
        pytest.param(datetime(2026, 11, 24, tzinfo=UTC), '"2026-11-24T00:00:00+00:00"', id="a time"),
        pytest.param((1, 2), "[1,2]", id="a tuple is a list"),
    ],
)
def test_a_value_has_one_form(value, text):
    assert canonical.dumps(value) == text.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a finite number"):
        canonical.dumps(value)


@pytest.mark.parametrize("value", [{1: "a"}, object(), {1, 2}], ids=["a number as key", "an object", "a set"])
def test_what_is_no_data_is_refused(value):
    with pytest.raises(TypeError):
        canonical.dumps(value)


def test_one_number_has_one_form_however_it_was_written():
    forms = {canonical.dumps(number) for number in (5, Decimal("5.0"), 5.0, Decimal("5E0"))}

    assert forms == {b"5"}
    assert canonical.dumps(10**150) == canonical.dumps(Decimal("1E150"))


@given(JSON)
def test_canonical_json_is_json(value):
    assert json.loads(canonical.dumps(value)) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(list(value.items())))

    assert canonical.fingerprint(turned) == canonical.fingerprint(value)
