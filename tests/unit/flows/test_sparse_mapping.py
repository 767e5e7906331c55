"""What an object of another API version lacks is not taken for null."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.mapping.apply import compile_mapping
from flows.mapping.spec import Mapping
from flows.steps.map import Map
from tests.fakes import FakePorts, an_item


def record(context: dict[str, Any], *lines: dict[str, Any], sparse: bool = True) -> dict[str, Any]:
    """Return the record that the lines make of `context`."""
    mapping = Mapping.model_validate({"target": "Payment__c", "lines": list(lines)})
    return compile_mapping(mapping).apply(context, sparse=sparse).record


INVOICE = {"field": "Stripe_Invoice__c", "from": ["charge.invoice"], "empty": "clear"}
ORDER = {"field": "Order_ID__c", "from": ["charge.metadata.order_id"], "empty": "clear"}
LEVEL = {
    "field": "Level__c",
    "from": ["charge.outcome.level"],
    "chips": [{"chip": "default", "value": "none"}],
}
FIXED = {"field": "Origin__c", "chips": [{"chip": "constant", "value": "Stripe"}]}


@pytest.mark.parametrize(
    ("charge", "line", "made"),
    [
        pytest.param({"id": "ch_1"}, INVOICE, {}, id="absent is not null"),
        pytest.param({"invoice": None}, INVOICE, {"Stripe_Invoice__c": None}, id="null is null"),
        pytest.param({"invoice": "in_1"}, INVOICE, {"Stripe_Invoice__c": "in_1"}, id="a value is a value"),
        pytest.param({"metadata": {}}, ORDER, {"Order_ID__c": None}, id="no such name in the metadata"),
        pytest.param({"id": "ch_1"}, ORDER, {}, id="no metadata at all"),
        pytest.param({"id": "ch_1"}, LEVEL, {}, id="no default for what is absent"),
        pytest.param({"outcome": None}, LEVEL, {"Level__c": "none"}, id="a default for null"),
        pytest.param({"id": "ch_1"}, {**INVOICE, "empty": "fail"}, {}, id="absent fails nothing"),
        pytest.param({"id": "ch_1"}, FIXED, {"Origin__c": "Stripe"}, id="what needs no path"),
    ],
)
def test_a_line_without_a_place_is_left_out(charge, line, made):
    assert record({"charge": charge}, line) == made


def test_one_of_several_paths_is_enough():
    line = {**INVOICE, "from": ["charge.invoice", "charge.parent.invoice"]}

    assert record({"charge": {"parent": {"invoice": None}}}, line) == {"Stripe_Invoice__c": None}


def test_of_our_own_version_absent_means_none():
    assert record({"charge": {"id": "ch_1"}}, INVOICE, sparse=False) == {"Stripe_Invoice__c": None}


@pytest.mark.parametrize(
    ("foreign", "fetched", "made"),
    [
        pytest.param(True, False, {}, id="of another version, and gone"),
        pytest.param(True, True, {"Stripe_Invoice__c": None}, id="of another version, but read anew"),
        pytest.param(False, False, {"Stripe_Invoice__c": None}, id="of our version"),
    ],
)
def test_the_step_knows_which_objects_lack_fields(foreign, fetched, made):
    item = an_item()
    item.event = replace(item.event, foreign=foreign)
    item.source = replace(item.source, fetched=fetched)
    settings = Mapping.model_validate({"target": "Payment__c", "lines": [INVOICE]})

    (answer,) = Map().compile("map", settings)([item], FakePorts())

    assert answer.output == made
