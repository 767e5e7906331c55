"""What has changed about an object is told field by field, and what may break a mapping comes first."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.differences import between
from connectors.salesforce.schema import kept


def crm(**fields: dict[str, Any] | None) -> dict[str, Any]:
    """Return an object with a text field `Name__c` of 80 characters, and what else is given."""
    usual = {"createable": True, "updateable": True, "nillable": True, "type": "string", "label": "Name"}
    told = {"Name__c": {"length": 80}, **fields}
    return kept(
        {
            "name": "Account",
            "fields": [{**usual, "name": name, **more} for name, more in told.items() if more is not None],
        }
    )


def kinds(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(one.kind, one.breaks) for one in between(before, after)]


def picks(*values: str, restricted: bool = True) -> dict[str, Any]:
    told = [{"value": value, "label": value, "active": True} for value in values]
    return {"type": "picklist", "restrictedPicklist": restricted, "picklistValues": told}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"length": 80}, {"length": 80}, [], id="nothing"),
        pytest.param({"length": 80}, {"length": 40}, [("shorter", True)], id="a shorter text"),
        pytest.param({"length": 40}, {"length": 80}, [("longer", False)], id="a longer text"),
        pytest.param({"type": "string"}, {"type": "email"}, [("type", True)], id="another type"),
        pytest.param({}, {"nillable": False}, [("required", True)], id="a value is needed"),
        pytest.param({"nillable": False}, {}, [("optional", False)], id="no value is needed"),
        pytest.param({}, {"createable": False}, [("lost_create", True)], id="a right to create"),
        pytest.param({}, {"updateable": False}, [("lost_update", True)], id="a right to change"),
        pytest.param({"updateable": False}, {}, [("writable", False)], id="a right that came"),
        pytest.param(picks("a", "b"), picks("a"), [("value_gone", True)], id="a value of a picklist"),
        pytest.param(
            picks("a", "b", restricted=False),
            picks("a", restricted=False),
            [("value_gone", False)],
            id="a value of an open picklist",
        ),
        pytest.param(picks("a"), picks("a", "b"), [("value_added", False)], id="a new value"),
        pytest.param(
            picks("a", restricted=False), picks("a"), [("restricted", True)], id="a picklist that closed"
        ),
        pytest.param(
            {"type": "reference", "referenceTo": ["Account", "Contact"]},
            {"type": "reference", "referenceTo": ["Account"]},
            [("reference", True)],
            id="another target",
        ),
        pytest.param({"externalId": True}, {}, [("key_lost", True)], id="no external id any more"),
        pytest.param({}, {"unique": True}, [("key", True)], id="unique now"),
        pytest.param(
            {"type": "double", "precision": 18, "scale": 3},
            {"type": "double", "precision": 18, "scale": 2},
            [("scale", True)],
            id="fewer decimals",
        ),
        pytest.param({"label": "Name"}, {"label": "Full name"}, [("label", False)], id="another label"),
    ],
)
def test_each_change_of_a_field_has_a_name_and_tells_whether_it_breaks(before, after, expected):
    assert kinds(crm(Field__c=before), crm(Field__c=after)) == expected


def test_fields_that_come_and_go_are_told_in_words_the_serious_first():
    before = crm(Old__c={})
    after = crm(New__c={}, Needed__c={"nillable": False})

    told = between(before, after)

    assert [one.text for one in told] == [
        "Needed__c is new, and no record can be created without it.",
        "Old__c is no longer there, or may not be seen any more.",
        "New__c is new.",
    ]


def test_an_object_that_is_gone_is_one_difference_and_not_hundreds():
    gone = {"name": "Account", "gone": True, "fields": []}

    assert kinds(crm(), gone) == [("gone", True)]
    assert kinds(gone, crm()) == [("back", False)]
    assert kinds(gone, gone) == []


def test_an_attribute_of_stripe_that_has_gone_names_what_to_use_instead():
    usual = {"type": "string", "values": [], "nullable": False, "removed": ""}
    before = {
        "name": "invoice",
        "fields": [{**usual, "path": "tax"}, {**usual, "path": "status", "values": ["a"]}],
    }
    after = {
        "name": "invoice",
        "fields": [{**usual, "path": "tax", "removed": "total_taxes[0].amount"}, {**usual, "path": "status"}],
    }

    told = between(before, after)

    assert [one.text for one in told] == [
        "tax has gone. Use total_taxes[0].amount.",
        "status no longer has “a”.",
    ]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"name": 7, "fields": "all of them"}, id="other types"),
        pytest.param(
            {"fields": [None, {}, {"name": ""}, {"name": "a b"}, {"name": "x" * 90}]}, id="no names"
        ),
        pytest.param({"fields": [{"name": "A__c", "length": -1, "picklistValues": {}}]}, id="odd values"),
        pytest.param(
            {"fields": [{"name": "A__c", "label": "\x00\ud800<script>", "length": 10**30}]}, id="hostile"
        ),
    ],
)
def test_a_description_of_another_shape_keeps_nothing_that_cannot_be_stored(told):
    content = kept(told)

    assert all(one["name"] == "A__c" and one["length"] == 0 for one in content["fields"])
    assert all("\x00" not in one["label"] and "\ud800" not in one["label"] for one in content["fields"])
    assert between(content, content) == []


def typed(*types: dict[str, Any]) -> dict[str, Any]:
    """Return an object with a picklist, and records of these types."""
    usual = {"available": True, "default": False, "master": False}
    return {**crm(Rank__c=picks("A", "B", "C")), "recordTypes": [{**usual, **one} for one in types]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([{"name": "Own"}], [], [("record_type_gone", True)], id="a type is gone"),
        pytest.param(
            [{"name": "Own"}],
            [{"name": "Own", "available": False}],
            [("record_type_gone", True)],
            id="not granted",
        ),
        pytest.param([], [{"name": "Own"}], [("record_type_added", False)], id="a new type"),
        pytest.param(
            [{"name": "Own", "picklists": {}}],
            [{"name": "Own", "picklists": {"Rank__c": ["A", "C"]}}],
            [("record_type_values", True)],
            id="a type takes a value no more",
        ),
        pytest.param(
            [{"name": "Own", "picklists": {"Rank__c": ["A"]}}],
            [{"name": "Own", "picklists": {}}],
            [("record_type_values", False)],
            id="a type takes more values",
        ),
        pytest.param(
            [{"name": "Own", "picklists": None}],
            [{"name": "Own", "picklists": {"Rank__c": ["A"]}}],
            [],
            id="it was not known before",
        ),
    ],
)
def test_a_change_of_record_types_is_told(before, after, expected):
    assert kinds(typed(*before), typed(*after)) == expected
