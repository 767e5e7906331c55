"""A value whose type never fits the parameter of Stripe that it is read for is found before publishing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flows.engine.definition import StepDefinition
from flows.mapping.fields import SrcField
from flows.mapping.sources import Sources
from flows.steps import parameter_types
from tests.fakes import FakePorts
from tests.unit.flows.taking import KINDS, take
from tests.unit.flows.test_steps_in_stripe import an_account, made, price


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        pytest.param("unit_amount", "number", True, id="an amount of Salesforce"),
        pytest.param("unit_amount", "amount", False, id="an amount of Stripe"),
        pytest.param("unit_amount", "unknown", False, id="what an expression of a map step makes"),
        pytest.param("active", "string", False, id="a text that may say true"),
        pytest.param("active", "integer", True, id="a number for yes or no"),
        pytest.param("nickname", "object", True, id="a whole object"),
        pytest.param("nickname", "id", False, id="an id as text"),
    ],
)
def test_a_value_of_another_type_is_told_before_publishing(name, source, wrong):
    settings = price(**{name: "charge.read"})
    step = StepDefinition.model_validate({"id": "make", "kind": "stripe.create", "settings": settings})
    sources = Sources([SrcField("charge.read", source), SrcField("steps.describe.Amount", "amount")])

    found = [issue.code for issue in parameter_types.issues_of(step, KINDS, sources)]

    assert found == (["wrong_type"] if wrong else [])


@pytest.mark.parametrize(
    ("value", "sent"),
    [("2000.0", "2000"), ("1200", "1200"), ("0.50", "0.5"), (f"0.{'1' * 35}", f"0.{'1' * 35}")],
)
def test_numbers_are_written_as_stripe_writes_them_with_every_digit(value, sent):
    given, ports = price(unit_amount_decimal="steps.describe.Amount"), FakePorts()
    del given["parameters"]["unit_amount"]

    take("stripe.create", given, [an_account(record={"Amount": Decimal(value)})], ports)

    assert made(ports)["unit_amount_decimal"] == sent
