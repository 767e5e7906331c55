"""What a line comes to on one event, chip by chip, and what Salesforce would have against it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flows.mapping.chip import Chip
from flows.mapping.fields import PickValue, SObjField
from flows.mapping.forms import chip_forms
from flows.mapping.spec import MappingLine
from flows.mapping.transforms import OURS
from flows.mapping.trying import complaint, try_chips, try_line
from flows.mapping.widgets import FORM

CHARGE = {"charge": {"amount": 1999, "currency": "eur", "status": "succeeded", "note": None}}


def a_line(**told: Any) -> MappingLine:
    return MappingLine.model_validate({"field": "Field__c", "from": ["charge.status"], **told})


@pytest.mark.parametrize(
    ("line", "state", "value"),
    [
        pytest.param(a_line(), "value", "succeeded", id="a value"),
        pytest.param(a_line(**{"from": ["charge.note"]}), "left", None, id="no value leaves the field"),
        pytest.param(
            a_line(**{"from": ["charge.note"], "empty": "clear"}), "cleared", None, id="or empties it"
        ),
        pytest.param(a_line(**{"from": ["charge.note"], "empty": "fail"}), "failed", None, id="or fails"),
        pytest.param(a_line(chips=[{"chip": "boolean"}]), "failed", None, id="a chip fails"),
    ],
)
def test_a_line_comes_to_what_a_run_would_write(line: MappingLine, state: str, value: Any) -> None:
    tried = try_line(line)(CHARGE)

    assert (tried.state, tried.value) == (state, value)
    assert bool(tried.message) == (state == "failed")


def test_each_chip_tells_what_went_in_and_what_came_out() -> None:
    line = a_line(
        **{"from": ["charge.amount"]},
        chips=[{"chip": "money", "currency": "charge.currency"}, {"chip": "text", "max_length": 2}],
    )

    read, (money, text) = try_chips(line, CHARGE)

    assert read == 1999
    assert (money.before, money.after) == (1999, Decimal("19.99"))
    assert text.before == Decimal("19.99")
    assert "5 characters" in text.message


def test_a_chip_without_a_value_is_left_out_and_the_next_may_bring_one() -> None:
    line = a_line(
        **{"from": ["charge.note"]}, chips=[{"chip": "digits"}, {"chip": "default", "value": "none"}]
    )

    _, (digits, default) = try_chips(line, CHARGE)

    assert digits.skipped
    assert default.after == "none"


@pytest.mark.parametrize(
    ("value", "field", "told"),
    [
        pytest.param("abcdef", {"length": 5}, "6 of 5 characters", id="too long"),
        pytest.param("😀😀😀", {"length": 5}, "6 of 5 characters", id="as Salesforce counts"),
        pytest.param("abcde", {"length": 5}, "", id="just fits"),
        pytest.param(
            "Open",
            {"type": "picklist", "restricted": True, "picklist": (PickValue("Closed"),)},
            "not a value of the picklist",
            id="not in the picklist",
        ),
        pytest.param(
            "Closed",
            {"type": "picklist", "restricted": True, "picklist": (PickValue("Closed", active=False),)},
            "not a value of the picklist",
            id="no longer in the picklist",
        ),
        pytest.param("1.5", {"type": "int"}, "not a whole number", id="decimals in a whole number"),
        pytest.param(
            Decimal("12345.67"), {"type": "currency", "precision": 6, "scale": 2}, "digits", id="too large"
        ),
        pytest.param("soon", {"type": "date"}, "is not a date", id="no date"),
        pytest.param("2026-01-31", {"type": "date"}, "", id="a date"),
        pytest.param("cus_1", {"type": "reference"}, "not the id of a record", id="an id of Stripe"),
        pytest.param("001000000000001AAA", {"type": "reference"}, "", id="an id of Salesforce"),
        pytest.param("yes", {"type": "boolean"}, "neither true nor false", id="no switch"),
        pytest.param(None, {"nillable": False}, "may not be empty", id="a required field emptied"),
    ],
)
def test_salesforce_would_say(value: Any, field: dict[str, Any], told: str) -> None:
    said = complaint(value, SObjField(name="Field__c", **field))

    assert told in said
    assert bool(said) == bool(told)


@pytest.mark.parametrize("form", chip_forms(), ids=lambda form: form.slug)
def test_every_chip_can_be_filled_in_as_a_form(form: Any) -> None:
    assert form.label
    assert form.help
    assert all(setting.kind != "json" for setting in form.settings)
    assert all(setting.help for setting in form.settings)
    assert all(setting.options for setting in form.settings if setting.kind in ("choice", "otherwise"))


@pytest.mark.parametrize("chip", OURS, ids=lambda chip: chip.label)
def test_a_form_calls_no_setting_by_the_name_that_programs_have_for_it(chip: type[Chip]) -> None:
    schema = chip.model_json_schema(by_alias=True)
    models = [schema, *schema.get("$defs", {}).values()]
    settings = {name: told for model in models for name, told in model["properties"].items()}

    assert [
        name for name, told in settings.items() if name != "chip" and not told.get(FORM, {}).get("label")
    ] == []
    (form,) = [form for form in chip_forms() if form.label == chip.label]
    assert all(
        "_" not in word for setting in form.settings for word in (setting.label, *setting.words.values())
    )
