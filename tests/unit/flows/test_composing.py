"""Names, addresses and sentences are put together and taken apart; templates fill in values only."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.mapping.apply import compile_mapping
from flows.mapping.composing import split_name
from flows.mapping.failure import MappingFailed
from flows.mapping.spec import Mapping
from flows.mapping.template import LONGEST, compile_template, places_in

CUSTOMER = {
    "id": "cus_1",
    "name": "Ada van Dyk",
    "phone": "+44 (0)20 7946-0958",
    "balance": -500,
    "rate": Decimal("1.50"),
    "delinquent": False,
    "nothing": None,
    "blank": "  ",
    "metadata": {"a.b": "dotted"},
    "address": {
        "line1": "1 High Street",
        "line2": "Flat 2",
        "city": "York",
        "state": None,
        "postal_code": "YO1 7HH",
        "country": "GB",
    },
}


def value_of(chip, source=None, context=None):
    line = {"field": "F__c", "chips": [chip]} | ({"from": source} if source else {})
    mapping = compile_mapping(Mapping.model_validate({"target": "X", "lines": [line]}))
    return mapping.apply({"customer": CUSTOMER} | (context or {})).record.get("F__c")


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        pytest.param("Ada Lovelace", "Ada", "Lovelace", id="two words"),
        pytest.param("  Ada   King  Lovelace ", "Ada King", "Lovelace", id="several words and blanks"),
        pytest.param("Lovelace", "", "Lovelace", id="one word"),
        pytest.param("", "", "", id="nothing"),
        pytest.param("Lovelace, Ada", "Ada", "Lovelace", id="the last name in front"),
        pytest.param(
            "van der Berg, Jan Piet", "Jan Piet", "van der Berg", id="the last name in front, of three"
        ),
        pytest.param("Smith, John, Jr.", "John", "Smith Jr.", id="the last name in front, with an ending"),
        pytest.param("John Smith, Jr.", "John", "Smith Jr.", id="an ending behind a comma"),
        pytest.param("John Smith III", "John", "Smith III", id="an ending"),
        pytest.param("Ludwig van Beethoven", "Ludwig", "van Beethoven", id="a small word"),
        pytest.param("María De La Cruz", "María", "De La Cruz", id="small words with capitals"),
        pytest.param("van Gogh", "", "van Gogh", id="no first name"),
        pytest.param("Van Morrison", "Van", "Morrison", id="a first name that looks like a small word"),
        pytest.param("Jr.", "", "Jr.", id="an ending alone"),
        pytest.param("de la", "", "de la", id="small words alone"),
        pytest.param(", Ada", "", "Ada", id="a comma without a last name"),
        pytest.param("山田 太郎", "山田", "太郎", id="another script"),
    ],
)
def test_a_name_has_a_first_and_a_last_part(name, first, last):
    assert split_name(name) == (first, last)


@given(st.lists(st.text(alphabet="abvandelJr.", min_size=1, max_size=6), max_size=6))
def test_no_word_of_a_name_is_lost_and_there_is_a_last_name(words):
    first, last = split_name(" ".join(words))

    assert [*first.split(), *last.split()] == words
    assert bool(last) is bool(words)


@given(st.text(max_size=40))
def test_any_text_can_be_taken_for_a_name(text):
    first, last = split_name(text)

    assert sorted("".join((first + last).replace(",", "").split())) == sorted(
        "".join(text.replace(",", "").split())
    )


def test_the_chip_takes_either_part():
    assert value_of({"chip": "split_name", "part": "first"}, "customer.name") == "Ada"
    assert value_of({"chip": "split_name", "part": "last"}, "customer.name") == "van Dyk"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("street", "1 High Street\nFlat 2"),
        ("city", "York"),
        ("state", None),
        ("postal_code", "YO1 7HH"),
        ("country", "GB"),
        ("one_line", "1 High Street, Flat 2, YO1 7HH York, GB"),
    ],
)
def test_an_address_has_parts(part, value):
    assert value_of({"chip": "address", "part": part}, "customer.address") == value


@pytest.mark.parametrize(("part", "value"), [("street", "Ada van Dyk"), ("city", None)])
def test_an_address_that_is_one_text_is_all_street(part, value):
    assert value_of({"chip": "address", "part": part}, "customer.name") == value


def test_a_part_of_an_address_that_is_no_value_names_the_field():
    with pytest.raises(MappingFailed) as failed:
        value_of({"chip": "address", "part": "city"}, "a.b", {"a": {"b": {"city": ["York"]}}})

    assert (failed.value.field, failed.value.code) == ("F__c", "not_a_value")


@pytest.mark.parametrize(
    ("parts", "separator", "value"),
    [
        (["customer.id", "customer.address.city"], " / ", "cus_1 / York"),
        (["customer.nothing", "customer.id", "customer.absent", "customer.blank"], ", ", "cus_1"),
        (["customer.nothing"], ", ", None),
        (["customer.balance", "customer.delinquent"], " ", "-500 false"),
    ],
    ids=["two", "empty ones are left out", "none", "numbers and truths"],
)
def test_values_are_joined(parts, separator, value):
    assert value_of({"chip": "join", "parts": parts, "separator": separator}) == value


def test_what_the_line_reads_comes_first():
    joined = {"chip": "join", "parts": "customer.address.city", "separator": ", "}

    assert value_of(joined, "customer.name") == "Ada van Dyk, York"


@pytest.mark.parametrize(("source", "value"), [("customer.phone", "4402079460958"), ("customer.name", None)])
def test_digits_are_kept(source, value):
    assert value_of({"chip": "digits"}, source) == value


def test_a_text_has_values_in_it():
    text = 'Customer {customer.id} of {customer.address.city}: {customer.metadata["a.b"]}, {customer.rate}'

    assert value_of({"chip": "template", "text": text}) == "Customer cus_1 of York: dotted, 1.50"


def test_a_text_is_empty_where_none_of_its_places_has_a_value():
    assert value_of({"chip": "template", "text": "Of {customer.nothing}{customer.absent}"}) is None
    assert value_of({"chip": "template", "text": "Of {customer.nothing}{customer.id}"}) == "Of cus_1"
    assert value_of({"chip": "template", "text": "Always the same"}) == "Always the same"


def test_a_place_that_holds_an_object_names_the_field():
    with pytest.raises(MappingFailed, match=r"customer\.address is not one value"):
        value_of({"chip": "template", "text": "Of {customer.address}"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "brace", id="an open brace"),
        pytest.param("a } b", "brace", id="a closing brace"),
        pytest.param("{{customer.id}}", "brace", id="doubled braces"),
        pytest.param("{}", "path", id="an empty place"),
        pytest.param("{[0]}", "begins with a number", id="a number"),
        pytest.param("{customer. id}", "path", id="a blank in a path"),
        pytest.param("x" * (LONGEST + 1), "at most 2000", id="too long"),
        pytest.param("{a.b}" * 51, "at most 50", id="too many places"),
    ],
)
def test_a_text_that_is_no_template_is_refused(text, said):
    lines = [{"field": "F__c", "chips": [{"chip": "template", "text": text}]}]

    with pytest.raises(ValidationError, match=said):
        Mapping.model_validate({"target": "X", "lines": lines})


@pytest.mark.parametrize(
    "path",
    [
        "customer.__class__",
        "customer.id.__class__.__mro__",
        "customer.id!r",
        "customer.rate:>99999",
        "customer.id.upper",
    ],
)
def test_a_place_reads_keys_and_nothing_of_python(path):
    assert compile_template(f"[{{{path}}}]")({"customer": CUSTOMER}).text == "[]"


@given(
    st.dictionaries(st.just("v"), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
)
def test_what_is_filled_in_is_never_read_as_a_place(values):
    rendered = compile_template("<{a.v}>{a.v}<{a.v}>")({"a": values})

    value = values.get("v")
    if isinstance(value, str) and value.isprintable() and len(value) < 500:
        assert rendered.text == f"<{value}>{value}<{value}>"
    assert len(rendered.text) <= LONGEST


def test_a_filled_text_is_cut_to_its_length():
    rendered = compile_template("{a.v}{a.v}")({"a": {"v": "é" * 1500}})

    assert rendered.text == "é" * LONGEST


@given(st.text(alphabet='{}ab."[]\\ ', max_size=15))
def test_a_template_is_refused_or_has_only_places_that_are_paths(text):
    try:
        places = places_in(text)
    except ValueError:
        return

    assert text.count("{") == text.count("}") == len(places)
