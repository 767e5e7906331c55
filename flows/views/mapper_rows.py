"""This module lays the fields of both sides of a mapping out as rows of two trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.mapping import record_types
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.fitting import FITS, family_of, fit, locked
from flows.mapping.record_types import RecordType
from flows.mapping.spec import written_field
from integrator.kernel.paths import MISSING, BadPath, compile_path, parse, quote
from integrator.kernel.redact import redact_text

LONGEST_HELP = 160
LONGEST_VALUE = 120  # characters of a value beside its field

# How the types of the source side are called on the page.
WORDS: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "boolean": "yes or no",
    "enum": "choice",
    "timestamp": "time",
    "object": "group",
    "map": "group",
    "unknown": "any",
}
TARGET_WORDS: Mapping[str, str] = {
    "string": "text",
    "textarea": "long text",
    "int": "whole number",
    "double": "number",
    "boolean": "checkbox",
    "datetime": "date and time",
    "reference": "look-up",
    "multipicklist": "picklist",
    "encryptedstring": "text",
}


@dataclass(slots=True)
class SourceRow:
    """One place in what the step reads."""

    path: str
    name: str
    type: str
    word: str
    level: int
    parent: str
    help: str = ""
    seen: int | None = None  # per cent of recorded events
    removed: str = ""
    children: int = 0

    def plain(self) -> list[Any]:
        """Return the row as the page's script wants it."""
        about = (self.help, self.seen, self.removed)
        return [self.path, self.name, self.type, self.word, self.level, self.children, *about]


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One field of the record, or a look-up by an external id."""

    name: str
    label: str
    word: str
    family: str
    marks: Sequence[str] = ()
    required: bool = False
    locked: str = ""
    help: str = ""


def source_rows(fields: Iterable[SrcField]) -> list[SourceRow]:
    """Return `fields` in the order of a tree, with the places that lie between a root and a field."""
    known = {field.path: field for field in fields}
    children: dict[str, dict[str, None]] = {"": {}}
    for path in known:
        _place(path, children)
    rows: list[SourceRow] = []
    _walk("", 1, children, known, rows)
    return rows


def _place(path: str, children: dict[str, dict[str, None]]) -> None:
    """Put `path` under its parent, and its parents under theirs."""
    parent = ""
    for part in _prefixes(path):
        children.setdefault(parent, {})[part] = None
        parent = part


def _prefixes(path: str) -> list[str]:
    if "[" not in path:  # nearly all of thousands
        places = [place for place, letter in enumerate(path) if letter == "."]
        return [*(path[:place] for place in places), path]
    try:
        segments = parse(path)
    except BadPath:
        return [path]
    text, found = "", []
    for segment in segments:
        text += f"[{segment}]" if isinstance(segment, int) else quote(segment) if text else str(segment)
        found.append(text)
    return [*found[:-1], path]


def _walk(
    parent: str,
    level: int,
    children: Mapping[str, Mapping[str, None]],
    known: Mapping[str, SrcField],
    rows: list[SourceRow],
) -> None:
    for path in children.get(parent, ()):
        field = known.get(path) or SrcField(path, "object")
        below = children.get(path, {})
        rows.append(
            SourceRow(
                path=path,
                name=path[len(parent) :].lstrip("."),
                type=field.type,
                word=WORDS.get(field.type, field.type),
                level=level,
                parent=parent,
                help=_help(field),
                seen=None if field.seen is None else round(field.seen * 100),
                removed=field.removed,
                children=len(below),
            )
        )
        _walk(path, level + 1, children, known, rows)


def _help(field: SrcField) -> str:
    told = [field.desc[:LONGEST_HELP]]
    if field.values:
        told.append("One of " + ", ".join(field.values[:12]) + ("…" if len(field.values) > 12 else ""))
    return " ".join(part for part in told if part)


def target_rows(fields: Sequence[SObjField], mapped: Iterable[str]) -> list[TargetRow]:
    """Return `fields` as rows, each with the look-ups through it, and then what else is `mapped`."""
    by_name = {field.name.lower(): field for field in fields}
    mapped = list(mapped)
    if record_types.FIELD.lower() in by_name and record_types.ID not in mapped:
        # A name is the same in every org: the id is shown only where a line fills it already.
        fields = [field for field in fields if field.name != record_types.ID]
    through: dict[str, list[str]] = {}
    for name in mapped:
        if name.lower() not in by_name:
            through.setdefault(written_field(name).lower(), []).append(name)
    rows: list[TargetRow] = []
    for field in sorted(fields, key=_rank):
        rows.append(_target(field))
        rows += [_look_up(name, field) for name in through.pop(field.name.lower(), [])]
    return rows + [_unknown(name) for names in through.values() for name in names]


def _rank(field: SObjField) -> tuple[bool, bool, bool, str]:
    """Sort what has to be filled first, and what cannot be filled last."""
    return bool(locked(field)), not field.required, not (field.external_id or field.name_field), field.name


def _target(field: SObjField) -> TargetRow:
    return TargetRow(
        name=field.name,
        label="" if _bare(field.label) == _bare(field.name) else field.label,
        word=TARGET_WORDS.get(field.type.lower(), field.type),
        family=family_of(field),
        marks=_marks(field),
        required=field.required,
        locked=locked(field),
        help=field.help[:300],
    )


def _bare(name: str) -> str:
    return "".join(name.lower().removesuffix("__c").replace("_", " ").split())


def _marks(field: SObjField) -> list[str]:
    """Return in words what the field demands of its values."""
    values = sum(pick.active for pick in field.picklist)
    told = (
        (field.external_id, "external id"),
        (field.unique and not field.external_id, "unique"),
        (family_of(field) == "text" and field.length > 0, f"≤ {field.length}"),
        (family_of(field) == "number" and field.precision > 0, f"{field.precision},{field.scale}"),
        (values > 0, f"{values} value{'s' if values != 1 else ''}"),
        (bool(field.references) and not values, "to " + ", ".join(field.references[:2])),
    )
    return [words for holds, words in told if holds]


def _look_up(name: str, field: SObjField) -> TargetRow:
    to = ", ".join(field.references[:2]) or "a record"
    return TargetRow(name, f"{field.label or field.name}, by external id", "look-up", "text", [f"to {to}"])


def _unknown(name: str) -> TargetRow:
    return TargetRow(name, "", "not in the org", "text", locked="Salesforce does not know this field")


def types_of(types: Sequence[RecordType]) -> list[dict[str, Any]]:
    """Return the types that records may be given as the page's script wants them, with what they take."""
    return [
        {
            "name": one.name,
            "label": one.called,
            "default": one.default,
            "picklists": {name: list(values) for name, values in (one.picklists or {}).items()},
        }
        for one in record_types.choices(types)
    ]


def look_ups(fields: Iterable[SObjField]) -> dict[str, str]:
    """
    Return by field the relation through which its record can be found by an external id instead.

    A field that leads to records of several objects is left out: Salesforce would have to be told which.
    """
    return {
        one.name: one.relationship
        for one in fields
        if one.relationship and len(one.references) == 1 and not locked(one) and one.name != record_types.ID
    }


def keys_of(reference: SObjField, fields: Iterable[SObjField]) -> list[dict[str, Any]]:
    """Return which of `fields`, of the object that `reference` leads to, find a record, the safest first."""
    found = [one for one in fields if (one.external_id or one.id_lookup) and one.type.lower() != "id"]
    return [
        {
            "field": f"{reference.relationship}.{one.name}",
            "name": one.name,
            "label": "" if _bare(one.label) == _bare(one.name) else one.label,
            "object": reference.references[0],
            "unique": one.unique,
        }
        for one in sorted(found, key=lambda one: (not one.unique, not one.external_id, one.name))
    ]


def fits(sources: Iterable[SrcField], targets: Iterable[SObjField]) -> dict[str, dict[str, list[Any]]]:
    """
    Return by type of source and family of target what there is against it: [0 to 2, why].

    0 fits, 1 fits with a chip, 2 does not. Values that lie in a picklist, or samples that look like numbers,
    are judged for the single pair when it is made.
    """
    families = {family_of(field): field for field in targets if not locked(field)}
    table: dict[str, dict[str, list[Any]]] = {}
    for kind in sorted({field.type for field in sources} | {"object"}):
        likely = SrcField("x.y", kind)
        table[kind] = {
            name: _judged(likely, SObjField(name=field.name, type=field.type, references=field.references))
            for name, field in families.items()
        }
    return table


def _judged(source: SrcField, target: SObjField) -> list[Any]:
    if source.type in ("string", "enum") and family_of(target) not in ("boolean", "whole object"):
        found = fit(SrcField("x.y", "string", samples=("1",)), target)
        return (
            [0, ""]
            if found.fits or family_of(target) in ("number", "date", "datetime")
            else [2, found.reason]
        )
    found = fit(source, target, known={"x.currency"})
    return [0, ""] if found is FITS else [1 if found.fix else 2, found.reason]


def values_of(rows: Iterable[SourceRow], context: Mapping[str, Any]) -> dict[str, str]:
    """Return by path what stands there in `context`, as it is shown; nothing for what is not there."""
    found: dict[str, Any] = {"": context}
    shown = {}
    for row in rows:
        within = found.get(row.parent)
        if not isinstance(within, (Mapping, list)):
            continue  # of thousands of paths most lead nowhere in one event
        value = _read(row, within, context)
        if value is MISSING:
            continue
        found[row.path] = value
        if text := show(value):
            shown[row.path] = text
    return shown


def _read(row: SourceRow, within: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(within, Mapping) and row.name in within:
        return within[row.name]
    try:
        return compile_path(row.path).read(context)  # an element of a list, or a name in quotation marks
    except BadPath:
        return MISSING


def show(value: Any) -> str:
    """Return `value` short, and with secrets masked."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"{len(value)} item{'s' if len(value) != 1 else ''}"
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    if not isinstance(value, str) and not hasattr(value, "real"):
        return ""
    text = redact_text(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
