"""This module tests what a field makes of a JSON value."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.salesforce import fields
from connectors.sandbox.salesforce.answers import Refused
from connectors.sandbox.salesforce.values import rule_for, utf16_length

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
KINDS = (
    fields.text("Text__c", 20),
    fields.text("Email__c", 80, kind="email"),
    fields.choice("Choice__c", "One", "Two", restricted=True),
    fields.money("Money__c"),
    fields.number("Number__c", 5, 2),
    fields.whole("Whole"),
    fields.flag("Flag__c"),
    fields.day("Day__c"),
    fields.moment("Moment__c"),
    fields.link("Account__c", "Account"),
)


def stored(field, value):
    return rule_for(field, {"Account": "001"})(value)


def refused_fields(field, value) -> list:
    try:
        stored(field, value)
    except Refused as refusal:
        return [problem.fields for problem in refusal.problems]
    return []


@pytest.mark.parametrize("field", KINDS, ids=lambda field: field.name)
@given(value=JSON)
def test_any_value_is_stored_or_refused_by_name(field, value):
    assert refused_fields(field, value) in ([], [(field.name,)])


@given(st.decimals(min_value=-(10**14), max_value=10**14, allow_nan=False, allow_infinity=False, places=6))
def test_money_is_rounded_half_up_to_the_scale_of_the_field(value):
    assert stored(fields.money("Money__c"), value) == value.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)


@given(st.datetimes(timezones=ZONES).filter(lambda moment: 1 < moment.year < 9999))
def test_a_time_is_kept_to_the_second_in_utc(value):
    held = stored(fields.moment("Moment__c"), value.isoformat())

    assert datetime.fromisoformat(held) == value.replace(microsecond=0)
    assert held.endswith(".000+0000")


@pytest.mark.parametrize(
    ("value", "held"),
    [
        pytest.param("  a  ", "a", id="trimmed"),
        pytest.param("   ", None, id="blank is empty"),
        pytest.param("", None, id="empty is null"),
        pytest.param("a\x00b", "ab", id="control characters go"),
        pytest.param("a\nb", "a\nb", id="line ends stay"),
    ],
)
def test_text_is_kept_as_salesforce_keeps_it(value, held):
    assert stored(fields.text("Text__c", 20), value) == held


def test_a_restricted_choice_is_spelt_as_the_field_spells_it():
    assert stored(KINDS[2], "one") == "One"


def test_an_unrestricted_choice_takes_anything():
    assert stored(fields.choice("Choice__c", "One"), "Three") == "Three"


@pytest.mark.parametrize(("text", "length"), [("abc", 3), ("é", 1), ("🙂", 2), ("👩‍👩‍👧", 8), ("\ud800", 1)])
def test_length_is_counted_in_utf16_units(text, length):
    assert utf16_length(text) == length


@pytest.mark.parametrize("value", [10**30, Decimal("1E+400"), "9" * 60])
def test_numbers_beyond_all_bounds_are_out_of_range(value):
    with pytest.raises(Refused) as refusal:
        stored(fields.money("Money__c"), value)

    assert refusal.value.problems[0].code == "NUMBER_OUTSIDE_VALID_RANGE"
