"""Comparisons know numbers from text, and amounts exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from flows.mapping.conditions import Comparison, Condition, compile_condition

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OPERATORS = Comparison.model_fields["operator"].annotation.__args__


def holds(condition, value):
    parsed = TypeAdapter(Condition).validate_python(condition)
    return compile_condition(parsed)({"charge": value})


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "result"),
    [
        pytest.param("succeeded", "equal", "succeeded", True, id="equal texts"),
        pytest.param(Decimal("10.50"), "equal", 10.5, True, id="an amount equals a number of JSON"),
        pytest.param(Decimal("10.50"), "equal", "10.5", True, id="an amount equals a number as text"),
        pytest.param("10", "equal", 10, True, id="metadata is text and may mean a number"),
        pytest.param("ten", "equal", 10, False, id="text that is no number"),
        pytest.param(True, "equal", 1, False, id="true is not one"),
        pytest.param(None, "not_equal", "x", True, id="nothing differs from everything"),
        pytest.param("b", "in", ["a", "b"], True, id="in a list"),
        pytest.param("c", "not_in", ["a", "b"], True, id="not in a list"),
        pytest.param(Decimal("0.3"), "greater", 0.1, True, id="greater"),
        pytest.param(2**53 + 1, "greater", 2**53, True, id="no float rounds it away"),
        pytest.param("9", "greater", 10, False, id="numbers in text are compared as numbers"),
        pytest.param(None, "less", 10, False, id="nothing is not less"),
        pytest.param("2026-01-01", "less", "2026-02-01", True, id="dates have an order"),
        pytest.param(0, "present", None, True, id="zero is present"),
        pytest.param("", "present", None, False, id="empty text is not"),
        pytest.param({}, "empty", None, True, id="an empty object is empty"),
        pytest.param("pi_123", "starts_with", "pi_", True, id="starts with"),
        pytest.param("a big one", "contains", "big", True, id="contains"),
        pytest.param(["card", "link"], "contains", "card", True, id="a list contains"),
        pytest.param(7, "contains", "7", False, id="a number contains nothing"),
    ],
)
def test_a_comparison(value, operator, wanted, result):
    assert holds({"path": "charge", "is": operator, "value": wanted}, value) is result


def test_all_and_any_combine_comparisons():
    paid = {"path": "charge.status", "is": "equal", "value": "succeeded"}
    large = {"path": "charge.amount", "is": "greater", "value": 100}
    charge = {"status": "succeeded", "amount": 50}

    assert holds({"any": [paid, large]}, charge)
    assert not holds({"all": [paid, large]}, charge)


def test_of_several_paths_the_first_with_a_value_is_compared():
    condition = {"path": ["charge.nothing", "charge.status"], "is": "equal", "value": "failed"}

    assert holds(condition, {"status": "failed"})


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"path": "charge", "is": "in", "value": "a"}, id="in needs a list"),
        pytest.param({"path": "charge", "is": "equal", "value": ["a"]}, id="equal needs one value"),
        pytest.param({"path": "charge", "is": "present", "value": 1}, id="present needs none"),
        pytest.param({"path": "a..b", "is": "present"}, id="a path has to be one"),
        pytest.param({"all": []}, id="all of nothing"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(broken):
    with pytest.raises(ValidationError):
        TypeAdapter(Condition).validate_python(broken)


@given(ANY_VALUE, st.sampled_from(OPERATORS), st.none() | st.booleans() | st.integers() | st.text())
def test_whatever_is_compared_the_answer_is_yes_or_no(value, operator, wanted):
    needs_list, needs_none = operator in ("in", "not_in"), operator in ("present", "empty")
    wanted = [wanted] if needs_list else None if needs_none else wanted

    assert holds({"path": "charge", "is": operator, "value": wanted}, value) in (True, False)
