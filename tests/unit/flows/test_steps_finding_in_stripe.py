"""What is found in Stripe: by a field of its list or by metadata, with a person to choose."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from flows.engine.outcome import GiveUp
from tests.fakes import FakePorts
from tests.unit.flows.taking import KINDS, take
from tests.unit.flows.test_steps_in_stripe import an_account


@pytest.fixture
def ports():
    return FakePorts()


def a_search(**fields: Any) -> dict[str, Any]:
    return {"object": "customer", "field": "email", "value": "steps.describe.Email", **fields}


def ada(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"cus_{number}", "object": "customer", "name": "Ada", "email": "ada@acme.test", **fields}


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        pytest.param(a_search(), "found", id="by e-mail"),
        pytest.param(
            a_search(by="metadata", key="account", value="steps.describe.Id"), "found", id="by metadata"
        ),
        pytest.param(a_search(value="steps.describe.Nothing"), "none", id="without a value"),
        pytest.param(a_search(value="steps.describe.Name"), "none", id="another value"),
    ],
)
def test_an_object_is_found_or_the_run_goes_the_other_way(ports, settings, way):
    ports.stripe["cus_1"] = ada(1, metadata={"account": "001A"})

    (answer,) = take("stripe.find", settings, [an_account(record={"Email": " ada@acme.test "})], ports)

    assert answer.exit == way
    assert answer.output["id"] == ("cus_1" if way == "found" else None)


def test_a_value_that_differs_by_capitals_alone_is_anothers(ports, monkeypatch):
    ids = ("001000000000abC", "001000000000aBC")
    found = [ada(number, metadata={"account": one}) for number, one in enumerate(ids)]
    monkeypatch.setattr(ports, "call_many", lambda *_: [{"objects": found, "has_more": False}])
    settings = a_search(by="metadata", key="account", value="steps.describe.Key", several="fail")

    (answer,) = take("stripe.find", settings, [an_account(record={"Key": ids[1]})], ports)

    assert answer.output["id"] == "cus_1"


def test_a_person_chooses_among_several(ports):
    ports.stripe |= {"cus_1": ada(1), "cus_2": ada(2, name="Ada B.")}
    item = an_account(record={"Email": "ada@acme.test"})

    (asks,) = take("stripe.find", a_search(), [item], ports)
    item.keep("here", "answer", "cus_2")
    (found,) = take("stripe.find", a_search(), [item], ports)
    (failed,) = take(
        "stripe.find", a_search(several="fail"), [an_account(2, record={"Email": "ada@acme.test"})], ports
    )

    assert [option.value for option in asks.options] == ["cus_1", "cus_2", "none"]
    assert found.output["object"]["name"] == "Ada B."
    assert isinstance(failed, GiveUp)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(a_search(field="name"), id="a field that the list cannot be filtered by"),
        pytest.param(a_search(by="metadata"), id="no metadata key"),
        pytest.param(a_search(object="refund", by="metadata", key="a"), id="a type that is not searched"),
    ],
)
def test_what_stripe_cannot_look_for_is_refused(settings):
    with pytest.raises(ValidationError):
        KINDS["stripe.find"].settings_model.model_validate(settings)
