"""This module fills the fields that Salesforce works out itself when a record is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Values = dict[str, Any]
    Derive = Callable[[Values, Values, Mapping[str, Any], int], None]


def _person(values: Values, before: Values, sent: Mapping[str, Any], number: int) -> None:
    values["Name"] = " ".join(part for part in (values.get("FirstName"), values.get("LastName")) if part)


def _numbered(field: str) -> Derive:
    def derive(values: Values, before: Values, sent: Mapping[str, Any], number: int) -> None:
        if not before:
            values[field] = f"{number:08d}"

    return derive


def named(values: Values, before: Values, sent: Mapping[str, Any], number: int) -> None:
    """Name a custom record after its id if it has no name."""
    if values.get("Name") is None:
        values["Name"] = values["Id"][:15]


DERIVE: dict[str, Derive] = {
    "Contact": _person,
    "Lead": _person,
    "User": _person,
    "Case": _numbered("CaseNumber"),
}
