"""Which values of Stripe may go into which fields of Salesforce, and what mends the others."""

from __future__ import annotations

from typing import Any

import pytest

from flows.mapping.fields import PickValue, SObjField, SrcField
from flows.mapping.fitting import fit

CHARGE = {"charge.amount", "charge.currency", "charge.created", "charge.refunds.data[0].amount"}
STATUSES = (PickValue("Completed"), PickValue("Failed"), PickValue("Pending"))


def a_source(kind: str, path: str = "charge.x", **told: Any) -> SrcField:
    return SrcField(path, kind, **told)


def a_target(kind: str, name: str = "Field__c", **told: Any) -> SObjField:
    return SObjField(name=name, type=kind, **told)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(a_source("string"), a_target("string"), id="text into text"),
        pytest.param(a_source("integer"), a_target("double"), id="a whole number into a number"),
        pytest.param(a_source("boolean"), a_target("boolean"), id="a switch into a checkbox"),
        pytest.param(a_source("unknown"), a_target("date"), id="what is not known is not refused"),
        pytest.param(a_source("string", samples=("2026-01-31",)), a_target("date"), id="dates written out"),
        pytest.param(a_source("string", samples=("19.99",)), a_target("currency"), id="numbers written out"),
        pytest.param(a_source("amount"), a_target("int"), id="minor units into a whole number"),
        pytest.param(
            a_source("enum", values=("Failed",)),
            a_target("picklist", restricted=True, picklist=STATUSES),
            id="values that the picklist has",
        ),
    ],
)
def test_what_fits_needs_no_chip(source: SrcField, target: SObjField) -> None:
    assert fit(source, target).fits


@pytest.mark.parametrize(
    ("source", "target", "chip"),
    [
        pytest.param(
            a_source("amount", "charge.amount"),
            a_target("currency"),
            {"chip": "money", "currency": ["charge.currency"]},
            id="an amount is converted by the currency beside it",
        ),
        pytest.param(
            a_source("amount", "charge.refunds.data[0].amount"),
            a_target("double"),
            {"chip": "money", "currency": ["charge.currency"]},
            id="or by the one further out",
        ),
        pytest.param(
            a_source("timestamp"),
            a_target("datetime"),
            {"chip": "unix_time", "result": "datetime"},
            id="seconds become a date and time",
        ),
        pytest.param(
            a_source("timestamp"),
            a_target("date"),
            {"chip": "unix_time", "result": "date"},
            id="or a date",
        ),
        pytest.param(
            a_source("currency"),
            a_target("picklist", picklist=(PickValue("EUR"), PickValue("USD"))),
            {"chip": "text", "case": "upper"},
            id="currencies are written in capitals",
        ),
        pytest.param(a_source("string"), a_target("boolean"), {"chip": "boolean"}, id="yes and no"),
        pytest.param(
            a_source("object", "charge.billing_details.address"),
            a_target("string", "BillingPostalCode"),
            {"chip": "address", "part": "postal_code"},
            id="a part of an address",
        ),
        pytest.param(
            a_source("enum", values=("failed", "on_hold")),
            a_target("picklist", restricted=True, picklist=STATUSES),
            {"chip": "value_map", "map": {"failed": "Failed", "on_hold": "on_hold"}, "otherwise": "fail"},
            id="other values of a picklist, those that read alike filled in",
        ),
    ],
)
def test_what_does_not_fit_is_offered_the_chip_that_mends_it(
    source: SrcField, target: SObjField, chip: dict[str, Any]
) -> None:
    found = fit(source, target, known=CHARGE)

    assert not found.fits
    assert found.reason
    assert found.fix is not None
    assert [dict(one) for one in found.fix.chips] == [chip]


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        pytest.param(a_source("list"), a_target("string"), "This is a list", id="a list"),
        pytest.param(a_source("object"), a_target("string"), "group of values", id="a group"),
        pytest.param(a_source("amount", "x.amount"), a_target("currency"), "no currency", id="no currency"),
        pytest.param(a_source("string"), a_target("double"), "not a number", id="text into a number"),
        pytest.param(a_source("number"), a_target("int"), "may have decimals", id="decimals lost"),
        pytest.param(
            a_source("id"),
            a_target("reference", references=("Account",)),
            "record of Account",
            id="a look-up",
        ),
        pytest.param(
            a_source("string"),
            a_target("double", calculated=True, createable=False, updateable=False),
            "calculates this field",
            id="a formula",
        ),
        pytest.param(a_source("string"), a_target("address"), "each on its own", id="a compound field"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_the_reason(
    source: SrcField, target: SObjField, reason: str
) -> None:
    found = fit(source, target)

    assert not found.fits
    assert found.fix is None
    assert reason in found.reason
