"""Each kind of mistake in a mapping is found before anything runs, and what is right is left in peace."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flows.mapping.check import validate
from flows.mapping.fields import SObjField
from flows.mapping.issues import errors_in
from flows.mapping.spec import Mapping
from tests.unit.flows.mistakes import CASES, FIELDS, MONEY, RELATED, SOURCES, text


def checked(line, fields=FIELDS, sources=SOURCES, **settings):
    mapping = Mapping.model_validate({"target": "Payment__c", "lines": [line]})
    return validate(mapping, sources, list(fields.values()), related=RELATED, **settings)


@pytest.mark.parametrize(("code", "wrong", "right"), CASES)
def test_a_mistake_is_found_and_what_is_right_is_left_in_peace(code, wrong, right):
    (found, *_) = [issue for issue in checked(wrong) if issue.code == code]

    assert found.field == wrong["field"]
    assert found.message
    assert code not in {issue.code for issue in checked(right)}


@pytest.mark.parametrize(("code", "wrong", "right"), CASES)
def test_what_is_right_may_be_published(code, wrong, right):
    assert errors_in(checked(right)) == []


def codes(*args, **settings):
    return [issue.code for issue in checked(*args, **settings)]


NAME = {"field": "Name", "from": "charge.id"}
REQUIRED = {**FIELDS, "Due__c": SObjField("Due__c", type="date", nillable=False)}


def test_a_required_field_that_nothing_fills_is_found():
    assert codes(NAME, REQUIRED) == ["required_unmapped"]
    assert codes(NAME, REQUIRED, operation="update") == []
    assert codes(NAME, REQUIRED, also=["due__c"]) == []


def test_a_required_field_that_may_stay_empty_is_told():
    fields = {**FIELDS, "Name": replace(FIELDS["Name"], nillable=False)}
    line = {"field": "Name", "from": "charge.description"}

    assert codes(line, fields) == ["required_may_be_empty"]
    assert codes({**line, "empty": "fail"}, fields) == []
    assert codes({**line, "chips": [{"chip": "default", "value": "-"}]}, fields) == []


def test_a_key_that_not_every_event_has_is_told():
    line = {"field": "Name", "from": "charge.description"}
    second = {**line, "from": ["charge.description", "charge.id"]}

    assert "key_may_be_empty" in codes(line, key="Name")
    assert "key_may_be_empty" not in codes({**line, "from": "charge.id"}, key="Name")
    assert "key_may_be_empty" not in codes(second, key="Name")


def test_a_field_that_is_set_once_may_be_set_on_creation():
    assert codes({"field": "Fixed__c", "from": "charge.id"}, operation="create") == []


def test_an_amount_needs_its_currency_in_an_org_of_several():
    fields = {**FIELDS, "CurrencyIsoCode": SObjField("CurrencyIsoCode", type="picklist")}
    line = {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY]}

    assert codes(line, fields) == ["no_currency"]
    assert codes(line, fields, also=["CurrencyIsoCode"]) == []
    assert codes(NAME, fields) == []
    assert codes(line) == []


@pytest.mark.parametrize(
    ("key", "found"),
    [
        pytest.param("Key__c", [], id="unique"),
        pytest.param("Loose_Key__c", ["external_id_not_unique"], id="not unique"),
        pytest.param("Name", ["not_an_external_id"], id="no external id"),
        pytest.param("Nothing__c", ["no_such_field"], id="not there"),
    ],
)
def test_the_key_of_a_record_is_checked(key, found):
    assert codes(NAME, key=key) == found


def test_an_issue_says_what_to_do():
    (issue,) = checked({"field": "Name", "from": "charge.curency"})
    assert issue.fix == "Did you mean charge.currency?"

    (issue,) = checked({"field": "Name", "from": "charge.invoice"})
    assert issue.fix == "Use charge.invoice_payment instead."

    (issue,) = checked({"field": "Nmae", "from": "charge.id"})
    assert issue.fix.startswith("Did you mean Name?")


def test_the_chips_of_an_issue_mend_it():
    wrong = {"field": "Moment__c", "from": "charge.created"}
    (issue,) = checked(wrong)

    assert codes({**wrong, "chips": [dict(chip) for chip in issue.chips]}) == []


def test_a_path_that_one_of_several_events_has_is_a_warning_only():
    (issue,) = checked({"field": "Name", "from": ["charge.nope", "charge.id"]})

    assert (issue.code, issue.level) == ("unknown_path", "warning")


def test_what_may_come_expanded_is_not_called_unknown():
    assert codes({"field": "Name", "from": "charge.customer.name"}) == []
    assert codes({"field": "Name", "from": "charge.refunds.data[0].id"}) == []


def test_without_a_schema_of_the_source_paths_are_not_checked():
    assert codes({"field": "Name", "from": "anything.at_all"}, sources=[]) == []
    assert codes({"field": "Name", "chips": text("anything.at_all")}, sources=[]) == []


def test_describe_may_be_given_as_salesforce_says_it():
    mapping = Mapping.model_validate({"target": "Payment__c", "lines": [NAME]})
    told = {
        "fields": [{"name": "Name", "type": "string", "length": 80, "createable": False, "updateable": False}]
    }

    assert [issue.code for issue in validate(mapping, SOURCES, told)] == ["not_writable"]


def test_a_required_field_that_is_set_on_creation_only_is_warned_of():
    mapping = Mapping.model_validate({"target": "PricebookEntry", "lines": [NAME]})
    fixed = {"name": "Name", "type": "string", "length": 80, "createable": True, "updateable": False}
    told = {"fields": [{**fixed, "nillable": False}]}
    optional = {"fields": [{**fixed, "nillable": True}]}

    assert [(i.code, i.level) for i in validate(mapping, SOURCES, told)] == [("not_writable", "warning")]
    assert [(i.code, i.level) for i in validate(mapping, SOURCES, optional)] == [("not_writable", "error")]
    assert validate(mapping, SOURCES, told, operation="create") == []


def test_no_framework_is_needed():
    code = (
        "import sys, flows.mapping.check;"
        "bad = {'django', 'rest_framework', 'stripe', 'simple_salesforce'} & set(sys.modules);"
        "assert not bad, bad"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


ROOT = Path(__file__).parents[3]


def codes_in(module):
    """Return the code of every issue that a module makes."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        name = getattr(getattr(node, "func", None), "id", "") or getattr(
            getattr(node, "func", None), "attr", ""
        )
        if isinstance(node, ast.Call) and name in ("Issue", "issue") and len(node.args) > 1:
            yield from (arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant))


def test_every_kind_of_issue_has_its_row_in_the_documents():
    modules = [
        *ROOT.glob("flows/mapping/*.py"),
        ROOT / "flows/steps/both_ways.py",
        ROOT / "flows/steps/elements.py",
        ROOT / "flows/steps/soundness.py",
        ROOT / "flows/steps/returning.py",
        ROOT / "flows/steps/undone.py",
        ROOT / "flows/checking.py",
        ROOT / "flows/startable.py",
    ]
    made = {code for module in modules for code in codes_in(module)}
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (?:error|warning) \|", (ROOT / "docs/checks.md").read_text("utf-8"), re.M
    )

    assert len(made) > 30
    assert sorted(rows) == sorted(made)
