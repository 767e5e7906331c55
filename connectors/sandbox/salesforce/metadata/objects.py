"""This module makes objects and fields of the org from the metadata that describes them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from connectors.sandbox.salesforce import fields
from connectors.sandbox.salesforce.fields import Field, SObject
from connectors.sandbox.salesforce.metadata.markup import Node, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LONGEST_NAME = 40
NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__[ce]")
RECORD_TYPE = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9]){0,79}")
# What a field of a type cannot do without.
# https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/customfield.htm
NEEDED: dict[str, tuple[str, ...]] = {
    "Text": ("length",),
    "LongTextArea": ("length", "visibleLines"),
    "Html": ("length", "visibleLines"),
    "Number": ("precision", "scale"),
    "Currency": ("precision", "scale"),
    "Percent": ("precision", "scale"),
    "Checkbox": ("defaultValue",),
    "Picklist": ("valueSet",),
    "Lookup": ("referenceTo",),
    "MasterDetail": ("referenceTo", "relationshipName"),
}
EVENT_TYPES = frozenset({"Text", "LongTextArea", "Number", "Checkbox", "Date", "DateTime"})


def check_name(name: str) -> None:
    """
    Let an API name pass.

    :raises Unreadable: if an object or field cannot be called so
    """
    if NAME.fullmatch(name) is None:
        raise Unreadable(f"Invalid fullName: {name}")
    if len(name.rpartition("__")[0]) > LONGEST_NAME:
        raise Unreadable(f"The name {name} is too long: at most {LONGEST_NAME} characters")


def object_of(name: str, node: Node, prefix: str) -> SObject:
    """
    Return a new custom object without its fields.

    :raises Unreadable: if something is missing of it
    """
    check_name(name)
    event = name.endswith("__e")
    needed = ("label", "pluralLabel", "deploymentStatus")
    absent = next((each for each in needed if not node.get(each)), None)
    if absent is None and event and not node.get("eventType"):
        absent = "eventType"
    if absent is None and not event and not node.get("sharingModel"):
        absent = "sharingModel"
    if absent is None and not event and not node.get("nameField", "type"):
        absent = "nameField"
    if absent is not None:
        raise Unreadable(f"Must specify a non-empty {absent} for the CustomObject")
    own = () if event else (_name_field(node.one("nameField")),)
    controlled = node.get("sharingModel") == "ControlledByParent"
    return SObject(
        name,
        prefix,
        own,
        label=node.get("label"),
        plural=node.get("pluralLabel"),
        owned=not event and not controlled,
    )


def _name_field(node: Node) -> Field:
    label = node.get("label") or "Name"
    if node.get("type") == "AutoNumber":
        numbered = fields.derived("Name", "string", length=80)
        return replace(
            numbered, label=label, name_field=True, auto_number=True, id_lookup=True, defaulted=True
        )
    return replace(fields.optional_name(), label=label)


def field_of(node: Node, known: Collection[str], *, event: bool) -> Field:
    """
    Return a custom field; `known` are the objects that a look-up may lead to.

    :raises Unreadable: with what the org says about a field that cannot be
    """
    name, type_ = node.get("fullName"), node.get("type")
    check_name(name)
    if type_ not in MAKERS or (event and type_ not in EVENT_TYPES):
        raise Unreadable(f"Field Type {type_ or '(none)'} is not supported for {name}")
    absent = next((each for each in NEEDED.get(type_, ()) if not node.all(each)), None)
    if absent is not None:
        raise Unreadable(f"Must specify '{absent}' for a CustomField of type {type_}")
    target = node.get("referenceTo")
    if target and target not in known:
        raise Unreadable(f"referenceTo value of '{target}' does not resolve to a valid sObject type")
    made = MAKERS[type_](node, name)
    required = node.flag("required") or made.cascade
    return replace(
        made,
        label=node.get("label") or fields.readable(name),
        nillable=made.nillable and not required,
        unique=node.flag("unique"),
        external_id=node.flag("externalId"),
        id_lookup=node.flag("externalId"),
        case_sensitive=node.flag("caseSensitive"),
        children=node.get("relationshipName"),
    )


def record_type_of(node: Node, thing: SObject) -> tuple[str, dict[str, Any]]:
    """
    Return the name of a record type of `thing`, and what its metadata says of it.

    https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_recordtype.htm

    :raises Unreadable: if it names a field or a value that is not there
    """
    name = node.get("fullName")
    if RECORD_TYPE.fullmatch(name) is None:
        raise Unreadable(f"Invalid fullName: {name}")
    if not node.get("label") or not node.all("active"):
        raise Unreadable("Must specify a non-empty label and whether it is active for the RecordType")
    choices = {each.name: each.choices for each in thing.fields if each.choices}
    picklists: dict[str, tuple[str, ...]] = {}
    for given in node.all("picklistValues"):
        field = given.get("picklist")
        values = tuple(unquote(value.get("fullName")) for value in given.all("values"))
        if field not in choices:
            raise Unreadable(f"Picklist '{field}' in record type is invalid")
        wrong = next((value for value in values if value not in choices[field]), None)
        if wrong is not None:
            raise Unreadable(f"Picklist value: {wrong} in picklist: {field} not found")
        picklists[field] = values
    return name, {"label": node.get("label"), "active": node.flag("active"), "picklists": picklists}


def _text(node: Node, name: str) -> Field:
    length = node.number("length")
    if not 1 <= length <= 255:
        raise Unreadable(f"Text field length {length} is not between 1 and 255")
    return fields.text(name, length)


def _long_text(node: Node, name: str) -> Field:
    length = node.number("length")
    if not 256 <= length <= 131_072:
        raise Unreadable(f"Long Text Area length {length} is not between 256 and 131072")
    return fields.long_text(name, length)


def _number(kind: str) -> Callable[[Node, str], Field]:
    def make(node: Node, name: str) -> Field:
        precision, scale = node.number("precision"), node.number("scale")
        if not 1 <= precision <= 18 or scale > precision:
            raise Unreadable(f"Precision {precision} and scale {scale} do not fit together")
        return Field(name, kind, precision=precision, scale=scale)

    return make


def _plain(kind: str, length: int = 0) -> Callable[[Node, str], Field]:
    return lambda _node, name: Field(name, kind, length=length)


def _checkbox(node: Node, name: str) -> Field:
    return replace(fields.flag(name), default=node.flag("defaultValue"))


def _picklist(node: Node, name: str) -> Field:
    values = node.one("valueSet").one("valueSetDefinition").all("value")
    if not values:
        raise Unreadable(f"Picklist {name} has no values")
    default = next((value.get("fullName") for value in values if value.flag("default")), None)
    names = tuple(value.get("fullName") for value in values)
    made = fields.choice(name, *names, restricted=node.one("valueSet").flag("restricted"))
    return replace(made, default=default, defaulted=default is not None)


def _lookup(node: Node, name: str) -> Field:
    return fields.link(name, node.get("referenceTo"))


def _master(node: Node, name: str) -> Field:
    made = fields.master(name, node.get("referenceTo"))
    return made if node.flag("reparentableMasterDetail") else replace(made, updateable=False)


MAKERS: dict[str, Callable[[Node, str], Field]] = {
    "Text": _text,
    "LongTextArea": _long_text,
    "Html": _long_text,
    "TextArea": _plain("textarea", 255),
    "Email": _plain("email", 80),
    "Phone": _plain("phone", 40),
    "Url": _plain("url", 255),
    "Number": _number("double"),
    "Currency": _number("currency"),
    "Percent": _number("percent"),
    "Checkbox": _checkbox,
    "Date": _plain("date"),
    "DateTime": _plain("datetime"),
    "Picklist": _picklist,
    "Lookup": _lookup,
    "MasterDetail": _master,
}
