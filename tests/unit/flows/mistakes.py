"""
This module holds mistakes that a mapping can have, each beside the same line as it should be.

The fields of both sides are those that the lines are checked against.
"""

from __future__ import annotations

import pytest

from flows.mapping.fields import PickValue, SObjField, SrcField

SOURCES = [
    SrcField("charge", "object"),
    SrcField("charge.id", "id"),
    SrcField("charge.amount", "amount"),
    SrcField("charge.currency", "currency"),
    SrcField("charge.created", "timestamp"),
    SrcField("charge.captured", "boolean"),
    SrcField("charge.status", "enum", values=("succeeded", "failed", "pending")),
    SrcField("charge.description", "string", nullable=True, samples=("A sample of 24 characters",)),
    SrcField("charge.rate", "number"),
    SrcField("charge.count", "integer"),
    SrcField("charge.invoice", "id", removed="charge.invoice_payment"),
    SrcField("charge.customer", "id", nullable=True),
    SrcField("charge.metadata", "map"),
    SrcField("charge.refunds", "object"),
    SrcField("charge.refunds.data", "list"),
    SrcField("charge.billing_details", "object"),
    SrcField("charge.billing_details.email", "string", nullable=True),
    SrcField("steps.find.id", "id"),
]
FIELDS = {
    field.name: field
    for field in (
        SObjField("Name", type="string", length=80),
        SObjField("Key__c", type="string", length=255, external_id=True, unique=True),
        SObjField("Loose_Key__c", type="string", length=255, external_id=True),
        SObjField("Short__c", type="string", length=20),
        SObjField("Amount__c", type="currency", precision=16, scale=2),
        SObjField("Small__c", type="currency", precision=6, scale=2),
        SObjField("Rough__c", type="currency", precision=16, scale=0),
        SObjField("Whole__c", type="int", digits=9),
        SObjField("Number__c", type="double", precision=16, scale=4),
        SObjField("Day__c", type="date"),
        SObjField("Moment__c", type="datetime"),
        SObjField("Flag__c", type="boolean", nillable=False),
        SObjField(
            "Status__c",
            type="picklist",
            restricted=True,
            picklist=(PickValue("Completed"), PickValue("Failed"), PickValue("Old", active=False)),
        ),
        SObjField("Currency__c", type="picklist", restricted=True, picklist=(PickValue("USD"),)),
        SObjField("Open__c", type="picklist", picklist=(PickValue("A"),)),
        SObjField("Formula__c", type="string", calculated=True, createable=False, updateable=False),
        SObjField("Locked__c", type="string", createable=False, updateable=False),
        SObjField("Fixed__c", type="string", updateable=False),
        SObjField("Firm__c", type="string", length=80, nillable=False, defaulted_on_create=True),
        SObjField("Customer__c", type="reference", references=("Customer__c",), relationship="Customer__r"),
        SObjField("Place__c", type="address"),
    )
}
RELATED = {"Customer__c": [SObjField("Key__c", external_id=True, unique=True), SObjField("Plain__c")]}
MONEY = {"chip": "money", "currency": "charge.currency"}
STATUSES = {"succeeded": "Completed", "failed": "Failed", "pending": "Failed"}


def text(expression):
    return [{"chip": "expression", "text": expression}]


CASES = [
    pytest.param(
        "unknown_path",
        {"field": "Name", "from": "charge.curency"},
        {"field": "Name", "from": "charge.metadata.anything"},
        id="a path that is not there",
    ),
    pytest.param(
        "removed_path",
        {"field": "Name", "from": "charge.invoice"},
        {"field": "Name", "from": "charge.id"},
        id="a path that is gone",
    ),
    pytest.param(
        "no_such_field",
        {"field": "Nmae", "from": "charge.id"},
        {"field": "name", "from": "charge.id"},
        id="a field that is not there",
    ),
    pytest.param(
        "no_such_field",
        {"field": "Customer__r.Kye__c", "from": "charge.customer"},
        {"field": "Customer__r.Key__c", "from": "charge.customer"},
        id="an external id that is not there",
    ),
    pytest.param(
        "no_such_relation",
        {"field": "Costumer__r.Key__c", "from": "charge.customer"},
        {"field": "Customer__r.Key__c", "from": "charge.customer"},
        id="a relation that is not there",
    ),
    pytest.param(
        "not_an_external_id",
        {"field": "Customer__r.Plain__c", "from": "charge.customer"},
        {"field": "Customer__r.Key__c", "from": "charge.customer"},
        id="a look-up by what is no key",
    ),
    pytest.param(
        "not_writable",
        {"field": "Formula__c", "from": "charge.id"},
        {"field": "Name", "from": "charge.id"},
        id="a formula",
    ),
    pytest.param(
        "not_writable",
        {"field": "Locked__c", "from": "charge.id"},
        {"field": "Name", "from": "charge.id"},
        id="a field without permission",
    ),
    pytest.param(
        "not_writable",
        {"field": "Fixed__c", "from": "charge.id"},
        {"field": "Name", "from": "charge.id"},
        id="a field that is set once",
    ),
    pytest.param(
        "not_writable",
        {"field": "Place__c", "from": "charge.id"},
        {"field": "Name", "from": "charge.id"},
        id="an address as a whole",
    ),
    pytest.param(
        "raw_amount",
        {"field": "Amount__c", "from": "charge.amount"},
        {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY]},
        id="an amount in cents",
    ),
    pytest.param(
        "lossy_decimal",
        {"field": "Whole__c", "from": "charge.amount", "chips": [MONEY]},
        {"field": "Whole__c", "from": "charge.count"},
        id="decimals into whole numbers",
    ),
    pytest.param(
        "lossy_decimal",
        {"field": "Rough__c", "from": "charge.amount", "chips": [MONEY]},
        {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY]},
        id="an amount without room for its decimals",
    ),
    pytest.param(
        "small_number",
        {"field": "Small__c", "from": "charge.amount", "chips": [MONEY]},
        {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY]},
        id="an amount without room for its digits",
    ),
    pytest.param(
        "lossy_datetime",
        {"field": "Day__c", "from": "charge.created", "chips": [{"chip": "unix_time"}]},
        {"field": "Day__c", "from": "charge.created", "chips": [{"chip": "unix_time", "result": "date"}]},
        id="a time into a date",
    ),
    pytest.param(
        "wrong_type",
        {"field": "Moment__c", "from": "charge.created"},
        {"field": "Moment__c", "from": "charge.created", "chips": [{"chip": "unix_time"}]},
        id="seconds into a time",
    ),
    pytest.param(
        "wrong_type",
        {"field": "Flag__c", "from": "charge.status"},
        {"field": "Flag__c", "from": "charge.captured"},
        id="a text into a checkbox",
    ),
    pytest.param(
        "wrong_type",
        {"field": "Number__c", "from": "charge.status"},
        {"field": "Number__c", "from": "charge.rate"},
        id="a text into a number",
    ),
    pytest.param(
        "wrong_type",
        {"field": "Amount__c", "from": "charge.description", "chips": [MONEY]},
        {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY]},
        id="a chip behind the wrong source",
    ),
    pytest.param(
        "wrong_reference",
        {"field": "Customer__c", "from": "charge.customer"},
        {"field": "Customer__c", "from": "steps.find.id"},
        id="an id of Stripe into a look-up",
    ),
    pytest.param(
        "whole_object",
        {"field": "Name", "from": "charge.billing_details"},
        {"field": "Name", "from": "charge.billing_details.email"},
        id="a whole object",
    ),
    pytest.param(
        "not_in_picklist",
        {"field": "Status__c", "from": "charge.status"},
        {"field": "Status__c", "from": "charge.status", "chips": [{"chip": "value_map", "map": STATUSES}]},
        id="values that the picklist lacks",
    ),
    pytest.param(
        "not_in_picklist",
        {"field": "Status__c", "chips": [{"chip": "constant", "value": "Old"}]},
        {"field": "Status__c", "chips": [{"chip": "constant", "value": "Failed"}]},
        id="a value that is no longer active",
    ),
    pytest.param(
        "not_in_picklist",
        {"field": "Currency__c", "from": "charge.currency"},
        {"field": "Currency__c", "from": "charge.currency", "chips": [{"chip": "text", "case": "upper"}]},
        id="a currency in small letters",
    ),
    pytest.param(
        "any_text_in_picklist",
        {"field": "Status__c", "from": "charge.description"},
        {"field": "Open__c", "from": "charge.description"},
        id="any text into a picklist",
    ),
    pytest.param(
        "unmapped_value",
        {
            "field": "Status__c",
            "from": "charge.status",
            "chips": [{"chip": "value_map", "map": {"failed": "Failed"}}],
        },
        {"field": "Status__c", "from": "charge.status", "chips": [{"chip": "value_map", "map": STATUSES}]},
        id="a value that the map lacks",
    ),
    pytest.param(
        "too_long",
        {"field": "Short__c", "chips": [{"chip": "constant", "value": "x" * 21}]},
        {"field": "Short__c", "chips": [{"chip": "constant", "value": "x" * 20}]},
        id="a fixed text that is too long",
    ),
    pytest.param(
        "too_long",
        {
            "field": "Short__c",
            "from": "charge.description",
            "chips": [{"chip": "text", "max_length": 21, "truncate": True}],
        },
        {
            "field": "Short__c",
            "from": "charge.description",
            "chips": [{"chip": "text", "max_length": 20, "truncate": True}],
        },
        id="a text that is cut too late",
    ),
    pytest.param(
        "may_be_too_long",
        {"field": "Short__c", "from": "charge.description"},
        {"field": "Name", "from": "charge.description"},
        id="a sample that is too long",
    ),
    pytest.param(
        "may_be_too_long",
        {"field": "Name", "from": "charge.metadata.note"},
        {
            "field": "Name",
            "from": "charge.metadata.note",
            "chips": [{"chip": "text", "max_length": 80, "truncate": True}],
        },
        id="metadata that may be long",
    ),
    pytest.param(
        "raw_number",
        {"field": "Name", "from": "charge.created"},
        {"field": "Name", "from": "charge.created", "chips": [{"chip": "unix_time"}]},
        id="seconds as a text",
    ),
    pytest.param(
        "cannot_be_emptied",
        {"field": "Firm__c", "from": "charge.description", "empty": "clear"},
        {"field": "Firm__c", "from": "charge.description", "empty": "fail"},
        id="a field that cannot be empty",
    ),
    pytest.param(
        "integer_division",
        {"field": "Number__c", "chips": text("charge.amount / 100")},
        {"field": "Number__c", "chips": text("charge.count / 100")},
        id="money divided as whole numbers",
    ),
    pytest.param(
        "integer_division",
        {"field": "Number__c", "chips": text("(charge.amount - 5) / 100")},
        {"field": "Number__c", "chips": text("charge.amount - charge.count / 100")},
        id="money divided in brackets",
    ),
    pytest.param(
        "inexact_money",
        {"field": "Number__c", "chips": text("double(charge.amount) / 100.0")},
        {"field": "Number__c", "chips": text("charge.rate / 100.0")},
        id="money in floating point",
    ),
    pytest.param(
        "expression",
        {"field": "Name", "chips": text("charge.id + charge.amount")},
        {"field": "Name", "chips": text("charge.id + string(charge.amount)")},
        id="an expression of types that do not fit",
    ),
    pytest.param(
        "unknown_path",
        {"field": "Name", "chips": text("charge.curency")},
        {"field": "Name", "chips": text("charge.currency")},
        id="an expression with a path that is not there",
    ),
    pytest.param(
        "may_be_missing",
        {"field": "Name", "chips": text("charge.description + '!'")},
        {"field": "Name", "chips": text("has(charge.description) ? charge.description : '!'")},
        id="an expression that fails without a value",
    ),
    pytest.param(
        "wrong_type",
        {"field": "Amount__c", "chips": text("money.major(charge.amount, charge.currency)")},
        {
            "field": "Amount__c",
            "chips": [{**text("money.major(charge.amount, charge.currency)")[0], "gives": "number"}],
        },
        id="an amount as a text",
    ),
]
