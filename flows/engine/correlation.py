"""This module says which event a run waits for, and by what it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from connectors.salesforce.ids import as_18

SHORT = 15  # characters of an id of Salesforce as people copy it from an address; programs have 18


class Awaited(msgspec.Struct, frozen=True):
    """
    An event that a run waits for: one of `types`, whose object has the value with this `key` at `path`.

    It counts if it was received from `since` on; at `until` the waiting is over.
    """

    slot: str
    types: tuple[str, ...]
    path: str
    key: str
    since: datetime
    until: datetime


class KeptWait(msgspec.Struct, frozen=True):
    """How a run's waiting for an event stands; the closing transaction keeps it."""

    step: str  # with the element of a list, see `Item.key`
    connection_id: int
    awaited: Awaited
    looked: bool = False  # what came before the wait was kept has been looked at
    event_id: int | None = None  # the inbox row of what came
    over: bool = False


def key_of(value: Any) -> str:
    """
    Return the key of a value by which an event is known; empty for one that can name nothing.

    A key is a fingerprint, because the value may be an address or a name, and is only ever compared. An
    object that stands in the place of its id is known by that.
    """
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return ""
    return hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()


def keys_of(value: Any) -> set[str]:
    """Return every key under which somebody may wait for `value`: an id of Salesforce has two lengths."""
    return {key_of(form) for form in (value, _in_the_other_length(value))} - {""}


def _in_the_other_length(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    try:
        whole = as_18(value)
    except ValueError:
        return ""
    if len(value) == SHORT:
        return whole
    return value[:SHORT] if whole == value else ""
