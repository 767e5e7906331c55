"""A mapping line brings a value, says that there is none, or says what is wrong with it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from flows.mapping.apply import compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.spec import Mapping

CHARGE = {
    "id": "ch_1",
    "amount": 1999,
    "currency": "usd",
    "created": 1795521600,
    "status": "succeeded",
    "failure_code": None,
    "description": "",
    "metadata": {"order_id": "O-1", "vip": "yes"},
    "balance_transaction": {"fee": 88, "currency": "eur"},
    "captured": True,
    "rate": 1.25,
}
MONEY = {"chip": "money", "currency": "charge.currency"}
STATUS = {"chip": "value_map", "map": {"failed": "Failed", "true": "Yes"}}


def mapped(line, context=None):
    mapping = Mapping.model_validate({"target": "Payment__c", "lines": [{"field": "F__c", **line}]})
    return compile_mapping(mapping).apply({"charge": CHARGE} if context is None else context)


def value_of(line, context=None):
    return mapped(line, context).record.get("F__c", "left alone")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        pytest.param({"from": "charge.id"}, "ch_1", id="a path"),
        pytest.param({"from": ["charge.nothing", "charge.id"]}, "ch_1", id="the first path with a value"),
        pytest.param({"from": ["charge.failure_code", "charge.id"]}, "ch_1", id="null is no value"),
        pytest.param({"from": "charge.captured"}, True, id="a truth"),
        pytest.param({"from": "charge.rate"}, Decimal("1.25"), id="a fraction of JSON is exact"),
    ],
)
def test_a_line_reads_a_value(line, value):
    assert value_of(line) == value


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        pytest.param(1999, "usd", "19.99", id="two decimals"),
        pytest.param(500, "jpy", "500", id="no decimals"),
        pytest.param(12340, "KWD", "12.340", id="three decimals, in capitals"),
        pytest.param(0, "usd", "0.00", id="nothing"),
        pytest.param(-5, "eur", "-0.05", id="less than nothing"),
        pytest.param(2**53 + 1, "usd", "90071992547409.93", id="what a float would round"),
        pytest.param(10**18, "usd", "10000000000000000.00", id="more than there is"),
    ],
)
def test_money_is_exact(amount, currency, value):
    context = {"charge": {"amount": amount, "currency": currency}}

    assert str(value_of({"from": "charge.amount", "chips": [MONEY]}, context)) == value


def test_a_fee_in_another_currency_is_left_out_with_a_note():
    chip = {
        "chip": "money",
        "currency": "charge.balance_transaction.currency",
        "same_currency_as": "charge.currency",
    }

    result = mapped({"from": "charge.balance_transaction.fee", "chips": [chip]})

    assert result.record == {}
    assert [note.code for note in result.notes] == ["other_currency"]
    same = {"charge": {**CHARGE, "currency": "EUR"}}
    assert value_of({"from": "charge.balance_transaction.fee", "chips": [chip]}, same) == Decimal("0.88")


@pytest.mark.parametrize(
    ("chips", "source", "value"),
    [
        pytest.param([{"chip": "unix_time"}], "created", "2026-11-24T12:00:00Z", id="a time in UTC"),
        pytest.param(
            [{"chip": "unix_time", "result": "date", "zone": "Pacific/Auckland"}],
            "created",
            "2026-11-25",
            id="a date where it is meant",
        ),
        pytest.param([{**STATUS, "otherwise": "keep"}], "status", "succeeded", id="an unseen value is kept"),
        pytest.param(
            [{**STATUS, "otherwise": {"value": "Other"}}], "status", "Other", id="an unseen value is Other"
        ),
        pytest.param([STATUS], "captured", "Yes", id="a map of truths"),
        pytest.param(
            [{"chip": "metadata", "of": "charge", "key": "order_id"}], "nothing", "O-1", id="metadata"
        ),
        pytest.param([{"chip": "text", "case": "upper"}], "currency", "USD", id="capitals"),
        pytest.param([{"chip": "text", "case": "lower"}], "status", "succeeded", id="small letters"),
        pytest.param([{"chip": "text"}], "amount", "1999", id="a number as text"),
        pytest.param(
            [{"chip": "text", "max_length": 4, "truncate": True}], "status", "succ", id="text cut to length"
        ),
        pytest.param([{"chip": "constant", "value": 7}], "nothing", 7, id="a fixed value"),
        pytest.param([{"chip": "default", "value": "none"}], "failure_code", "none", id="a default"),
        pytest.param([{"chip": "default", "value": "none"}], "status", "succeeded", id="no default needed"),
        pytest.param(
            [
                {
                    "chip": "when",
                    "if": {"path": "charge.captured", "is": "equal", "value": True},
                    "use": "paid",
                }
            ],
            "status",
            "paid",
            id="another value when",
        ),
        pytest.param(
            [{"chip": "when", "if": {"path": "charge.captured", "is": "equal", "value": False}, "use": "x"}],
            "status",
            "succeeded",
            id="the value itself when not",
        ),
        pytest.param(
            [{"chip": "metadata", "of": "charge", "key": "vip"}, {"chip": "boolean"}],
            "nothing",
            True,
            id="yes is true",
        ),
    ],
)
def test_a_chip_changes_a_value(chips, source, value):
    assert value_of({"from": f"charge.{source}", "chips": chips}) == value


def test_trimmed_text_of_spaces_is_no_value():
    chips = [{"chip": "text", "trim": True}]

    assert value_of({"from": "charge.x", "chips": chips}, {"charge": {"x": "   "}}) == "left alone"


@pytest.mark.parametrize(
    ("line", "context", "value"),
    [
        pytest.param({"empty": "skip"}, {"charge": {"x": None}}, "left alone", id="skip leaves it"),
        pytest.param({"empty": "clear"}, {"charge": {"x": None}}, None, id="clear empties it for null"),
        pytest.param({"empty": "clear"}, {"charge": {}}, None, id="clear empties it where there is none"),
        pytest.param({"empty": "clear"}, {"charge": {"x": ""}}, None, id="empty text is none"),
        pytest.param(
            {"empty": "clear"}, {"payment_intent": {}}, "left alone", id="who knows nothing clears nothing"
        ),
    ],
)
def test_without_a_value_the_line_does_as_it_is_told(line, context, value):
    assert value_of({"from": "charge.x", **line}, context) == value


TIME = {"chip": "unix_time"}
SHORT = {"chip": "text", "max_length": 2}


@pytest.mark.parametrize(
    ("charge", "chips", "code"),
    [
        pytest.param({}, [], "required_empty", id="nothing there"),
        pytest.param({"x": "new"}, [STATUS], "unseen_value", id="a value nobody has seen"),
        pytest.param({"x": 5, "currency": "xyz"}, [MONEY], "unknown_currency", id="an unknown currency"),
        pytest.param({"x": 5}, [MONEY], "unknown_currency", id="no currency"),
        pytest.param({"x": "5", "currency": "usd"}, [MONEY], "not_a_number", id="text is no amount"),
        pytest.param({"x": True, "currency": "usd"}, [MONEY], "not_a_number", id="true is no amount"),
        pytest.param({"x": 1.5, "currency": "usd"}, [MONEY], "not_a_number", id="half a cent is no amount"),
        pytest.param({"x": "today"}, [TIME], "not_a_number", id="text is no time"),
        pytest.param({"x": 10**15}, [TIME], "out_of_range_date", id="the far future"),
        pytest.param({"x": "abc"}, [SHORT], "too_long", id="too long"),
        pytest.param({"x": "maybe"}, [{"chip": "boolean"}], "not_a_boolean", id="maybe"),
        pytest.param({"x": {"a": 1}}, [], "not_a_value", id="an object"),
        pytest.param({"x": [1]}, [{"chip": "text"}], "not_a_value", id="a list as text"),
        pytest.param({"x": float("inf")}, [], "not_a_number", id="infinity"),
    ],
)
def test_what_cannot_be_written_is_named(charge, chips, code):
    with pytest.raises(MappingFailed) as failed:
        mapped({"from": "charge.x", "chips": chips, "empty": "fail"}, {"charge": charge})

    assert (failed.value.field, failed.value.code) == ("F__c", code)
    assert str(failed.value)


@pytest.mark.parametrize(
    ("chips", "text", "value", "code"),
    [
        pytest.param([], "Ada\x00", "Ada\ufffd", "replaced_characters", id="NUL without a chip"),
        pytest.param([{"chip": "text"}], "\ud800", "\ufffd", "replaced_characters", id="half a pair"),
        pytest.param(
            [{"chip": "text", "max_length": 4, "truncate": True}], "abc💳", "abc", "truncated", id="cut text"
        ),
        pytest.param([{**STATUS, "otherwise": "keep"}], "new", "new", "unseen_value", id="an unseen value"),
    ],
)
def test_what_was_changed_in_passing_is_noted(chips, text, value, code):
    result = mapped({"from": "charge.x", "chips": chips}, {"charge": {"x": text}})

    assert result.record == {"F__c": value}
    assert [(note.field, note.code) for note in result.notes] == [("F__c", code)]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"field": "F__c"}, id="a line without a source"),
        pytest.param({"field": "F-c", "from": "charge.id"}, id="a name that no field can have"),
        pytest.param({"field": "F__c", "from": "charge..id"}, id="a path that is none"),
        pytest.param({"field": "F__c", "from": "charge.id", "chips": [{"chip": "magic"}]}, id="no such chip"),
        pytest.param(
            {"field": "F__c", "from": "charge.id", "chips": [{"chip": "money"}]}, id="money without currency"
        ),
        pytest.param(
            {"field": "F__c", "from": "charge.id", "chips": [{"chip": "unix_time", "zone": "Mars/Base"}]},
            id="no such zone",
        ),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(line):
    with pytest.raises(ValidationError):
        Mapping.model_validate({"target": "Payment__c", "lines": [line]})


def test_a_field_is_mapped_once_whatever_its_case():
    lines = [{"field": "Amount__c", "from": "charge.id"}, {"field": "AMOUNT__C", "from": "charge.id"}]

    with pytest.raises(ValidationError, match="mapped twice"):
        Mapping.model_validate({"target": "Payment__c", "lines": lines})


def test_a_line_tells_every_path_that_it_looks_at():
    chips = [MONEY, {"chip": "when", "if": {"path": "charge.captured", "is": "present"}, "use": None}]
    mapping = Mapping.model_validate(
        {"target": "X", "lines": [{"field": "F", "from": "charge.amount", "chips": chips}]}
    )

    assert mapping.lines[0].reads() == ["charge.amount", "charge.currency", "charge.captured"]
    assert mapping.lines[0].value_paths() == ["charge.amount"]
