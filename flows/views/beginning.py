"""This module fills in what a new step on the canvas begins with, by what is known of the org."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.schemas import Unavailable
from flows import fields
from flows.designing import beginnings, starting
from flows.designing.edits import Edit
from flows.models import Draft, Pair
from flows.subjects import object_of

USUAL = "external_id__c"


def begun(draft: Draft, changes: Sequence[Edit], pair: Pair | None) -> list[Edit]:
    """Return `changes`, in which steps that are added without settings have those that they begin with."""
    start = starting.of(draft.document)
    kinds = [start.object or start.event] if start.by_salesforce else [object_of(one) for one in start.types]
    roots = list(dict.fromkeys(kind for kind in kinds if kind.isidentifier()))
    return beginnings.filled(draft.document, changes, roots=roots, key_of=lambda name: _key(pair, name))


def _key(pair: Pair | None, name: str) -> str:
    """Return the external id field of an object: its only one, or the one that has the usual name."""
    if pair is None:
        return ""
    try:
        found = [one.name for one in fields.known_target_fields(pair, name) if one.external_id]
    except Unavailable:
        return ""
    usual = [one for one in found if one.lower() == USUAL]
    return next(iter(usual or (found if len(found) == 1 else ())), "")
