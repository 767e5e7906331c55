"""This module adds, removes and moves the elements that a form shows as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flows.designing import shapes
from flows.designing.shapes import Schema, Shapes

MOST_ROWS = 1000
_STEPS = {"up": -1, "down": 1}


class Rows:
    """Which row of a form shows which name of a table, that may have got another name since."""

    def __init__(self, value: Mapping[str, Any], given: Mapping[str, str], name: str) -> None:
        self._places: dict[str, int] = {}
        at = 0
        while at < MOST_ROWS and (was := given.get(f"{name}.{at}.@was")) is not None:
            now = given.get(f"{name}.{at}.@key", was).strip()
            key = was if was in value else now
            self._places.setdefault(key, at)
            at += 1
        if not at:  # a program names rows in the order in which it has seen them
            self._places = {key: place for place, (key, _) in enumerate(shapes.entries(value))}

    def place(self, key: str) -> int | None:
        """Return the row of the name `key`; none if the form does not show it."""
        return self._places.get(key)

    def key(self, place: int) -> str | None:
        """Return the name in the row `place`."""
        return next((key for key, at in self._places.items() if at == place), None)


class _Spot(NamedTuple):
    """A place in settings: what holds it, under which key, and what its schema says."""

    holder: Any
    key: Any
    told: Schema

    @property
    def value(self) -> Any:
        return self.holder[self.key] if isinstance(self.holder, list) else self.holder.get(self.key)


def arranged(
    schema: Schema, settings: dict[str, Any], act: str, name: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """
    Return `settings` after `act`: add an element to the list, table or option called `name`, or remove it, or
    move the element of that name up or down. What is not there changes nothing.

    `given` is the form that the act was sent with; `settings` are changed in place.
    """
    known = Shapes(schema)
    spot = _find(known, schema, settings, name, given)
    if spot is None:
        return settings
    if act == "add":
        _add(known, spot)
    elif act == "remove":
        _remove(spot)
    elif act in _STEPS and isinstance(spot.holder, list):
        other = spot.key + _STEPS[act]
        if 0 <= other < len(spot.holder):
            spot.holder[spot.key], spot.holder[other] = spot.holder[other], spot.holder[spot.key]
    return settings


def _find(
    known: Shapes, schema: Schema, settings: dict[str, Any], name: str, given: Mapping[str, str]
) -> _Spot | None:
    spot: _Spot | None = _Spot({"": settings}, "", schema)
    so_far = ""
    for part in name.split("."):
        if spot is None:
            return None
        if part != "@value":  # what stands beside a name is no place of its own
            spot = _within(known, spot, part, given, so_far)
        so_far = f"{so_far}.{part}".lstrip(".")
    return spot


def _within(known: Shapes, spot: _Spot, part: str, given: Mapping[str, str], so_far: str) -> _Spot | None:
    told = known.core(spot.told)
    value = _settled(spot, told)
    if isinstance(value, list):
        return _Spot(value, int(part), told["items"]) if part.isdecimal() and int(part) < len(value) else None
    if not isinstance(value, dict):
        return None
    values = shapes.table_values(told)
    if values is not None:
        key = Rows(value, given, so_far).key(int(part)) if part.isdecimal() and len(part) < 6 else None
        return None if key is None or key not in value else _Spot(value, key, values)
    variant = known.variants(told)[known.chosen(told, value)]
    inner = variant.get("properties", {}).get(part)
    return None if inner is None else _Spot(value, part, shapes.in_number(inner, value))


def _settled(spot: _Spot, told: Schema) -> Any:
    """Return the value of `spot`, written out in full where the settings say it shorter, or not at all."""
    value = shapes.normal(told, spot.value)
    if told.get("type") == "array":
        value = [value] if isinstance(value, str) else value
        value = list(told.get("default") or ()) if value is None else value
    if value is not spot.value and value != spot.value:
        spot.holder[spot.key] = value
    return value


def _add(known: Shapes, spot: _Spot) -> None:
    told = known.core(spot.told)
    value = _settled(spot, told)
    match known.kind(told, value):
        case "rows" if not value or value[-1] != "":
            spot.holder[spot.key] = [*(value or ()), ""]
        case "list":
            spot.holder[spot.key] = [*(value or ()), known.new(told["items"])]
        case "table":
            spot.holder[spot.key] = {
                **(value or {}),
                "": (value or {}).get("", known.new(shapes.table_values(told) or {})),
            }
        case "option" if value is None:
            spot.holder[spot.key] = known.new(known.inner(told))


def _remove(spot: _Spot) -> None:
    if isinstance(spot.holder, list):
        del spot.holder[spot.key]
    else:
        spot.holder.pop(spot.key, None)
