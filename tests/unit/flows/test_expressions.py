"""An expression gives one value or says what is wrong with it, and never costs more than it may."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.mapping import functions
from flows.mapping.apply import compile_mapping
from flows.mapping.expressions import InvalidExpression, parse, typed
from flows.mapping.failure import MappingFailed
from flows.mapping.spec import Mapping

CHARGE = {
    "id": "ch_1",
    "amount": 1999,
    "currency": "usd",
    "status": "succeeded",
    "created": 1795521600,
    "description": "  A long day  ",
    "failure_code": None,
    "payment_intent": "pi_1",
    "metadata": {"order_id": "O-1", "vip": "yes", "a b": "spaced"},
    "billing_details": {"name": "Ada King Lovelace", "address": {"city": "Oslo", "line1": "Gate 1"}},
    "refunds": {"data": [{"id": "re_1", "amount": 5}, {"id": "re_2", "amount": 7}]},
    "rate": 1.25,
}
SUBSCRIPTION = {
    "items": {
        "data": [{"price": {"unit_amount": 4900, "recurring": {"interval": "month"}}, "quantity": 2}],
    }
}
CONTEXT = {"charge": CHARGE, "subscription": SUBSCRIPTION, "steps": {"map": {"Amount__c": Decimal("19.99")}}}
CPU_SECONDS = 0.5


def evaluated(text, value=None, context=None):
    return parse(text).evaluate(CONTEXT if context is None else context, value, "F__c")


def refused(text, value=None, context=None):
    with pytest.raises(MappingFailed) as failed:
        evaluated(text, value, context)
    return failed.value


def faults(text):
    with pytest.raises(InvalidExpression) as invalid:
        parse(text)
    return invalid.value.faults


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("charge.amount + 1", 2000, id="whole numbers are counted with"),
        pytest.param("charge.currency == 'usd' ? 'Dollar' : 'other'", "Dollar", id="a choice"),
        pytest.param("charge.refunds.data[1].id", "re_2", id="an element of a list"),
        pytest.param("charge.metadata['a b']", "spaced", id="a name with a blank"),
        pytest.param("charge.refunds.data.map(r, r.id)[0]", "re_1", id="each of a list"),
        pytest.param("charge.rate * 2.0", 2.5, id="a fraction"),
        pytest.param("steps.map.Amount__c", "19.99", id="an exact number is a text"),
        pytest.param("charge.id // the charge", "ch_1", id="a remark is no part of it"),
        pytest.param("charge\n  .amount\n  > 5", True, id="several lines"),
        pytest.param(
            "timestamp('2026-11-29T16:00:00Z') + duration('1h')", "2026-11-29T17:00:00Z", id="times"
        ),
        pytest.param("'charge.nope' + \"'\"", "charge.nope'", id="a path in a text is a text"),
    ],
)
def test_an_expression_gives_a_value(text, value):
    assert evaluated(text) == value


def test_the_value_so_far_has_a_name():
    assert evaluated("value + '!'", "hey") == "hey!"
    assert evaluated("value == null ? 'none' : value") == "none"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("charge.?nope", None, id="asked for with a question mark"),
        pytest.param("charge.?failure_code.orValue('-')", "-", id="null counts as missing"),
        pytest.param("charge.?nope.?deeper.orValue('-')", "-", id="deep inside of nothing"),
        pytest.param("has(charge.nope) ? charge.nope : '-'", "-", id="asked for with has"),
        pytest.param("has(charge.failure_code)", False, id="has finds no null"),
        pytest.param("invoice.?id", None, id="an object that the event does not have"),
        pytest.param(
            "charge.?payment_intent.?id.or(charge.?payment_intent).orValue('-')",
            "pi_1",
            id="an object that may be only an id",
        ),
        pytest.param("metadata(charge, 'nope')", None, id="a metadata key that is not set"),
        pytest.param("metadata(charge, 'order_id')", "O-1", id="a metadata key"),
    ],
)
def test_what_may_be_missing_is_no_value_only_where_it_is_written_so(text, value):
    assert evaluated(text) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("charge.nope", "no_value", id="a path without a value"),
        pytest.param("charge.failure_code", "no_value", id="null"),
        pytest.param("charge.id.deeper", "no_value", id="a path into a text"),
        pytest.param("charge.refunds.data[9].id", "no_value", id="past the end of a list"),
        pytest.param("charge.refunds.data.map(r, r.nope)[0]", "no_value", id="an element without the name"),
        pytest.param("charge.amount + charge.currency", "wrong_type", id="types that do not go together"),
        pytest.param("charge.amount / 0", "expression_failed", id="division by nothing"),
        pytest.param("9223372036854775807 + charge.amount", "expression_failed", id="an overflow"),
        pytest.param("int(charge.currency)", "expression_failed", id="a text that is no number"),
        pytest.param("money.major(charge.amount, 'zzz')", "unknown_currency", id="our own function"),
        pytest.param("pick({'a': 'b'}, charge.status)", "unseen_value", id="a key that is not in the table"),
        pytest.param("charge", "not_a_value", id="a whole object"),
        pytest.param("charge.refunds.data", "not_a_value", id="a list"),
        pytest.param("b'bytes'", "not_a_value", id="bytes"),
        pytest.param(
            "true ? charge.?nope : charge.amount", "not_a_value", id="something that may be missing"
        ),
        pytest.param("timestamp('1600-01-01T00:00:00Z')", "out_of_range_date", id="far off"),
    ],
)
def test_what_cannot_be_evaluated_is_a_failure_and_never_a_value(text, code):
    failed = refused(text)

    assert (failed.code, failed.field) == (code, "F__c")
    assert "given_" not in str(failed)


def test_a_missing_path_is_called_by_its_name():
    assert "charge.nope has no value" in str(refused("charge.amount + charge.nope"))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(2**70, id="a number of many digits"),
        pytest.param(float("nan"), id="no number"),
        pytest.param(Decimal("Infinity"), id="infinity"),
        pytest.param(object(), id="an object of Python"),
        pytest.param({"deep": [object()]}, id="an object of Python inside"),
        pytest.param(b"bytes", id="bytes"),
    ],
)
def test_values_that_are_none_of_json_are_refused(given):
    assert refused("charge.x", context={"charge": {"x": given}}).code in {"not_a_number", "not_a_value"}


def test_half_a_character_does_no_harm():
    assert evaluated("charge.x", context={"charge": {"x": "a\ud800b"}}) == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        pytest.param("1 +", (1, 4), "missing at the end", id="an end too early"),
        pytest.param("charge.id + 'a", (1, 13), "not a part", id="an open quotation mark"),
        pytest.param("charge.id +\n  1 + 'a'", (2, 5), "whole number and a text", id="the second line"),
        pytest.param("'😀😀' + 1", (1, 6), "text and a whole number", id="emoji count as one character"),
        pytest.param("charge.shout()", (1, 13), "shout is not known", id="a method that is none"),
        pytest.param("text.nope('a')", (1, 10), "nope is not known", id="a function that is none"),
        pytest.param("", (1, 1), "1 to 4,000 characters", id="nothing"),
        pytest.param("[1].map(given_, charge.id)", (1, 9), "another meaning", id="a name of our own"),
        pytest.param("charge" + ".a" * 20, (1, 1), "at most 16 deep", id="a path that is too deep"),
    ],
)
def test_a_fault_says_where_it_is(text, place, says):
    (fault,) = faults(text)

    assert (fault.line, fault.column) == place
    assert says in fault.message


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        pytest.param("charge.amount + 1", "integer", id="an amount"),
        pytest.param("charge.status", "string", id="an enum"),
        pytest.param("charge.?status.orValue('-')", "unknown", id="what may be missing"),
        pytest.param("has(charge.status) ? charge.status : '-'", "string", id="what was asked for"),
        pytest.param("charge.livemode && charge.amount > 5", "boolean", id="a truth"),
        pytest.param("money.major(charge.amount, charge.currency)", "string", id="a function of ours"),
        pytest.param("time.from_unix(charge.created)", "datetime", id="a time"),
        pytest.param("charge.outcome.anything", "unknown", id="a path that nothing is known of"),
    ],
)
def test_the_type_is_known_before_anything_runs(text, type_):
    types = {
        "charge.amount": "amount",
        "charge.status": "enum",
        "charge.livemode": "boolean",
        "charge.currency": "currency",
        "charge.created": "timestamp",
    }

    assert typed(text, types, ["charge"]) == type_


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        pytest.param("'A' + charge.amount", (1, 5), "a text and a whole number", id="types that do not fit"),
        pytest.param("1 + amout", (1, 5), "There is no amout here", id="a root that is not there"),
        pytest.param(
            "money.major(charge.status, 'usd')", (1, 12), "money.major()", id="a function's argument"
        ),
    ],
)
def test_types_that_do_not_fit_are_found_before_anything_runs(text, place, says):
    with pytest.raises(InvalidExpression) as invalid:
        typed(text, {"charge.amount": "amount", "charge.status": "enum"}, ["charge"])

    (fault,) = invalid.value.faults
    assert (fault.line, fault.column) == place
    assert says in fault.message


# Costs

BIG = {"charge": {"l": list(range(1000)), "s": "a" * 100_000, "ls": ["abc" * 50] * 1000}}
DEEP: dict = {}
for _ in range(3000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("charge.l.map(x, charge.l.map(y, x * y)).size()", id="a million rounds"),
        pytest.param("charge.l.all(x, charge.l.all(y, charge.l.all(z, x < 10000)))", id="a thousand million"),
        pytest.param("charge.l.map(x, charge.l == charge.l).size()", id="lists compared again and again"),
        pytest.param(
            "charge.ls.map(x, " + "+".join(["charge.s"] * 20) + ").size()", id="megabytes in a loop"
        ),
        pytest.param("size(" + "+".join(["charge.s"] * 30) + ")", id="megabytes put together"),
        pytest.param("size(" + "+".join(["charge.s"] * 400) + ")", id="hundreds of additions"),
        pytest.param("charge.s.matches('(a+)+$')", id="a pattern that others hang on"),
        pytest.param("charge.s.matches('((a{0,30}){0,30}b)+$')", id="a pattern of repetitions"),
        pytest.param("charge.s.matches(charge.s)", id="a pattern from outside"),
        pytest.param("charge.s.matches('" + "(x|y|z)*" * 400 + "')", id="a pattern of thousands"),
        pytest.param(
            "charge.s.matches('{" + " " * 1300 + "," + " " * 2600 + "')", id="a repetition that never closes"
        ),
        pytest.param("(" * 500 + "1" + ")" * 500, id="500 deep"),
        pytest.param("[" * 500 + "1" + "]" * 500, id="lists 500 deep"),
        pytest.param("1" + "+1" * 1900, id="two thousand additions"),
        pytest.param("true" + "?1:true" * 500, id="hundreds of choices"),
        pytest.param("!" * 3900 + "true", id="denied thousands of times"),
        pytest.param("optional.of('x')" + ".optMap(a, a + a)" * 30, id="doubled thirty times"),
        pytest.param("['x']" + ".map(a, a + a)" * 30, id="doubled thirty times in a list"),
        pytest.param("charge" + ".a" * 1900, id="a path of thousands"),
        pytest.param("{" + ",".join(f"'{i}':{i}" for i in range(400)) + "}.size()", id="a large table"),
        pytest.param(
            "text.replace(text.replace(charge.s, 'a', charge.s), 'a', charge.s)", id="replaced by itself"
        ),
        pytest.param("text.join(text.split(charge.s, 'a'), charge.s)", id="split and joined"),
        pytest.param("text.pad('', 1000000000, 'x')", id="filled up"),
        pytest.param(
            "charge.l.all(x, text.pad(string(x), 32000, 'x') != text.pad('', 32000, 'y'))",
            id="filled up in a loop",
        ),
        pytest.param("charge.s.matches('(.*a){90}[^a]$')", id="the largest pattern on the largest text"),
        pytest.param("charge.__class__.__mro__", id="the insides of Python"),
        pytest.param("event.__class__", id="the class of an object"),
        pytest.param("cel.bind(a, 'x', a + a)", id="a macro that is left out"),
        pytest.param("'%s'.format([charge.s])", id="a function that is left out"),
        pytest.param("google.protobuf.Any{}", id="a message"),
        pytest.param("open('/etc/passwd')", id="a function of Python"),
        pytest.param("charge.l.map(charge, charge)", id="a name that hides another"),
        pytest.param("\x00", id="a control character"),
        pytest.param("a" * 5_000_000, id="megabytes of text"),
    ],
)
def test_a_hostile_expression_ends_soon(text):
    began = time.process_time()
    try:
        result = evaluated(text, context=BIG)
    except (InvalidExpression, MappingFailed):
        result = None

    assert time.process_time() - began < CPU_SECONDS
    assert result is None or isinstance(result, (int, str, float, bool))


def test_values_that_are_nested_too_deeply_are_refused():
    assert refused("charge", context={"charge": DEEP}).code == "too_costly"


def test_more_values_than_may_be_looked_at_are_refused():
    assert refused("charge.l.size()", context={"charge": {"l": [0] * 30_000}}).code == "too_costly"


def test_an_invoice_of_a_hundred_lines_is_not_too_much():
    lines = [{"description": f"Seat {n}", "quantity": n, "price": {"id": "p" * 30}} for n in range(100)]
    text = "text.join(invoice.lines.data.map(l, l.description + ' x ' + string(l.quantity)), '; ')"

    result = evaluated(text, context={"invoice": {"lines": {"data": lines}}})

    assert result.startswith("Seat 0 x 0; Seat 1 x 1; ")


# The chip


def mapped(chip, **line):
    chips = [{"chip": "expression", **chip}]
    lines = [{"field": "F__c", "chips": chips, **line}]
    return compile_mapping(Mapping.model_validate({"target": "T__c", "lines": lines})).apply(CONTEXT).record


def test_a_line_may_be_an_expression():
    assert mapped({"text": "text.upper(charge.currency)"}) == {"F__c": "USD"}
    assert mapped({"text": "value + 1"}, **{"from": "charge.amount"}) == {"F__c": 2000}


def test_an_amount_is_exact():
    text = "money.major(charge.amount, charge.currency)"

    assert mapped({"text": text, "gives": "number"}) == {"F__c": Decimal("19.99")}


def test_a_text_that_is_no_number_is_refused_where_one_is_wanted():
    with pytest.raises(MappingFailed, match="is not a number"):
        mapped({"text": "charge.currency", "gives": "number"})
    with pytest.raises(MappingFailed, match="is not a number"):
        mapped({"text": "'1e999999'", "gives": "number"})


@pytest.mark.parametrize(
    ("empty", "record"),
    [
        pytest.param("skip", {}, id="left alone"),
        pytest.param("clear", {"F__c": None}, id="emptied, since the event says that there is none"),
    ],
)
def test_a_line_without_a_value_does_as_it_says(empty, record):
    assert mapped({"text": "charge.?failure_code"}, empty=empty) == record


def test_an_event_without_the_object_empties_nothing():
    assert mapped({"text": "invoice.?number"}, empty="clear") == {}


def test_a_mapping_with_a_faulty_expression_is_refused_with_the_place():
    with pytest.raises(ValidationError, match=r"Something is missing at the end \(line 1, column 4\)"):
        mapped({"text": "1 +"})


# What people read


PAGE = (Path(__file__).parents[3] / "docs/expressions.md").read_text("utf-8")


@pytest.mark.parametrize(
    "function", [*functions.FUNCTIONS.values(), functions.METADATA], ids=lambda f: f.name
)
def test_every_function_has_its_row_in_the_documents(function):
    row = f"| `{function.signature}` | {function.help} | `{function.example}` |"

    assert row in PAGE, f"docs/expressions.md lacks the row: {row}"


@pytest.mark.parametrize("name", functions.STANDARD)
def test_what_comes_with_the_language_is_named_too(name):
    assert f"`{functions.STANDARD[name]}`" in PAGE


@pytest.mark.parametrize(
    "function", [*functions.FUNCTIONS.values(), functions.METADATA], ids=lambda f: f.name
)
def test_every_example_works(function):
    result = evaluated(function.example)

    assert isinstance(result, (str, int, bool))
