"""Values are checked against what records take of the type that a step gives them."""

from __future__ import annotations

from typing import Any

import pytest

from flows.mapping import record_types
from flows.mapping.check import validate
from flows.mapping.fields import PickValue, SObjField, SrcField
from flows.mapping.issues import Issue
from flows.mapping.record_types import RecordType
from flows.mapping.spec import Mapping, MappingLine

STATUS = SObjField(
    "Status__c",
    type="picklist",
    restricted=True,
    picklist=(PickValue("Open"), PickValue("Won"), PickValue("Lost"), PickValue("Old", active=False)),
)
TYPE = SObjField("RecordTypeId", type="reference", references=("RecordType",), relationship="RecordType")
FIELDS = [STATUS, TYPE, SObjField("Name", length=80)]
SOURCES = [
    SrcField("charge.status", "enum", values=("failed", "succeeded")),
    SrcField("charge.note", "string"),
]
PARTNER = RecordType(
    "Partner", "Partner sale", "012000000000001AAA", picklists={"Status__c": ["Open", "Lost"]}
)
DIRECT = RecordType("Direct", "Direct sale", "012000000000002AAA", picklists={})
HIDDEN = RecordType("Hidden", "Hidden", "012000000000003AAA", available=False)
MASTER = RecordType("Master", "Master", "012000000000000AAA", master=True)
TYPES = [PARTNER, DIRECT, HIDDEN, MASTER]


def fixed(field: str, value: str) -> dict[str, Any]:
    return {"field": field, "chips": [{"chip": "constant", "value": value}]}


def by_status(field: str, **table: str) -> dict[str, Any]:
    return {"field": field, "from": "charge.status", "chips": [{"chip": "value_map", "map": table}]}


WON = by_status("Status__c", failed="Lost", succeeded="Won")
GIVES_PARTNER = fixed(record_types.FIELD, "Partner")


def found(*lines: dict[str, Any], types: list[RecordType] = TYPES, **settings: Any) -> list[Issue]:
    mapping = Mapping.model_validate({"target": "Deal__c", "lines": lines})
    return validate(mapping, SOURCES, FIELDS, types=types, **settings)


def told(*lines: dict[str, Any], **settings: Any) -> list[tuple[str, str]]:
    return [(issue.level, issue.code) for issue in found(*lines, **settings)]


def test_a_value_that_the_records_type_does_not_take_is_an_error():
    (issue,) = found(GIVES_PARTNER, WON)

    assert (issue.level, issue.code, issue.field) == ("error", "not_in_record_type", "Status__c")
    assert "“Won” in records of type “Partner sale”" in issue.message
    assert "Write one of “Open”, “Lost”" in issue.fix
    assert found(fixed(record_types.FIELD, "Direct"), WON) == []


def test_a_value_that_the_field_itself_lacks_is_told_once():
    assert told(GIVES_PARTNER, fixed("Status__c", "Old")) == [("error", "not_in_picklist")]


def test_without_a_type_the_default_of_the_connection_is_a_warning():
    types = [RecordType(**{**as_dict(PARTNER), "default": True}), DIRECT, MASTER]

    (issue,) = found(WON, types=types)

    assert (issue.level, issue.code) == ("warning", "not_in_record_type")
    assert "“Partner sale” by default" in issue.message


def as_dict(one: RecordType) -> dict[str, Any]:
    return {name: getattr(one, name) for name in RecordType.__slots__}


def test_an_update_without_a_type_is_held_against_every_type():
    narrow = RecordType(**{**as_dict(DIRECT), "picklists": {"Status__c": ["Open"]}})

    assert told(WON, operation="update") == []
    assert told(WON, types=[PARTNER, narrow], operation="update") == [("warning", "not_in_record_type")]


def test_of_several_types_that_may_come_out_each_is_looked_at():
    line = by_status(record_types.FIELD, failed="Partner", succeeded="Direct")

    assert told(line, WON) == [("warning", "not_in_record_type")]
    assert told(line, fixed("Status__c", "Open")) == []


@pytest.mark.parametrize(
    ("line", "issue"),
    [
        pytest.param(fixed(record_types.FIELD, "Nobody"), ("error", "no_such_record_type"), id="unknown"),
        pytest.param(
            fixed(record_types.FIELD, "Hidden"), ("error", "record_type_not_available"), id="not granted"
        ),
        pytest.param(
            {"field": record_types.FIELD, "from": "charge.note"},
            ("warning", "any_text_in_record_type"),
            id="any text",
        ),
        pytest.param(fixed("RecordTypeId", PARTNER.id), ("warning", "record_type_by_id"), id="by its id"),
    ],
)
def test_a_type_that_cannot_be_given_is_found(line, issue):
    assert told(line) == [issue]


def test_an_id_of_another_org_is_found():
    assert ("error", "no_such_record_type") in told(fixed("RecordTypeId", "012000000000009AAA"))


def test_an_object_without_record_types_takes_none():
    assert told(GIVES_PARTNER, types=[]) == [("error", "no_such_record_type")]


def test_a_type_that_the_user_may_not_write_is_found():
    locked = SObjField("RecordTypeId", type="reference", createable=False, updateable=False)
    mapping = Mapping.model_validate({"target": "Deal__c", "lines": [GIVES_PARTNER]})

    issues = validate(mapping, SOURCES, [STATUS, locked], types=TYPES)

    assert [issue.code for issue in issues] == ["not_writable"]


def test_where_salesforce_does_not_tell_the_check_says_so():
    silent = RecordType(**{**as_dict(PARTNER), "picklists": None})

    assert told(GIVES_PARTNER, WON, types=[silent]) == [("warning", "record_type_values_unknown")]
    assert told(GIVES_PARTNER, types=[silent]) == []  # no picklist is written


def test_the_type_that_lines_always_give_narrows_what_a_field_offers():
    line = MappingLine.model_validate(GIVES_PARTNER)

    chosen = record_types.chosen([line], TYPES)

    assert chosen == PARTNER
    assert [pick.value for pick in record_types.narrowed(STATUS, chosen).picklist] == ["Open", "Lost"]
    assert record_types.narrowed(STATUS, None) is STATUS


def test_what_is_kept_of_an_object_tells_its_types_and_none_where_all_are_alike():
    master = {
        "name": "Master",
        "label": "Master",
        "id": "012",
        "available": True,
        "default": True,
        "master": True,
    }
    partner = {**master, "name": "Partner", "label": "Partner sale", "default": False, "master": False}

    assert record_types.types_in({"recordTypes": [master]}) == []
    (one, _) = record_types.types_in({"recordTypes": [{**partner, "picklists": {"A": ["x"]}}, master]})
    assert (one.name, one.called, one.picklists) == ("Partner", "Partner sale", {"A": ["x"]})
