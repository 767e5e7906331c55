"""This module checks a mapping against what both sides are: Stripe's fields and the live org's."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.mapping import record_types
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.holding import Operation, Place, issues_of
from flows.mapping.issues import Issue
from flows.mapping.record_types import RecordType
from flows.mapping.sources import Sources
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import MappingLine, written_field
from flows.mapping.valued import value_of

Describe = Sequence[SObjField] | Mapping[str, Any]

CURRENCY = "CurrencyIsoCode"  # a field that only orgs with several currencies have


def validate(
    mapping: MappingSettings,
    src_schema: Iterable[SrcField] | Sources,
    describe: Describe,
    *,
    operation: Operation = "upsert",
    key: str = "",
    also: Iterable[str] = (),
    related: Mapping[str, Sequence[SObjField]] | None = None,
    types: Sequence[RecordType] = (),
) -> list[Issue]:
    """
    Return what is wrong with `mapping`, line by line and then as a whole.

    `src_schema` is what it may read; if it is empty, paths are not checked. `describe` is the target's
    fields, or what Salesforce's describe says. `key` is the external id field that records are found by,
    `also` are fields that something else fills, `related` are the fields of objects that look-ups lead to, as
    far as they are known, and `types` are the types that the target's records may have.
    """
    sources = src_schema if isinstance(src_schema, Sources) else Sources(src_schema)
    fields = {field.name.lower(): field for field in _fields_of(describe)}
    issues: list[Issue] = []
    for line in mapping.lines:
        if line.field.lower() != record_types.FIELD.lower():
            issues += _of_line(line, sources, fields, operation, related or {})
    issues += record_types.issues_of(mapping.lines, sources, fields, types, operation)
    if key:
        issues += _of_key(key, fields)
        issues += _of_empty_key(key, mapping, sources)
    written = {written_field(line.field).lower() for line in mapping.lines} | {name.lower() for name in also}
    if operation != "update":
        issues += _unmapped(fields, written)
        issues += _of_currency(mapping, fields, written)
    return issues


def _fields_of(describe: Describe) -> Sequence[SObjField]:
    if isinstance(describe, Mapping):
        return [SObjField.from_describe(told) for told in describe.get("fields", ())]
    return describe


def _of_line(
    line: MappingLine,
    sources: Sources,
    fields: Mapping[str, SObjField],
    operation: Operation,
    related: Mapping[str, Sequence[SObjField]],
) -> list[Issue]:
    value, issues = value_of(line, sources)
    relation, dot, name = line.field.partition(".")
    target = fields.get(line.field.lower())
    if dot:
        issues += _relation(line.field, relation, name, fields, related)
    elif target is None:
        issues.append(_no_field(line.field, fields))
    else:
        issues += issues_of(Place(line, value, target, operation))
    return [issue for place, issue in enumerate(issues) if issue not in issues[:place]]


def _no_field(name: str, fields: Mapping[str, SObjField]) -> Issue:
    near = difflib.get_close_matches(name.lower(), list(fields), n=1, cutoff=0.75)
    fix = f"Did you mean {fields[near[0]].name}? " if near else ""
    fix += "Otherwise create the field, give the integration user access to it, or take the line out."
    return Issue(
        "error", "no_such_field", name, f"The org has no field {name} here, or does not show it", fix
    )


def _relation(
    field: str,
    relation: str,
    name: str,
    fields: Mapping[str, SObjField],
    related: Mapping[str, Sequence[SObjField]],
) -> list[Issue]:
    """Return what is wrong with a look-up by external id, such as `Customer__r.Key__c`."""
    lookup = next((one for one in fields.values() if one.relationship.lower() == relation.lower()), None)
    if lookup is None:
        fix = "Use the name of the relation, which ends with __r for fields of your own."
        return [Issue("error", "no_such_relation", field, f"The org has no relation {relation} here", fix)]
    issues = []
    if not (lookup.createable or lookup.updateable):
        message = f"The connection may not write {lookup.name}"
        fix = "Give the integration user edit access to the field, or take the line out."
        issues.append(Issue("error", "not_writable", field, message, fix))
    known = [one for object_ in lookup.references for one in related.get(object_, ())]
    if not known:
        return issues
    target = next((one for one in known if one.name.lower() == name.lower()), None)
    if target is None:
        to = " or ".join(lookup.references)
        return [*issues, Issue("error", "no_such_field", field, f"{to} has no field {name}")]
    return [*issues, *_identity(field, target)]


def _of_key(key: str, fields: Mapping[str, SObjField]) -> list[Issue]:
    target = fields.get(key.lower())
    return [_no_field(key, fields)] if target is None else _identity(key, target)


def _of_empty_key(key: str, mapping: MappingSettings, sources: Sources) -> list[Issue]:
    """Return a warning if the record's key may have no value: not every charge has a payment intent."""
    line = next((line for line in mapping.lines if line.field.lower() == key.lower()), None)
    if line is None or not sources.fields or not value_of(line, sources)[0].empty:
        return []
    message = f"{key} tells records apart, and may have no value: such an event would end in the dead letters"
    fix = "Map what every event has, give a second source, or filter such events before this step."
    return [Issue("warning", "key_may_be_empty", key, message, fix)]


def _identity(field: str, target: SObjField) -> list[Issue]:
    """Return what keeps a record from being found by `target`."""
    if not (target.external_id or target.id_lookup):
        message = f"{target.name} is no external id, so that Salesforce finds no record by it"
        return [
            Issue(
                "error", "not_an_external_id", field, message, "Tick “External ID” at the field in the org."
            )
        ]
    if target.external_id and not target.unique:
        message = f"{target.name} is not unique: two records with one value could not be told apart"
        return [
            Issue(
                "warning", "external_id_not_unique", field, message, "Tick “Unique” at the field in the org."
            )
        ]
    return []


def _unmapped(fields: Mapping[str, SObjField], written: set[str]) -> list[Issue]:
    return [
        Issue(
            "error",
            "required_unmapped",
            field.name,
            f"{field.name} is required, and nothing is mapped to it: no record could be created",
            "Map it, or give it a fixed value.",
        )
        for field in fields.values()
        if field.required and field.name.lower() not in written
    ]


def _of_currency(mapping: MappingSettings, fields: Mapping[str, SObjField], written: set[str]) -> list[Issue]:
    if CURRENCY.lower() not in fields or CURRENCY.lower() in written:
        return []
    amounts = [
        line.field
        for line in mapping.lines
        if (target := fields.get(line.field.lower())) is not None and target.type == "currency"
    ]
    if not amounts:
        return []
    message = f"The org has several currencies, and nothing says in which {amounts[0]} is"
    return [
        Issue("error", "no_currency", CURRENCY, message, f"Map the currency, in capitals, to {CURRENCY}.")
    ]
