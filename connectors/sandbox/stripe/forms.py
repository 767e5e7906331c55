"""This module reads Stripe's form encoding: nested parameters, checked against what an endpoint takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from connectors.sandbox.stripe.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    # name -> kind; "!" at the end means required. Kinds: string, id, integer, boolean, strings, metadata,
    # range, any, "object:a|b" (keys allowed), "objects:a|b" (a list of them), "enum:a|b", unsimulated.
    Spec = Mapping[str, str]
    Values = dict[str, Any]

DEPTH, MOST = 8, 2_000
INTEGER = re.compile(r"-?[0-9]{1,18}")
METADATA_KEYS, METADATA_KEY, METADATA_VALUE = 50, 40, 500


def parse(encoded: bytes) -> dict[str, Any]:
    """
    Return the nested parameters of a query string or body: `a[b][0]=c` is `{"a": {"b": {"0": "c"}}}`.

    :raises ApiError: if two parameters contradict each other
    """
    nested: dict[str, Any] = {}
    pairs = parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True)
    if len(pairs) > MOST:
        raise invalid(f"Too many parameters: {len(pairs)}.")
    for name, value in pairs:
        steps = _steps(name)
        place = nested
        for step in steps[:-1]:
            inner = place.setdefault(_next(place, step), {})
            if not isinstance(inner, dict):
                raise invalid(f"Invalid {steps[0]}: it is both a value and an object.", param=steps[0])
            place = inner
        place[_next(place, steps[-1])] = value
    return nested


def parse_json(encoded: bytes) -> dict[str, Any]:
    """
    Return the parameters in a body of the second API, as forms write them: numbers and lists as well.

    :raises ApiError: 400 if it is no JSON object
    """
    try:
        found = msgspec.json.decode(encoded or b"{}")
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise invalid("The request body is not a JSON object.")
    return {name: _as_form(value) for name, value in found.items() if value is not None}


def _as_form(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_form(item) for name, item in value.items()}
    if isinstance(value, list):
        return {str(place): _as_form(item) for place, item in enumerate(value)}
    return str(value).lower() if isinstance(value, bool) else str(value)


def _steps(name: str) -> list[str]:
    head, *rest = name.split("[")
    steps = [head, *(step.removesuffix("]") for step in rest)]
    if len(steps) > DEPTH:
        raise invalid("The parameters are nested too deeply.", param=head)
    return steps


def _next(place: dict[str, Any], step: str) -> str:
    """`a[]=x&a[]=y` counts by itself."""
    return step or str(len(place))


def check(raw: dict[str, Any], spec: Spec) -> Values:
    """
    Return the typed values of the parameters that were sent.

    :raises ApiError: 400 parameter_unknown, _missing, _invalid_empty, _invalid_integer, and their kind
    """
    kinds = {name: kind.rstrip("!") for name, kind in spec.items()}
    for name in raw:
        if name not in kinds:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
    for name, kind in spec.items():
        if kind.endswith("!") and name not in raw:
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    return {name: _value(name, kinds[name], value) for name, value in raw.items()}


def _value(name: str, kind: str, value: Any) -> Any:
    kind, _, detail = kind.partition(":")
    if kind == "unsimulated":
        raise invalid(f"The sandbox does not simulate `{name}`.", param=name, code="sandbox_unsupported")
    if kind == "any":
        return value
    if kind == "object":
        return _object(name, value, detail.split("|"))
    if kind == "objects":
        return _objects(name, value, detail.split("|"))
    if kind in NESTED:
        return NESTED[kind](name, value)
    if not isinstance(value, str):
        raise invalid(f"Invalid {name}: must be a {kind}", param=name)
    if value == "" and kind != "string":
        raise empty(name)
    return choice(name, value, detail.split("|")) if kind == "enum" else SCALARS[kind](name, value)


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """
    Return a value that is one of the choices; whatever was sent may be nested, or nothing.

    :raises ApiError: 400
    """
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        raise invalid(f"Invalid {name}: must be one of {', '.join(known)}", param=name)
    return value


def empty(name: str) -> Exception:
    """Return the 400 about an empty value where nothing can be unset."""
    return invalid(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
        "parameter; "
        f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a "
        "non-empty value.",
        param=name,
        code="parameter_invalid_empty",
    )


def _text(name: str, value: str) -> str | None:
    """An empty text unsets; a text longer than 5000 characters is refused."""
    if len(value) > 5_000:
        raise invalid(
            f"Invalid string: {value[:10]}...{value[-5:]}; must be at most 5000 characters",
            param=name,
            code="parameter_invalid_string_too_long",
        )
    return value or None


def integer(name: str, value: Any) -> int:
    """
    Return the number that a text is.

    :raises ApiError: 400 parameter_invalid_integer
    """
    if not isinstance(value, str) or not INTEGER.fullmatch(value):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(value)


def boolean(name: str, value: str) -> bool:
    """
    Return the truth value that a text is.

    :raises ApiError: 400
    """
    if value not in {"true", "false"}:
        raise invalid(f"Invalid boolean: {value}", param=name)
    return value == "true"


def _strings(name: str, value: Any) -> list[str]:
    if value == "":
        return []
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise invalid("Invalid array", param=name)
    return list(value.values())


def _object(name: str, value: Any, allowed: list[str]) -> dict[str, Any] | None:
    if value == "":
        return None
    if not isinstance(value, dict):
        raise invalid("Invalid object", param=name)
    for key in value:
        if key not in allowed:
            path = f"{name}[{key}]"
            raise invalid(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
    return value


def _objects(name: str, value: Any, allowed: list[str]) -> list[dict[str, Any]]:
    if value == "":
        return []
    if not isinstance(value, dict):
        raise invalid("Invalid array", param=name)
    return [_object(f"{name}[{place}]", item, allowed) or {} for place, item in value.items()]


def _range(name: str, value: Any) -> dict[str, int]:
    if isinstance(value, str):
        return {"eq": integer(name, value)}
    bounds = _object(name, value, ["gt", "gte", "lt", "lte"]) or {}
    return {bound: integer(f"{name}[{bound}]", moment) for bound, moment in bounds.items()}


def _metadata(name: str, value: Any) -> dict[str, str]:
    """Return the keys to set and, with an empty value, to unset; `{"": ""}` unsets all."""
    if value == "":
        return {"": ""}
    if not isinstance(value, dict):
        raise invalid("Invalid metadata: must be an object", param=name)
    for key, text in value.items():
        path = f"{name}[{key}]"
        if not isinstance(text, str):
            raise invalid("Metadata values must be strings.", param=path)
        if not key or len(key) > METADATA_KEY:
            raise invalid(
                f"Metadata keys can have up to {METADATA_KEY} characters, but you passed in a key that is "
                f"{len(key)} characters. Invalid key: {key}",
                param=name,
            )
        if len(text) > METADATA_VALUE:
            raise invalid(
                f"Metadata values can have up to {METADATA_VALUE} characters, but you passed in a value "
                "that is "
                f"{len(text)} characters. Invalid value: {text}",
                param=path,
            )
    return value


NESTED: dict[str, Callable[[str, Any], Any]] = {"metadata": _metadata, "strings": _strings, "range": _range}
SCALARS: dict[str, Callable[[str, str], Any]] = {
    "boolean": boolean,
    "id": lambda _, value: value,
    "integer": integer,
    "string": _text,
}


def merge_metadata(old: dict[str, str], change: dict[str, str]) -> dict[str, str]:
    """
    Return the metadata after a change.

    :raises ApiError: if more than 50 keys would remain
    """
    if change == {"": ""}:
        return {}
    merged = {key: value for key, value in {**old, **change}.items() if value != ""}
    if len(merged) > METADATA_KEYS:
        raise invalid(f"You can only have up to {METADATA_KEYS} metadata keys.", param="metadata")
    return merged
