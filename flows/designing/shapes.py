"""This module says what a part of a JSON Schema is drawn as, and which variant of it a value is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flows.mapping.widgets import FORM

Schema = Mapping[str, Any]

LEAVES = frozenset({"line", "text", "number", "check", "choice", "scalar"})
_LONG = 160  # characters for which a line is too short
_DEEPEST = 6  # lists within each other that a new element is filled for
_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})
_SIMPLE = {"integer": "number", "boolean": "check", "number": "scalar"}


class Shapes:
    """The parts of one schema, `root`, which holds the definitions that its parts refer to."""

    def __init__(self, root: Schema) -> None:
        self.root = root

    def core(self, told: Schema) -> Schema:
        """Return `told` with what it refers to; of what may be null instead, what it is otherwise."""
        options_ = told.get("anyOf", ())
        rest = [part for part in options_ if part.get("type") != "null"]
        if len(rest) == 1 and len(options_) > 1:
            return {**told, **self._resolved(rest[0]), **_said(told)}
        return self._resolved(told)

    def _resolved(self, told: Schema) -> Schema:
        if "$ref" not in told:
            return told
        found = self.root.get("$defs", {}).get(str(told["$ref"]).rpartition("/")[2], {})
        return {**found, **_said(told)}

    def variants(self, told: Schema) -> list[Schema]:
        """Return what `told` may be: one for each member of a union, without null."""
        members = told.get("oneOf") or told.get("anyOf")
        if not members:
            return [self._resolved(told)]
        found = [self.core(one) for one in members if one.get("type") != "null"]
        return [inner for one in found for inner in (self.variants(one) if "oneOf" in one else [one])]

    def inner(self, told: Schema) -> Schema:
        """Return what an optional part is once it is there."""
        found = self.variants(told)
        return {**(found[0] if len(found) == 1 else {"oneOf": found}), **_said(told)}

    # What it is drawn as

    def kind(self, told: Schema, value: Any) -> str:
        """Return what a part is drawn as; a value of another shape than it has to have is shown as JSON."""
        kind = self._kind(self.core(told))
        return kind if value is None or kind == "json" or _SHAPES[kind](value) else "json"

    def _kind(self, told: Schema) -> str:
        if options(told):
            return "choice"
        match told.get("type"):
            case "string":
                return "text" if told.get("maxLength", 0) > _LONG else "line"
            case "integer" | "boolean" | "number" as simple:
                return _SIMPLE[simple]
            case "array" if form_of(told).get("ticked"):
                return "ticks"
            case "array":
                return "rows" if self._kind(self.core(told["items"])) in LEAVES else "list"
            case "object" if table_values(told) is not None:
                return "table"
        return "scalar" if _is_scalar(told) else self._kind_of_objects(told)

    def _kind_of_objects(self, told: Schema) -> str:
        found = self.variants(told)
        if not any("properties" in one for one in found):
            return "json"
        if any(part.get("type") == "null" for part in told.get("anyOf", ())):
            return "option"
        return "union" if len(found) > 1 else "group"

    # Unions

    def named(self, told: Schema) -> str:
        """Return the property that tells the variants of a union apart, such as `kind`; empty: none does."""
        found = self.variants(told)
        common = set.intersection(*(set(one.get("properties", ())) for one in found))
        for name in sorted(common) if len(found) > 1 else ():
            words = [[word for word, _ in options(one["properties"][name])] for one in found]
            flat = [word for some in words for word in some]
            if all(words) and len(set(flat)) == len(flat):
                return str(name)
        return ""

    def chosen(self, told: Schema, value: Any) -> int:
        """Return which variant of a union `value` is of; the first where it says none."""
        found, name = self.variants(told), self.named(told)
        places: list[int] = []
        if not isinstance(value, Mapping):
            places = [place for place, one in enumerate(found) if _is_word(one, value)]
        elif name:
            word = value.get(name)
            places = [place for place, one in enumerate(found) if _is_word(one["properties"][name], word)]
        else:
            fits = [sum(part in one.get("properties", ()) for part in value) for one in found]
            objects = [place for place, one in enumerate(found) if "properties" in one]
            places = sorted(objects, key=lambda place: (-fits[place], place))
        return places[0] if places else 0

    def carried(self, told: Schema, value: Any, to: int) -> Any:
        """Return `value` as the variant `to` of a union has it, with what the two have in common."""
        found = self.variants(told)
        new, old = found[to], found[self.chosen(told, value)]
        first = self.new(new)
        if "properties" not in new or not isinstance(value, Mapping) or not value:
            return first
        kept = {name: part for name, part in value.items() if name in new["properties"]}
        into, out = _only_list(new), _only_list(old)
        if into and not kept:
            kept = {into: value.get(out) if out else [dict(value)]}
        elif out and not kept:
            elements = value.get(out)
            one = elements[0] if isinstance(elements, list) and elements else {}
            kept = {name: one[name] for name in new["properties"] if isinstance(one, Mapping) and name in one}
        return {**first, **kept}

    # Elements

    def new(self, told: Schema, deep: int = 0) -> Any:
        """Return what an element begins with: what has to be chosen is, lists have their first element."""
        first = self.variants(self.core(told))[0]
        if "properties" not in first:
            kind = self._kind(first if len(self.variants(told)) == 1 else self.core(told))
            return options(first)[0][0] if kind == "choice" else _EMPTY.get(kind)
        made: dict[str, Any] = {}
        for name in first.get("required", ()):
            part = self.core(first["properties"][name])
            if options(part):
                made[name] = options(part)[0][0]
            elif deep < _DEEPEST and self._kind(part) == "list":
                made[name] = [self.new(part["items"], deep + 1)]
        return made


_EMPTY: Mapping[str, Any] = {"line": "", "text": "", "scalar": "", "rows": [], "list": [], "table": {}}


def empty(told: Schema) -> Any:
    """Return the value that says that a part is chosen, and nothing is in it yet."""
    kinds = {"array": [], "object": {}, "integer": int(told.get("minimum", 0)), "boolean": False}
    return kinds.get(str(told.get("type")), "")


def _said(told: Schema) -> dict[str, Any]:
    return {name: told[name] for name in ("description", "default", FORM) if name in told}


def form_of(told: Schema) -> Mapping[str, Any]:
    """Return what the schema says of how the part is shown."""
    found = told.get(FORM)
    return found if isinstance(found, Mapping) else {}


def options(told: Schema) -> list[tuple[str, str]]:
    """Return the words that may be chosen, with what each is called."""
    words = told.get("enum") or ([told["const"]] if "const" in told else [])
    called = form_of(told).get("words", {})
    return [(str(word), str(called.get(word) or str(word).replace("_", " ").capitalize())) for word in words]


def table_values(told: Schema) -> Schema | None:
    """Return what the values of names are, where a part is a table of names and values."""
    if isinstance(told.get("additionalProperties"), Mapping):
        return dict(told["additionalProperties"])
    return next(iter(told.get("patternProperties", {}).values()), None)


def entries(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return names with their values as rows, the one that has no name yet last: databases reorder them."""
    return sorted(value.items(), key=lambda pair: pair[0] == "")


def normal(told: Schema, value: Any) -> Any:
    """Return `value` as an object, where a text or a list may stand for one."""
    plain = form_of(told).get("plain")
    return {plain: value} if plain and isinstance(value, (str, list)) else value


def is_left_out(told: Schema, beside: Mapping[str, Any]) -> bool:
    """Tell whether a part has no meaning with the settings `beside` it."""
    return _holds(form_of(told).get("unless", {}), beside)


def in_number(told: Schema, beside: Mapping[str, Any]) -> Schema:
    """Return `told` as one value or as a list of them, by what stands `beside` it."""
    rule = form_of(told).get("several_if")
    if not rule:
        return told
    one = {"anyOf": [part for part in told.get("anyOf", ()) if part.get("type") in _SCALARS], **_said(told)}
    return {**_said(told), "type": "array", "items": {"anyOf": one["anyOf"]}} if _holds(rule, beside) else one


def as_many(told: Schema, value: Any) -> Any:
    """Return `value` as one or as a list of them, as `in_number` told."""
    if value is None or not form_of(told).get("several_if"):
        return value
    if told.get("type") == "array":
        return value if isinstance(value, list) else [value]
    return next(iter(value), None) if isinstance(value, list) else value


def _holds(rule: Mapping[str, Sequence[str]], beside: Mapping[str, Any]) -> bool:
    return any(beside.get(name) in values for name, values in rule.items())


def _is_word(told: Schema, value: Any) -> bool:
    return any(word == value for word, _ in options(told))


def _only_list(told: Schema) -> str:
    """Return the name of the only part of an object, if that is a list."""
    parts = told.get("properties", {})
    name = next(iter(parts), "")
    return name if len(parts) == 1 and parts[name].get("type") == "array" else ""


def _is_scalar(told: Schema) -> bool:
    types = [part.get("type") for part in told.get("anyOf", ())]
    return bool(types) and all(one in _SCALARS for one in types)


def _all(value: Any, *kinds: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kinds) for one in value)


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "line": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "choice": lambda value: isinstance(value, str),
    "number": lambda value: type(value) is int,
    "check": lambda value: isinstance(value, bool),
    "rows": lambda value: isinstance(value, str) or _all(value, str, int, float, bool, type(None)),
    "ticks": lambda value: _all(value, str),
    "scalar": lambda value: not isinstance(value, (dict, list)),
    "list": lambda value: _all(value, dict),
    "table": lambda value: isinstance(value, dict),
    "group": lambda value: isinstance(value, dict),
    "option": lambda value: isinstance(value, dict),
    "union": lambda value: isinstance(value, (dict, str)),
}
