"""This module accepts suggested lines together: they are one change of the draft, and each is remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flows import designer, suggesting
from flows.designing import edits
from flows.models import Draft

MOST = edits.MOST_AT_ONCE


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggested line, and the path for whose sake it was suggested."""

    path: str
    line: Mapping[str, Any]

    @property
    def field(self) -> str:
        """Return the field that the line fills."""
        return str(self.line.get("field", ""))


def accept(
    *,
    draft: Draft,
    step: str,
    offers: Sequence[Offer],
    revision: int,
    actor: str,
    now: datetime,
    key: str = "",
    made: Collection[str] = (),
) -> Draft:
    """
    Make lines of `offers` in a map step, all or none, and return the draft as it is then.

    They are one change to take back; that each was accepted stays remembered. `revision`, `key` and
    `made` are as for `designer.apply`.

    :raises flows.designer.Conflict: if somebody changed one of the fields after `revision`
    :raises flows.designing.edits.InvalidEdit: if there are none, or more than `MOST`
    :raises flows.designing.tree.Refused: if the draft cannot take one of them
    :raises flows.suggesting.NotALine: if one names no path or no field
    :raises flows.suggesting.NoSuchStep: if there is no such map step
    """
    wanted = edits.read([{"edit": "set_line", "step": step, "line": dict(one.line)} for one in offers])
    with transaction.atomic():
        changed = designer.apply(draft, wanted, revision=revision, actor=actor, now=now, key=key, made=made)
        target = suggesting.target_of(changed.document, step)
        for one in offers:
            suggesting.decide(
                workspace=draft.flow.integration.workspace,
                target=target,
                path=one.path,
                field=one.field,
                accepted=True,
                actor=actor,
                now=now,
            )
    return changed
