"""This module attaches to runs what was changed for them, and finds it when a worker takes them up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from flows.engine.edits import Edit
from flows.mapping.mending import Fix, Fixes, by_field
from flows.models import DeadLetter, FlowVersion, Mending, Run
from flows.steps import mendable
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


def fitting(fix: Fix, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Return those of `letters` whose run, by its own version, wrote the very field that `fix` is about."""
    with_runs = [(letter, letter.run) for letter in letters if letter.run is not None]
    versions = FlowVersion.objects.in_bulk({run.version_id for _, run in with_runs})
    return [
        letter
        for letter, run in with_runs
        if mendable.fits(versions[run.version_id].document, fix, failed=letter.step)
    ]


def last_value(run: Run, step: str, field: str) -> Any:
    """Return what the newest try was to write, or had read where the line itself failed; None: not known."""
    attempt = run.tries.order_by("-id").first()
    if attempt is None:
        return None
    try:
        entries = json.loads(vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}"))
    except (vault.Unreadable, ValueError):
        return None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("step") == step:
            told = entry.get("output") if entry.get("output") is not None else entry.get("input")
            return told.get(field) if isinstance(told, dict) else None
    return None


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
