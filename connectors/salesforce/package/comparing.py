"""This module compares a field of the package with what an org describes under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.salesforce.package.source import PackagedField

# Type in the Metadata API -> type in describe.
DESCRIBED: dict[str, str] = {
    "Text": "string",
    "Email": "email",
    "Url": "url",
    "LongTextArea": "textarea",
    "Picklist": "picklist",
    "Currency": "currency",
    "Number": "double",
    "Checkbox": "boolean",
    "Date": "date",
    "DateTime": "datetime",
    "Lookup": "reference",
    "MasterDetail": "reference",
}


def differences(field: PackagedField, told: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words where a field is less than the package wants, or something else."""
    kind = DESCRIBED[field.type]
    if told.get("type") != kind:
        yield f"{field.name} is of type {told.get('type')}, not {kind}."
        return
    if field.length and int(told.get("length") or 0) < field.length:
        yield f"{field.name} holds {told.get('length')} characters, not {field.length}."
    if field.precision and _narrower(field, told):
        yield (
            f"{field.name} has {told.get('precision')} digits, {told.get('scale')} of them after the point, "
            f"not {field.precision} and {field.scale}."
        )
    if field.key and not all(told.get(quality) for quality in ("externalId", "unique", "caseSensitive")):
        yield f"{field.name} has to be an external id, unique, and case-sensitive."
    if field.refers_to and field.refers_to not in (told.get("referenceTo") or ()):
        yield f"{field.name} leads to {', '.join(told.get('referenceTo') or ())}, not to {field.refers_to}."


def _narrower(field: PackagedField, told: Mapping[str, Any]) -> bool:
    precision, scale = int(told.get("precision") or 0), int(told.get("scale") or 0)
    return scale < field.scale or precision - scale < field.precision - field.scale
