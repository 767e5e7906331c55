"""
This module says of which objects an org tells the changes, by the list of all that it has.

Every custom object has change events, and some of Salesforce's own; the list names an event of each:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_associated_objects_change_event.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_EVENT = re.compile(r"(?P<name>.+?)(?P<custom>__)?ChangeEvent")
CUSTOM = "__c"


def event_of(name: str) -> str:
    """Return the name of the change events of an object, such as AccountChangeEvent."""
    return f"{name.removesuffix('c') if name.endswith(CUSTOM) else name}ChangeEvent"


def is_event(name: str) -> bool:
    """Tell whether a name of the list is that of change events, of which no record can be had."""
    return _EVENT.fullmatch(name) is not None


def of_list(objects: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the objects whose changes are told, in small letters; None if the list names no such event."""
    found = (_EVENT.fullmatch(str(one.get("name", ""))) for one in objects)
    names = [f"{one['name']}{CUSTOM if one['custom'] else ''}".lower() for one in found if one is not None]
    return frozenset(names) or None


def told(name: str, known: frozenset[str] | None) -> bool | None:
    """Tell whether the changes of an object are told; None if that cannot be known."""
    if name.endswith("__e") or is_event(name):
        return False
    if known is None:
        return True if name.endswith(CUSTOM) else None
    return name.lower() in known
