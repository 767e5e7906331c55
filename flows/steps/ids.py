"""This module says where the ids stand that steps go by, and reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from connectors.salesforce.ids import as_18
from flows.engine.item import Item
from flows.engine.outcome import Failure, GiveUp
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown

LONGEST = 255

About = Annotated[
    Paths,
    Field(
        json_schema_extra=shown("Source", offers="paths", more=True, add="Add a fallback"),
        description="Where the id of the source is read. Without it, it is the object that the run is about.",
    ),
]


def id_in(value: Any) -> str:
    """Return the id that `value` is, or that an object in its place has; empty if there is none."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else ""


def record_id_in(value: Any) -> str:
    """Return the Salesforce id that `value` is, in 18 characters; empty if it is none."""
    try:
        return as_18(value.strip()) if isinstance(value, str) else ""
    except ValueError:
        return ""


def about(paths: Sequence[str]) -> Callable[[Item], str]:
    """
    Return what reads the id of the object that a step is about; empty if it has none.

    Without `paths` it is the object that the run is about, and which element of a list it is at.
    """
    if not paths:
        return lambda item: f"{item.root_id}{item.place}"[:LONGEST]
    read = first_of(paths)
    return lambda item: id_in(read(item.context))


def no_id(field: str, message: str) -> GiveUp:
    """Return the outcome of a step that finds no id where its setting `field` says."""
    return GiveUp(message, Failure("missing_ref", message, code="no_id", field=field))
