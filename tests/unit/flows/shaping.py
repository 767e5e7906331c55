"""This module makes settings of every shape that a JSON Schema allows, finished or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8)
# What forms write in a way of its own: texts that look like something else, blanks, signs of markup.
TRICKY = st.sampled_from(["1", "true", "null", ' "a" ', "a.b[0]", "<b>\"'&", "{charge.id}", "a,b", "0049"])
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS | TRICKY,
    "integer": st.integers(-(10**12), 10**12),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "null": st.none(),
}


def settings_of(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return settings that have the shape that `schema` tells, of which any part may be missing."""
    return _of(schema, schema)


def _of(told: Mapping[str, Any], root: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in told:
        name = str(told["$ref"]).rpartition("/")[2]
        return st.deferred(lambda: _of(root["$defs"][name], root))
    if members := told.get("oneOf") or told.get("anyOf"):
        return st.one_of([_of(one, root) for one in members])
    if "const" in told or "enum" in told:
        return st.sampled_from(told.get("enum") or [told["const"]])
    match told.get("type"):
        case "array":
            return st.lists(_of(told["items"], root), max_size=3)
        case "object":
            return _object(told, root)
    return SCALARS[told["type"]]


def _object(told: Mapping[str, Any], root: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    values = next(iter(told.get("patternProperties", {}).values()), told.get("additionalProperties"))
    if values:
        names = SCALARS["string"].filter(lambda name: name == name.strip())
        return st.dictionaries(names, _of(values, root), max_size=3)
    parts = {name: _of(part, root) for name, part in told.get("properties", {}).items()}
    always = {name: parts.pop(name) for name in ("kind", "chip") if name in parts}
    return st.fixed_dictionaries(always, optional=parts)
