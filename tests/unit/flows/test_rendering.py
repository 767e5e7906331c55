"""A mapping line can be read as an expression that comes to the same, and an expression can be completed."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from flows.engine import definition
from flows.mapping.apply import compile_mapping
from flows.mapping.completing import completions
from flows.mapping.expressions import parse
from flows.mapping.failure import MappingFailed
from flows.mapping.fields import SrcField
from flows.mapping.rendering import as_expression
from flows.mapping.spec import Mapping, MappingLine
from flows.recipes import catalogue
from tests.fakes import an_item

CONTEXT = {
    "charge": {
        "id": "ch_1",
        "amount": 1999,
        "currency": "usd",
        "created": 1795521600,
        "status": "succeeded",
        "description": '  a {long} "day"  ',
        "failure_code": None,
        "balance_transaction": "txn_1",
        "metadata": {"order_id": "O-1", "vip": "yes", "a.b": "dotted"},
        "billing_details": {"name": "Ada King", "phone": "+49 (1) 23", "address": {"city": "Oslo"}},
        "refunds": {"data": [{"id": "re_1"}]},
    }
}
MONEY = {"chip": "money", "currency": "charge.currency"}
TABLE = {"chip": "value_map", "map": {"succeeded": "Done", "1999": 5, "it": "it"}}


def line_of(**settings):
    return MappingLine.model_validate({"field": "F__c", **settings})


def outcome(line, context):
    """Return what the line itself comes to: a value, None or a failure's code."""
    try:
        record = compile_mapping(Mapping(target="T__c", lines=[line])).apply(context).record
    except MappingFailed as failed:
        return failed.code
    return record.get(line.field)


def rendered(line, context):
    """Return what the line comes to when it is written as an expression."""
    chip = {"chip": "expression", "text": as_expression(line)}
    return outcome(line_of(field=line.field, chips=[chip], empty=line.empty), context)


def alike(value):
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"from": "charge.id"}, id="a path"),
        pytest.param({"from": ["charge.failure_code", "charge.id"]}, id="the first that has a value"),
        pytest.param({"from": ["charge.balance_transaction.id", "charge.balance_transaction"]}, id="an id"),
        pytest.param({"from": 'charge.metadata["a.b"]'}, id="a name with a dot"),
        pytest.param({"from": "charge.refunds.data[0].id"}, id="an element"),
        pytest.param({"from": "charge.nope"}, id="nothing"),
        pytest.param({"from": "charge.amount", "chips": [MONEY]}, id="an amount"),
        pytest.param(
            {"from": "charge.amount", "chips": [{**MONEY, "same_currency_as": "charge.nope"}]},
            id="an amount in another currency",
        ),
        pytest.param({"from": "charge.nope", "chips": [MONEY]}, id="no amount"),
        pytest.param({"from": "charge.created", "chips": [{"chip": "unix_time"}]}, id="a time"),
        pytest.param(
            {
                "from": "charge.created",
                "chips": [{"chip": "unix_time", "result": "date", "zone": "Asia/Tokyo"}],
            },
            id="a day",
        ),
        pytest.param({"from": "charge.status", "chips": [TABLE]}, id="a value map"),
        pytest.param({"from": "charge.amount", "chips": [TABLE]}, id="a value map of numbers"),
        pytest.param({"from": "charge.id", "chips": [TABLE]}, id="an unseen value"),
        pytest.param({"from": "charge.id", "chips": [{**TABLE, "otherwise": "keep"}]}, id="one that is kept"),
        pytest.param(
            {"from": "charge.id", "chips": [{**TABLE, "otherwise": {"value": "-"}}]}, id="a value for others"
        ),
        pytest.param({"chips": [{"chip": "metadata", "of": "charge", "key": "order_id"}]}, id="metadata"),
        pytest.param(
            {"from": "charge.id", "chips": [{"chip": "metadata", "of": "charge", "key": "order_id"}]},
            id="metadata behind a path",
        ),
        pytest.param(
            {
                "from": "charge.description",
                "chips": [{"chip": "text", "trim": True, "case": "upper", "max_length": 5, "truncate": True}],
            },
            id="a text that is cut",
        ),
        pytest.param(
            {"from": "charge.description", "chips": [{"chip": "text", "max_length": 5}]}, id="a text too long"
        ),
        pytest.param({"chips": [{"chip": "constant", "value": 'a "b" \\ it'}]}, id="a fixed value"),
        pytest.param({"from": "charge.nope", "chips": [{"chip": "default", "value": 7}]}, id="a default"),
        pytest.param(
            {
                "from": "charge.status",
                "chips": [
                    {
                        "chip": "when",
                        "if": {"path": "charge.amount", "is": "greater", "value": 1000},
                        "use": "big",
                    }
                ],
            },
            id="while something holds",
        ),
        pytest.param(
            {
                "from": "charge.status",
                "chips": [
                    {
                        "chip": "when",
                        "if": {
                            "any": [
                                {"path": "charge.nope", "is": "present"},
                                {"path": "charge.status", "is": "in", "value": ["a", "b"]},
                                {"path": "charge.id", "is": "starts_with", "value": "ch_"},
                            ]
                        },
                        "use": None,
                    }
                ],
            },
            id="while one of several holds",
        ),
        pytest.param({"from": "charge.metadata.vip", "chips": [{"chip": "boolean"}]}, id="yes and no"),
        pytest.param(
            {
                "from": "charge.nope",
                "chips": [{"chip": "join", "parts": ["charge.id", "charge.x", "charge.currency"]}],
            },
            id="joined",
        ),
        pytest.param(
            {"chips": [{"chip": "template", "text": "{charge.id} of {charge.amount}, it is"}]}, id="a text"
        ),
        pytest.param(
            {"from": "charge.billing_details.name", "chips": [{"chip": "split_name", "part": "last"}]},
            id="a name",
        ),
        pytest.param(
            {"from": "charge.billing_details.address", "chips": [{"chip": "address", "part": "city"}]},
            id="an address",
        ),
        pytest.param({"from": "charge.billing_details.phone", "chips": [{"chip": "digits"}]}, id="digits"),
        pytest.param(
            {"from": "charge.id", "chips": [{"chip": "expression", "text": "value + '!' + value"}]},
            id="an expression",
        ),
    ],
)
def test_a_line_as_an_expression_comes_to_the_same(settings):
    line = line_of(**settings)

    assert rendered(line, CONTEXT) == alike(outcome(line, CONTEXT))


def lines_of(slug):
    for step, _ in definition.walk(catalogue.load(slug).document.steps):
        for line in step.settings.get("lines", ()):
            yield pytest.param(slug, line, id=f"{slug}, {step.id}, {line['field']}")


@pytest.mark.parametrize(("slug", "line"), [*lines_of("payments"), *lines_of("customers")])
def test_every_line_of_the_templates_comes_to_the_same(slug, line):
    line = MappingLine.model_validate(line)

    assert parse(as_expression(line))
    for sample in catalogue.samples(slug).values():
        context = an_item(sample.event).context
        assert rendered(line, context) == alike(outcome(line, context))


def test_a_chip_of_an_installed_package_is_shown_as_a_function():
    class Shout:
        chip = "shout"

    line = line_of(**{"from": "charge.id"}).model_copy(update={"chips": [Shout()]})

    assert as_expression(line) == "charge.?id.optMap(it, shout(it))"


FIELDS = [
    SrcField("charge", "object"),
    SrcField("charge.amount", "amount", seen=1.0),
    SrcField("charge.amount_refunded", "amount", seen=0.5),
    SrcField("charge.billing_details.email", "string", desc="The e-mail address"),
    SrcField("event.type", "string"),
]


def completed(text, position=None):
    found = completions(text, len(text) if position is None else position, FIELDS)
    return [one.insert for one in found]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        pytest.param("charge.am", ["charge.amount", "charge.amount_refunded"], id="a path that is begun"),
        pytest.param("1 + CHARGE.AMOUNT_", ["charge.amount_refunded"], id="capitals do not matter"),
        pytest.param(
            "charge.?am", ["charge.?amount", "charge.?amount_refunded"], id="one that may be missing"
        ),
        pytest.param("money.", ["money.major(", "money.minor("], id="a group of functions"),
        pytest.param("text.upper(eve", ["event.type"], id="an argument"),
        pytest.param("val", ["value"], id="the value so far"),
        pytest.param("charge.amount == 'charge.am", [], id="nothing within a text"),
        pytest.param("charge.zzz", [], id="nothing that begins so"),
    ],
)
def test_an_expression_is_completed(text, first):
    assert completed(text)[: len(first)] == first
    assert bool(completed(text)) is bool(first)


def test_a_completion_says_what_it_replaces_and_what_it_is():
    (first, *_) = completions("1 + charge.billing_details.em + 2", 28, FIELDS)

    assert "1 + charge.billing_details.em + 2"[first.start : first.end] == "charge.billing_details.e"
    assert first.detail == "string, The e-mail address"


def test_at_the_beginning_paths_and_functions_are_offered():
    offered = completed("")

    assert offered[0] == "charge"
    assert "money.major(" in offered
    assert len(offered) <= 50


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 250_000 + " ", id="one endless name"),
        pytest.param("a." * 1_999 + " ", id="names upon names"),
        pytest.param("a" * 3_999 + " ", id="a name as long as an expression"),
    ],
)
def test_a_hostile_text_is_completed_soon(text):
    began = time.process_time()

    completed(text)

    assert time.process_time() - began < 0.2
