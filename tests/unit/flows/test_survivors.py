"""This module tests whose value survives when records of an org become one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flows.survivors import Field, Preset, Reason, fields_of, lines_of, values_of

NAME, PHONE = Field("Name", "Name", "string"), Field("Phone", "Phone", "phone")
KEY = Field("Key__c", "Key", "string", fixed="key")
REVENUE = Field("AnnualRevenue", "Revenue", "currency", money=True)
PARENT = Field("ParentId", "Parent", "reference")
FIELDS = [NAME, PHONE, KEY, REVENUE, PARENT]


def a_record(number: int, **values: Any) -> dict[str, Any]:
    return {"Id": f"00{number}", "LastModifiedDate": f"2026-01-0{number}T00:00:00.000+0000", **values}


def told(lines: Any) -> dict[str, tuple[Any, str]]:
    return {line.field.name: (line.value, line.reason.value) for line in lines if line.differs}


ONE = a_record(1, Name="Acme", Phone=None, Key__c=None, AnnualRevenue=None)
TWO = a_record(2, Name="ACME Ltd", Phone="2", Key__c="cus_2", AnnualRevenue=Decimal(5))
THREE = a_record(3, Name="Acme Corp", Phone="3", Key__c="cus_3", AnnualRevenue=Decimal(7))


@pytest.mark.parametrize(
    ("preset", "name", "phone"),
    [
        (Preset.KEEP, ("Acme", "kept"), ("2", "only")),
        (Preset.NEWEST, ("Acme Corp", "newest"), ("3", "newest")),
        (Preset.COMPLETE, ("ACME Ltd", "complete"), ("2", "complete")),
    ],
)
def test_a_preset_says_who_wins_and_a_value_survives_an_empty_one(preset, name, phone) -> None:
    found = told(lines_of(FIELDS, [ONE, TWO, THREE], preset=preset))

    assert (found["Name"], found["Phone"]) == (name, phone)


@pytest.mark.parametrize("preset", list(Preset))
def test_keys_and_money_never_move_by_themselves(preset: Preset) -> None:
    lines = lines_of(FIELDS, [ONE, TWO, THREE], preset=preset)

    assert told(lines)["AnnualRevenue"] == told(lines)["Key__c"] == (None, "kept")
    assert not {"AnnualRevenue", "Key__c"} & set(values_of(lines, ONE))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_person_chooses_any_record_for_any_field_but_keys_even_an_empty_value(place: int) -> None:
    chosen = dict.fromkeys(("Name", "Phone", "AnnualRevenue", "Key__c"), place)
    lines = lines_of(FIELDS, [ONE, TWO, THREE], preset=Preset.NEWEST, chosen=chosen)

    records = (ONE, TWO, THREE)
    found = {line.field.name: line.value for line in lines}
    for name in ("Name", "Phone", "AnnualRevenue"):
        assert found[name] == records[place][name]
    assert found["Key__c"] is None
    expected = {name: records[place][name] for name in ("Name", "Phone", "AnnualRevenue")}
    assert values_of(lines, ONE) == {name: v for name, v in expected.items() if v != ONE[name]}


def test_amounts_of_another_currency_cannot_be_chosen() -> None:
    euros, dollars = {**ONE, "CurrencyIsoCode": "EUR"}, {**TWO, "CurrencyIsoCode": "USD"}
    code = Field("CurrencyIsoCode", "Currency", "picklist", fixed="currency")

    lines = lines_of([REVENUE, code], [euros, dollars], chosen={"AnnualRevenue": 1, "CurrencyIsoCode": 1})

    assert {line.field.name: line.value for line in lines} == {
        "AnnualRevenue": None,
        "CurrencyIsoCode": "EUR",
    }


def test_a_look_up_to_one_of_the_records_is_emptied() -> None:
    child, parent = a_record(1, Name="A", ParentId="002"), a_record(2, Name="A")

    assert values_of(lines_of([NAME, PARENT], [child, parent]), child) == {"ParentId": None}


def test_what_salesforce_works_out_is_not_compared_and_keys_are_fixed() -> None:
    usual = {"type": "string", "label": "L", "updateable": True}
    described = {
        "fields": [
            {**usual, "name": "Id", "updateable": False},
            {**usual, "name": "Name"},
            {**usual, "name": "BillingAddress", "type": "address"},
            {**usual, "name": "Total__c", "calculated": True},
            {**usual, "name": "CreatedById", "updateable": False},
            {**usual, "name": "Key__c", "externalId": True},
            {**usual, "name": "Hidden__c", "unique": True, "updateable": False},
            {**usual, "name": "CurrencyIsoCode", "type": "picklist"},
            {**usual, "name": "Iban__c", "type": "encryptedstring"},  # read as asterisks
            "nonsense",
        ]
    }

    assert {field.name: field.fixed for field in fields_of(described)} == {
        "Name": "",
        "Key__c": "key",
        "Hidden__c": "readonly",
        "CurrencyIsoCode": "currency",
        "Iban__c": "masked",
    }
    assert Reason.KEPT.value == "kept"
