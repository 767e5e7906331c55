"""This module compiles the objects that an org has at first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce import integration_objects, setup_objects, standard_objects
from connectors.sandbox.salesforce.fields import whole_object
from connectors.sandbox.salesforce.shapes import Shape

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.fields import SObject


def shapes(*, bare: bool) -> dict[str, Shape]:
    """Return every object as it is before anybody changes it; a `bare` org has none of the integration's."""
    standard = (*standard_objects.OBJECTS, *setup_objects.OBJECTS)
    own: tuple[SObject, ...]
    if bare:
        own = tuple(_without_custom_fields(thing) for thing in standard)
    else:
        own = (*standard, *integration_objects.OBJECTS, *integration_objects.EVENTS)
    whole = [whole_object(thing) for thing in sorted(own, key=lambda thing: thing.name)]
    prefixes = {thing.name: thing.prefix for thing in whole}
    return {thing.name: Shape(thing, prefixes) for thing in whole}


def _without_custom_fields(thing: SObject) -> SObject:
    return replace(thing, fields=tuple(field for field in thing.fields if not field.custom))
