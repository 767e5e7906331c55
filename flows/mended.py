"""This module attaches to runs what was changed for them, and finds it when a worker takes them up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from flows.engine.edits import Edit
from flows.mapping.mending import Fix, Fixes, by_field
from flows.models import Mending, Run
from integrator import vault


@dataclass(frozen=True, slots=True)
class Mended:
    """What holds for one run: fixes by the map step whose record they change, and edits of its object."""

    fixes: dict[str, Fixes] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()


NOTHING = Mended()


def attach(
    run_ids: Sequence[int],
    what: Edit | Fix,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    saved_fix_id: int | None = None,
) -> None:
    """Let `what` hold for these runs from their next try on, in the caller's transaction."""
    Mending.objects.bulk_create(
        Mending.of(run, what, actor=actor, now=now, reason=reason, saved_fix_id=saved_fix_id)
        for run in run_ids
    )
    Run.objects.filter(pk__in=run_ids).update(mended=True)


def of(run_ids: Iterable[int]) -> dict[int, Mended]:
    """
    Return what holds for each of these runs, of which each has something.

    :raises vault.Unreadable: if the key of any of it is lost
    """
    found: dict[int, list[Edit | Fix]] = {}
    for row in Mending.objects.filter(run__in=list(run_ids)).order_by("id"):
        found.setdefault(row.run_id, []).append(row.what)
    return {run: _together(several) for run, several in found.items()}


def _together(several: Sequence[Edit | Fix]) -> Mended:
    by_step: dict[str, list[Fix]] = {}
    for one in several:
        if isinstance(one, Fix):
            by_step.setdefault(one.step, []).append(one)
    edits = [one for one in several if isinstance(one, Edit)]
    # Each edit is told against the event as it came, those before it included, so that the last one holds.
    return Mended({step: by_field(fixes) for step, fixes in by_step.items()}, tuple(edits[-1:]))


def sealed(fix: Fix, *, environment_id: int) -> bytes:
    """Return `fix` as a retry of a whole cause keeps it for its letters."""
    return vault.seal(msgspec.json.encode(fix), owner=f"retry:{environment_id}")


def unsealed(sealed_fix: bytes, *, environment_id: int) -> Fix | None:
    """
    Return the fix that a retry keeps, if it has any.

    :raises vault.Unreadable: if its key is lost
    """
    if not sealed_fix:
        return None
    opened = vault.unseal(sealed_fix, owner=f"retry:{environment_id}")
    return msgspec.json.decode(opened, type=Fix)
