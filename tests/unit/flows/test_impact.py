"""What has taken a field's place, what an org refuses, and what is exchanged in a step's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.impact.refusing import refusals
from flows.impact.renaming import successors
from flows.impact.sides import paths_in
from flows.impact.swapping import swapped
from flows.mapping.fields import PickValue, SObjField

GONE = SObjField("Card_Brand__c", "Card brand", length=40)
FIELDS = {
    one.name.lower(): one
    for one in (
        SObjField("Key__c", "Key", length=40, external_id=True),
        SObjField("Name", "Name", length=5, nillable=False),
        SObjField("Status__c", type="picklist", restricted=True, picklist=(PickValue("Paid"),)),
        SObjField("Fixed__c", createable=False, updateable=False),
        SObjField("Owner__c", type="reference", references=("Owner__c",), relationship="Owner__r"),
    )
}
OWNER = {"id__c": SObjField("Id__c", external_id=True)}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param([SObjField("Brand_of_Card__c", "Card brand")], ["Brand_of_Card__c"], id="another name"),
        pytest.param([SObjField("Notes__c", "Notes")], [], id="something else that is new"),
        pytest.param([SObjField("Card_Brand_2__c", "Card brand", "double")], [], id="another sort of value"),
        pytest.param(
            [replace(GONE, name="CardBrand__c", createable=False, updateable=False)], [], id="locked"
        ),
        pytest.param(
            [SObjField("Card_Network__c", "Network"), SObjField("Brand__c", "Card brand")],
            ["Brand__c"],
            id="the likelier one",
        ),
    ],
)
def test_the_field_that_took_the_place_of_another_is_found_by_name_label_and_type(
    there: list[SObjField], found: list[str]
) -> None:
    new = {one.name.lower() for one in there}

    assert [one.name for one in successors(GONE, there, new=new)][:1] == found


def test_a_field_that_is_filled_already_takes_no_other_place() -> None:
    there = [SObjField("Brand__c", "Card brand")]

    assert successors(GONE, there, taken={"brand__c"}) == []


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        pytest.param({"Name": "short"}, set(), id="all is well"),
        pytest.param({"Name": "too long"}, {"name"}, id="a text that is too long"),
        pytest.param({"Name": "short", "Gone__c": "1"}, {"gone__c"}, id="a field that is not there"),
        pytest.param({"Name": "short", "Status__c": "Open"}, {"status__c"}, id="a value that is not picked"),
        pytest.param({"Name": "short", "Fixed__c": "1"}, {"fixed__c"}, id="a field without the right"),
        pytest.param({"Name": "short", "Owner__r": {"Id__c": "1"}}, set(), id="a look-up"),
        pytest.param({"Name": "short", "Owner__r": {"X__c": "1"}}, {"owner__r.x__c"}, id="no such key"),
        pytest.param(
            {"Name": "short", "Other__r": {"Id__c": "1"}}, {"other__r.id__c"}, id="no such relation"
        ),
        pytest.param({}, {"name"}, id="a value that is needed"),
    ],
)
def test_what_an_org_would_refuse_is_told_by_field(values: dict[str, Any], wrong: set[str]) -> None:
    request = {"object": "Payment__c", "external_id_field": "Key__c", "external_id": "1", "values": values}
    objects = {"Payment__c": FIELDS, "Owner__c": OWNER}

    assert {one.field for one in refusals("upsert", request, objects)} == wrong


def test_a_key_that_is_none_any_more_refuses_every_record() -> None:
    request = {"object": "P", "external_id_field": "Name", "external_id": "1", "values": {"Name": "1"}}

    assert [one.field for one in refusals("upsert", request, {"P": FIELDS})] == ["name"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("charge.invoice", "charge.paid_by", id="the path"),
        pytest.param("charge.invoice.number", "charge.paid_by.number", id="what is inside of it"),
        pytest.param("charge.invoices", "charge.invoices", id="another that begins alike"),
        pytest.param("Who paid {charge.invoice}?", "Who paid {charge.paid_by}?", id="in a question"),
        pytest.param("charge.invoice != null", "charge.paid_by != null", id="in an expression"),
        pytest.param(
            {"all": [{"path": ["charge.invoice"]}]}, {"all": [{"path": ["charge.paid_by"]}]}, id="deep"
        ),
    ],
)
def test_a_path_is_exchanged_wherever_it_stands(before: Any, after: Any) -> None:
    assert swapped(before, "charge.invoice", "charge.paid_by") == after


def test_a_path_begins_where_a_word_does() -> None:
    assert paths_in(f"{'x' * 3_000} charge.amount and 9charge.id, refund.charge[0].id") == [
        "charge.amount",
        "refund.charge[0].id",
    ]
