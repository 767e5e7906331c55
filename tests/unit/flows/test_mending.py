"""This module tests that a fix changes what a person has approved and nothing else, and that edits do too."""

from __future__ import annotations

import pytest

from flows.engine.edits import ABSENT, Change, Edit, changes_between, lay_over
from flows.mapping.apply import compile_mapping
from flows.mapping.failure import MappingFailed
from flows.mapping.mending import Fix, by_field
from flows.mapping.spec import Mapping

LINES = [
    {"field": "Key__c", "from": ["charge.id"], "empty": "fail"},
    {"field": "Description", "from": ["charge.description"]},
    {"field": "Country__c", "from": ["charge.country"], "empty": "fail"},
]
MAPPING = compile_mapping(Mapping.model_validate({"target": "Payment__c", "lines": LINES}))
CHARGE = {"id": "ch_1", "description": "A" * 300, "country": "DE"}


def mended(*fixes: Fix, **changed: object) -> tuple[dict[str, object], list[str]]:
    made = MAPPING.apply_mended({"charge": CHARGE | changed}, by_field(fixes))
    return made.record, [note.message for note in made.notes if note.code == "mended"]


def test_each_way_changes_its_field_and_tells_what_was_there():
    cut = Fix("cut", "map", "Description", length=255, by="otto")

    record, notes = mended(cut)

    assert record == {"Key__c": "ch_1", "Description": "A" * 255, "Country__c": "DE"}
    assert notes[0].startswith("Cut to 255 characters, as otto approved. It was 'AAA")
    assert mended(Fix("replace", "map", "Country__c", old="DE", new="Germany"))[0]["Country__c"] == "Germany"
    assert mended(Fix("empty", "map", "Description"))[0]["Description"] is None
    assert "Description" not in mended(Fix("leave_out", "map", "Description"))[0]
    assert mended(Fix("default", "map", "Region__c", new="EU"))[0]["Region__c"] == "EU"  # nothing maps it


@pytest.mark.parametrize(
    "fix",
    [
        Fix("cut", "map", "Description", length=400),
        Fix("replace", "map", "Country__c", old="FR", new="France"),
        Fix("default", "map", "Country__c", new="XX"),
    ],
    ids=lambda fix: fix.way,
)
def test_a_fix_that_does_not_fit_a_value_leaves_it_alone(fix):
    assert mended(fix) == (MAPPING.apply({"charge": CHARGE}).record, [])


def test_a_default_helps_a_line_that_fails_and_no_other():
    given = Fix("default", "map", "Country__c", new="XX")

    assert mended(given, country=None)[0]["Country__c"] == "XX"
    with pytest.raises(MappingFailed) as failed:
        mended(given, id=None)
    assert failed.value.field == "Key__c"


def test_an_edit_is_laid_over_what_is_read_anew_but_for_what_is_newer():
    before = {"id": "ch_1", "name": "A", "meta": {"b": 1, "old": True}, "lines": [{"x": 1}, {"x": 2}]}
    after = {"id": "ch_1", "name": "B", "meta": {"b": 1, "new.key": "n"}, "lines": [{"x": 1}, {"x": 3}]}
    changes = tuple(changes_between(before, after))
    read = before | {"name": "C", "amount": 5}

    roots, notes = lay_over([Edit("charge", "ch_1", changes, "otto")], {"charge": read})

    assert [change.told for change in changes] == ["name", "meta.old", 'meta["new.key"]', "lines[1].x"]
    assert changes[1] == Change(("meta", "old"), True, ABSENT)
    assert roots["charge"] == after | {"name": "C", "amount": 5}
    assert notes[0] == "name has changed meanwhile, so its newer value stays"
    assert read["meta"] == {"b": 1, "old": True}  # what was read is left as it is
    again, _ = lay_over([Edit("charge", "ch_1", changes, "otto")], roots)
    assert again == roots


def test_an_edit_of_another_object_changes_nothing():
    edit = Edit("charge", "ch_2", (Change(("name",), "A", "B"),), "otto")

    assert lay_over([edit], {"charge": {"id": "ch_1", "name": "A"}})[0] == {
        "charge": {"id": "ch_1", "name": "A"}
    }


def test_of_edited_amounts_and_currencies_all_hold_or_none() -> None:
    changes = (
        Change(("amount",), 1999, 2199),
        Change(("currency",), "eur", "usd"),
        Change(("note",), "a", "b"),
    )
    edit = Edit("charge", "ch_1", changes, "otto")
    found = {"id": "ch_1", "amount": 999, "currency": "eur", "note": "a"}  # a part was refunded meanwhile

    laid, notes = lay_over([edit], {"charge": found})

    assert laid["charge"] == found | {"note": "b"}
    assert sum("meanwhile" in note for note in notes) == 2


@pytest.mark.parametrize(
    "path", [("balance", "net"), ("coupon", "percent_off"), ("amount_details", "tip", "x")]
)
def test_what_makes_an_amount_is_of_money_too(path: tuple[str, ...]) -> None:
    assert Change(path, 1, 2).is_of_money
