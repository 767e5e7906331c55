"""The simulated org has what the package brings, field by field, and nothing custom beside it."""

from __future__ import annotations

import pytest

from connectors.salesforce.package import source
from connectors.salesforce.package.comparing import DESCRIBED
from connectors.salesforce.package.source import PackagedField
from connectors.sandbox.salesforce import integration_objects, standard_objects
from connectors.sandbox.salesforce.fields import Field, SObject

SIMULATED: dict[str, SObject] = {
    thing.name: thing
    for thing in (*standard_objects.OBJECTS, *integration_objects.OBJECTS, *integration_objects.EVENTS)
}
PACKAGED = {thing.name: {field.name: field for field in thing.fields} for thing in source.objects()}


def of_package(field: PackagedField) -> dict[str, object]:
    """Return what both sides have to say alike of a field, by the package."""
    return {
        "type": DESCRIBED[field.type],
        # A picklist and a look-up have a length of the org's own.
        "length": 80 if field.type == "Email" else field.length if "Text" in field.type else None,
        "precision": (field.precision, field.scale),
        "key": field.key,
        "refers_to": field.refers_to,
        "detail": field.type == "MasterDetail",
    }


def of_sandbox(field: Field) -> dict[str, object]:
    """Return the same by the simulated org."""
    return {
        "type": field.type,
        "length": field.length if field.type in {"string", "textarea", "email"} else None,
        "precision": (field.precision, field.scale),
        "key": field.external_id and field.unique and field.case_sensitive,
        "refers_to": "".join(field.refers_to),
        "detail": field.cascade,
    }


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_the_simulated_org_has_the_fields_of_the_package(name: str):
    simulated = {field.name: of_sandbox(field) for field in SIMULATED[name].fields if field.custom}

    assert simulated == {field.name: of_package(field) for field in PACKAGED[name].values()}


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_the_simulated_org_takes_no_choice_that_a_real_one_refuses(name: str):
    for field in SIMULATED[name].fields:
        ours = PACKAGED[name].get(field.name)
        if ours is not None and ours.choices:
            assert set(field.choices) <= set(ours.choices), field.name
            assert field.restricted or not ours.restricted, field.name


def test_the_simulated_org_has_no_custom_object_of_its_own():
    assert {thing.name for thing in SIMULATED.values() if thing.custom} <= set(PACKAGED)
