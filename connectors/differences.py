"""
This module compares what an object consisted of with what it consists of now, in plain words.

Both are the content of a snapshot, see `connectors.schemas`: a Salesforce object or one of Stripe's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

RECORD_TYPE = "RecordTypeId"  # the field that holds the type of a record
MOST_NAMED = 5  # values of a picklist that a sentence names


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One thing that has changed about a field; `field` is empty where it is about the object.

    `kind` is one of gone, back, added, removed, type, shorter, longer, scale, value_gone, value_added,
    restricted, required, optional, lost_create, lost_update, writable, reference, key_lost, key, nullable,
    label, record_type_gone, record_type_added, record_type_values and record_type_default. `breaks` says
    that a mapping that worked may fail now.
    """

    field: str
    kind: str
    text: str
    before: str = ""
    after: str = ""
    breaks: bool = False


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what has changed, what may break a mapping first, then by the names of the fields."""
    if before.get("gone") or after.get("gone"):
        return list(_presence(before, after))
    rules = STRIPE if "path" in _first(before, after) else SALESFORCE
    name = "path" if rules is STRIPE else "name"
    old, new = _by(before, name), _by(after, name)
    found = [*_come_and_gone(old, new)]
    for key in old.keys() & new.keys():
        if old[key] != new[key]:
            found += [one for rule in rules for one in rule(key, old[key], new[key])]
    if rules is SALESFORCE:
        found += _record_types(before, after)
    return sorted(found, key=lambda one: (not one.breaks, one.field.casefold(), one.kind))


def _first(*contents: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((field for content in contents for field in content.get("fields", ())), {})


def _by(content: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    return {str(field[name]): field for field in content.get("fields", ())}


def _presence(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    if after.get("gone") and not before.get("gone"):
        text = "The object is no longer there, or the integration user may not see it any more."
        yield Difference("", "gone", text, breaks=True)
    if before.get("gone") and not after.get("gone"):
        yield Difference("", "back", "The object can be seen again.")


def _come_and_gone(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for key in old.keys() - new.keys():
        text = f"{key} is no longer there, or may not be seen any more."
        yield Difference(key, "removed", text, before=str(old[key].get("type", "")), breaks=True)
    for key in new.keys() - old.keys():
        field = new[key]
        if instead := field.get("removed"):
            yield Difference(key, "removed", f"{key} has gone. Use {instead}.", after=instead, breaks=True)
        elif _required(field):
            text = f"{key} is new, and no record can be created without it."
            yield Difference(key, "added", text, after=str(field["type"]), breaks=True)
        else:
            yield Difference(key, "added", f"{key} is new.", after=str(field.get("type", "")))


def _required(field: Mapping[str, Any]) -> bool:
    """Tell whether a record of Salesforce cannot be created without the field."""
    return bool(
        field.get("createable")
        and not field.get("nillable", True)
        and not field.get("defaultedOnCreate")
        and field.get("type") != "boolean"
    )


Rule = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Iterator[Difference]]


def _type(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old["type"] != new["type"]:
        text = f"{key} was of type {old['type']} and is of type {new['type']} now."
        yield Difference(key, "type", text, str(old["type"]), str(new["type"]), breaks=True)


def _length(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = int(old["length"]), int(new["length"])
    if 0 < after < before:
        text = f"{key} takes {after} characters; it took {before}."
        yield Difference(key, "shorter", text, str(before), str(after), breaks=True)
    elif before < after:
        text = f"{key} takes {after} characters; it took {before}."
        yield Difference(key, "longer", text, str(before), str(after))


def _digits(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    def shown(field: Mapping[str, Any]) -> tuple[int, int]:
        whole = int(field["precision"]) - int(field["scale"]) if field["precision"] else int(field["digits"])
        return whole, int(field["scale"])

    before, after = shown(old), shown(new)
    if before == after or new["type"] != old["type"]:
        return
    taken, took = (f"{whole} digits and {decimals} decimals" for whole, decimals in (after, before))
    text = f"{key} takes {taken}; it took {took}."
    less = after[0] < before[0] or after[1] < before[1]
    yield Difference(key, "scale", text, f"{before[0]}.{before[1]}", f"{after[0]}.{after[1]}", breaks=less)


def _picks(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    def active(field: Mapping[str, Any]) -> dict[str, None]:
        return {str(one["value"]): None for one in field.get("picklistValues", ()) if one["active"]}

    yield from _values(key, active(old), active(new), breaks=bool(new.get("restrictedPicklist")))
    if new.get("restrictedPicklist") and not old.get("restrictedPicklist"):
        text = f"{key} takes only the values of its picklist now."
        yield Difference(key, "restricted", text, breaks=True)


def _enum(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    yield from _values(key, dict.fromkeys(old["values"]), dict.fromkeys(new["values"]), breaks=False)


def _values(
    key: str, old: Mapping[str, None], new: Mapping[str, None], *, breaks: bool
) -> Iterator[Difference]:
    if gone := [value for value in old if value not in new]:
        text = f"{key} no longer has {_named(gone)}."
        yield Difference(key, "value_gone", text, before=_named(gone), breaks=breaks)
    if come := [value for value in new if value not in old]:
        yield Difference(key, "value_added", f"{key} has {_named(come)} now.", after=_named(come))


def _named(values: Iterable[str]) -> str:
    listed = [f"“{value}”" for value in values]
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return f"{', '.join(listed[:MOST_NAMED])}{more}"


def _need(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if _required(new) and not _required(old):
        yield Difference(key, "required", f"No record can be created without {key} any more.", breaks=True)
    elif _required(old) and not _required(new) and new.get("createable"):
        yield Difference(key, "optional", f"A record can be created without {key} now.")


def _rights(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for right, kind, doing in (
        ("createable", "lost_create", "set when a record is created"),
        ("updateable", "lost_update", "changed"),
    ):
        if old[right] and not new[right]:
            text = (
                f"{key} can no longer be {doing}: the integration user has lost the right, or it is computed."
            )
            yield Difference(key, kind, text, breaks=True)
        elif new[right] and not old[right]:
            yield Difference(key, "writable", f"{key} can be {doing} now.")


def _reference(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = ", ".join(old["referenceTo"]), ", ".join(new["referenceTo"])
    if before and after and before != after:
        lost = bool(set(old["referenceTo"]) - set(new["referenceTo"]))
        text = f"{key} led to {before} and leads to {after} now."
        yield Difference(key, "reference", text, before, after, breaks=lost)


def _keys(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old["externalId"] and not new["externalId"]:
        text = f"{key} is no external id any more, so that no record is found by it."
        yield Difference(key, "key_lost", text, breaks=True)
    elif new["unique"] and not old["unique"]:
        yield Difference(key, "key", f"{key} has to be unique now.", breaks=True)
    elif new["externalId"] and not old["externalId"]:
        yield Difference(key, "key", f"{key} is an external id now.")


def _label(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old["label"] != new["label"]:
        text = f"{key} was called “{old['label']}” and is called “{new['label']}” now."
        yield Difference(key, "label", text, str(old["label"]), str(new["label"]))


def _record_types(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what has changed about the types that records may be given, and the values that they take."""
    old, new = (
        {str(one["name"]): one for one in content.get("recordTypes", ()) if one["available"]}
        for content in (before, after)
    )
    for name in old.keys() - new.keys():
        text = f"Records can no longer be given the type “{name}”: it is gone, inactive or not granted."
        yield Difference(RECORD_TYPE, "record_type_gone", text, before=name, breaks=True)
    for name in new.keys() - old.keys():
        text = f"Records can be given the type “{name}” now."
        yield Difference(RECORD_TYPE, "record_type_added", text, after=name)
    was, now = (next((name for name, one in each.items() if one["default"]), "") for each in (old, new))
    if was and now and was != now:
        text = f"Records without a type were of type “{was}” and are of type “{now}” now."
        yield Difference(RECORD_TYPE, "record_type_default", text, was, now)
    fields = {key: field for key, field in _by(after, "name").items() if key in _by(before, "name")}
    for name in old.keys() & new.keys():
        yield from _taken(name, old[name].get("picklists"), new[name].get("picklists"), fields)


def _taken(
    record_type: str,
    old: Mapping[str, list[str]] | None,
    new: Mapping[str, list[str]] | None,
    fields: Mapping[str, Mapping[str, Any]],
) -> Iterator[Difference]:
    """Yield the values that records of a type take no more, or take now, beside what became of the field."""
    if old is None or new is None:
        return
    for key in old.keys() | new.keys():
        if key not in fields:
            continue
        every = [str(one["value"]) for one in fields[key].get("picklistValues", ()) if one["active"]]
        before, after = old.get(key, every), new.get(key, every)
        if gone := [value for value in before if value not in after and value in every]:
            text = f"{key} no longer has {_named(gone)} in records of type “{record_type}”."
            breaks = bool(fields[key].get("restrictedPicklist"))
            yield Difference(key, "record_type_values", text, before=_named(gone), breaks=breaks)
        if come := [value for value in after if value not in before]:
            text = f"{key} has {_named(come)} in records of type “{record_type}” now."
            yield Difference(key, "record_type_values", text, after=_named(come))


def _moved(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if new["removed"] and not old["removed"]:
        text = f"{key} has gone. Use {new['removed']}."
        yield Difference(key, "removed", text, after=str(new["removed"]), breaks=True)
    elif new["nullable"] and not old["nullable"]:
        yield Difference(key, "nullable", f"{key} may be without a value now.")


SALESFORCE: tuple[Rule, ...] = (
    _type, _length, _digits, _picks, _need, _rights, _reference, _keys, _label,
)  # fmt: skip
STRIPE: tuple[Rule, ...] = (_type, _enum, _moved)
