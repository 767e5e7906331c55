"""
This module keeps the exchange rates of a workspace, and lets the runs go on that waited for them.

A rate that is there is never changed silently: replacing it takes a reason, and the audit trail keeps both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from flows import signals
from flows.models import ExchangeRate, Lane, Run
from flows.rate_lines import Given, Line, Unacceptable, checked
from flows.steps.convert import NO_RATE
from integrator.accounts import audit
from integrator.accounts.models import Workspace
from integrator.kernel.texts import storable

__all__ = ["Kept", "ReasonNeeded", "Unacceptable", "keep", "plain"]

CHUNK = 500  # runs made due in one transaction, and rates named by one entry of the audit trail
MOST_PAIRS = 40  # of currencies whose waiting runs are told apart


class ReasonNeeded(Exception):
    """Some of the rates are there with another value; replacing them takes a reason."""

    def __init__(self, names: Sequence[str]) -> None:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        verb = "is there with another value" if len(names) == 1 else "are there with other values"
        super().__init__(f"{shown} {verb}. Say why to replace {'it' if len(names) == 1 else 'them'}.")


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the rates that were given."""

    added: int
    replaced: int
    unchanged: int


# Keeping


def keep(
    *, workspace: Workspace, given: Sequence[Given], actor: str, now: datetime, reason: str = ""
) -> Kept:
    """
    Add the rates, all or none, and let the runs go on that waited for them.

    A rate that is there as it is given stays as it is.

    :raises Unacceptable: if any line cannot be taken
    :raises ReasonNeeded: if one is there with another value or source, and no reason is given
    """
    lines = checked(given, today=now.astimezone(UTC).date())
    reason = storable(reason).strip()
    with transaction.atomic():
        # The lock that the audit trail takes too: of two people who add rates, the second sees the first's.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        known = _known(workspace, lines)
        added = [line for line in lines if line.key not in known]
        other = [line for line in lines if line.key in known and _differs(line, known[line.key])]
        if other and not reason:
            raise ReasonNeeded([_name(line) for line in other])
        _write(workspace, [*added, *other], actor, now)
        _audit(workspace, actor, now, "rate.added", [_told(line) for line in added])
        changes = [f"{_told(line)}, before {_as_it_was(known[line.key])}" for line in other]
        _audit(workspace, actor, now, "rate.replaced", changes, reason=reason)
    _let_go_on(workspace, {(line.base, line.quote) for line in [*added, *other]}, now)
    return Kept(len(added), len(other), len(lines) - len(added) - len(other))


def _known(workspace: Workspace, lines: Sequence[Line]) -> dict[tuple[str, str, date], ExchangeRate]:
    if not lines:
        return {}
    days = [line.day for line in lines]
    rows = ExchangeRate.objects.filter(workspace=workspace, day__range=(min(days), max(days)))
    rows = rows.filter(base__in={line.base for line in lines}, quote__in={line.quote for line in lines})
    return {(row.base, row.quote, row.day): row for row in rows}


def _differs(line: Line, row: ExchangeRate) -> bool:
    return (line.rate, line.source) != (row.rate, row.source)


def _write(workspace: Workspace, lines: Sequence[Line], actor: str, now: datetime) -> None:
    rows = [
        ExchangeRate(
            workspace=workspace,
            base=line.base,
            quote=line.quote,
            day=line.day,
            rate=line.rate,
            source=line.source,
            entered_at=now,
            entered_by=actor,
        )
        for line in lines
    ]
    ExchangeRate.objects.bulk_create(
        rows,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["workspace", "base", "quote", "day"],
        update_fields=["rate", "source", "entered_at", "entered_by"],
    )


def _name(line: Line | ExchangeRate) -> str:
    return f"{line.base}/{line.quote} of {line.day}"


def plain(rate: Decimal) -> str:
    """Write a rate without the zeros behind it that say nothing."""
    return f"{rate.normalize():f}"


def _told(line: Line) -> str:
    return f"{_name(line)}: {plain(line.rate)} ({line.source})"


def _as_it_was(row: ExchangeRate) -> str:
    return f"{plain(row.rate)} ({row.source}, entered by {row.entered_by})"


def _audit(
    workspace: Workspace, actor: str, now: datetime, action: str, told: Sequence[str], **details: str
) -> None:
    for start in range(0, len(told), CHUNK):
        part = told[start : start + CHUNK]
        audit.record(
            workspace=workspace,
            actor=actor,
            action=action,
            target=part[0].partition(": ")[0] if len(part) == 1 else f"{len(part)} exchange rates",
            details={"rates": part, **details},
            now=now,
        )


# Letting runs go on


def _let_go_on(workspace: Workspace, pairs: set[tuple[str, str]], now: datetime) -> None:
    """Make the runs due that wait for a rate of one of these pairs of currencies."""
    if not pairs:
        return
    wanted = Q()
    begins = [f"{NO_RATE}{base} to {quote} " for base, quote in sorted(pairs)]
    for begin in begins if len(begins) <= MOST_PAIRS else [NO_RATE]:
        wanted |= Q(reason__startswith=begin)
    waiting = Run.objects.filter(
        wanted,
        pair__environment__workspace=workspace,
        state=Run.State.READY,
        next_attempt_at__gt=now,
    )
    freed = False
    while rows := list(waiting.values_list("id", "lane")[:CHUNK]):
        freed = True
        with transaction.atomic():
            # Lanes are locked before their runs change, as everywhere, so that a closing worker sees it.
            lanes = Lane.objects.filter(id__in={lane for _, lane in rows})
            held = list(lanes.locked().values_list("id", flat=True))
            waiting.filter(id__in=[run for run, _ in rows]).update(next_attempt_at=now)
            Lane.objects.set_ready(held)
    if freed:
        signals.work_arrived.send(sender=ExchangeRate)
