"""
This module holds flows that cannot work as the org is, and lets them go on when it is mended.

A permission that is missing, or a field that the org no longer has, would fail every run of a flow in the
same way. Its runs wait instead, and now and then a few of them try. What is held is a version: runs of an
older one that cannot work do not hold up the version that mends it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from flows import signals
from flows.models import Change, Deployment, Flow, Lane, Run
from flows.statements import Given, Select
from integrator.accounts import audit
from integrator.accounts.models import Environment

PROBES = 3  # runs that try together, so that one which is at fault itself does not hold the flow for ever
PATIENCE = timedelta(seconds=60)  # how long a try may take before another is made
CHUNK = 500  # runs let go in one transaction

T = TypeVar("T")

_DICE = random.SystemRandom()


class NotHeld(Exception):
    """The flow is not held, or no longer."""


class Gate(Enum):
    """Whether runs of a flow may go on."""

    OPEN = "open"
    PROBE = "probe"  # a few may try
    SHUT = "shut"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a flow stands on a pair just now."""

    gate: Gate
    until: datetime | None = None
    reason: str = ""
    step: str = ""  # the one that met the cause


def standing(version_id: int, pair_id: int, *, now: datetime) -> Standing:
    """Return whether runs may go on; of several workers that ask when a hold is over, one may probe."""
    if _HELD_SINCE.values(version=version_id, pair=pair_id) in ([], [None]):
        return Standing(Gate.OPEN)
    last = _deployments(version_id, pair_id).first()
    if last is None or last.held_since is None:  # it was let go between the two looks
        return Standing(Gate.OPEN)
    if last.take_probe(until=now + PATIENCE, now=now):
        return Standing(Gate.PROBE, now + timedelta(seconds=5), last.held_reason, last.held_step)
    return Standing(Gate.SHUT, last.held_until, last.held_reason, last.held_step)


def _held_since() -> QuerySet[Deployment, Any]:
    last = Deployment.objects.filter(version=Given("version"), pair=Given("pair")).order_by("-id")
    return last.values_list("held_since")[:1]


_HELD_SINCE = Select(_held_since)  # each batch asks, and hardly ever is anything held


def share(runs: Sequence[T], gate: Gate) -> tuple[list[T], list[T]]:
    """
    Return those of `runs` that may go on, and those that wait.

    Chance chooses who tries: the same few, if they are at fault themselves, would hold the flow for ever.
    """
    if gate is Gate.OPEN:
        return list(runs), []
    most = min(PROBES, len(runs)) if gate is Gate.PROBE else 0
    trying = set(_DICE.sample(range(len(runs)), most))
    waiting = [run for place, run in enumerate(runs) if place not in trying]
    return [runs[place] for place in sorted(trying)], waiting


def hold(
    version_id: int, pair_id: int, *, until: datetime, reason: str, now: datetime, step: str = ""
) -> None:
    """Let the runs of a version wait until `until`; `step` is the one that met the cause, if it was one."""
    with transaction.atomic():
        last = _deployments(version_id, pair_id).first()
        if last is not None and last.hold(until=until, reason=reason, step=step, now=now):
            _tell(last, now)


def let_go(flow_id: int, pair_id: int, *, now: datetime, version_id: int | None = None) -> bool:
    """Let the runs of a version, or of all of the flow's, go on at once; return whether any was held."""
    version = {} if version_id is None else {"version": version_id}
    with transaction.atomic():
        held = Deployment.objects.filter(flow=flow_id, pair=pair_id, held_since__isnull=False, **version)
        freed = [one for one in held.select_related("pair") if one.let_go()]
        if not freed:
            return False
        _tell(freed[0], now)
    waiting = Run.objects.filter(
        flow=flow_id, pair=pair_id, state=Run.State.READY, next_attempt_at__gt=now, **version
    )
    while make_due(waiting, now=now):
        pass
    return True


def try_now(*, deployment: Deployment, actor: str, now: datetime) -> Deployment:
    """
    Let the runs of a held version go on at once, because a person has mended the cause.

    If the cause is still there, the first runs that meet it hold the version again.

    :raises NotHeld: if it is not held
    """
    with transaction.atomic():
        locked = Deployment.objects.select_for_update(of=("self",)).get(pk=deployment.pk)
        if locked.held_since is None:
            raise NotHeld(f"{locked.flow} is not held. Its runs go on.")
        audit.record(
            workspace=locked.pair.environment.workspace,
            actor=actor,
            action="flow.tried",
            target=f"{locked.flow} in {locked.pair.environment}",
            details={
                "version": locked.version.number,
                "since": locked.held_since,
                "reason": locked.held_reason,
            },
            now=now,
        )
    let_go(locked.flow_id, locked.pair_id, now=now, version_id=locked.version_id)
    signals.work_arrived.send(sender=Deployment)
    locked.refresh_from_db(fields=["held_since", "held_until", "held_reason"])
    return locked


def held(flows: Iterable[Flow], environment: Environment) -> QuerySet[Deployment]:
    """Return what of `flows` is held in `environment`, versions that are live no longer included."""
    found = Deployment.objects.filter(flow__in=list(flows), pair__environment=environment)
    with_all = found.select_related("flow", "version", "pair__environment")
    return with_all.filter(held_since__isnull=False).order_by("flow__name", "-id")


def waiting_runs(deployment: Deployment) -> QuerySet[Run]:
    """Return the runs of the version and pair of `deployment` that are not through yet."""
    unfinished = (Run.State.READY, Run.State.RETRYING)
    return Run.objects.filter(
        flow=deployment.flow_id, pair=deployment.pair_id, version=deployment.version_id, state__in=unfinished
    )


def _deployments(version_id: int, pair_id: int) -> QuerySet[Deployment]:
    """Return the deployments of a version on a pair, the last first; the last tells how its runs stand."""
    mine = Deployment.objects.filter(version=version_id, pair=pair_id)
    return mine.select_related("pair").order_by("-id")


def make_due(waiting: QuerySet[Run], *, now: datetime) -> int:
    """Make a chunk of the waiting runs due, and return how many that were."""
    rows: Sequence[tuple[int, int]] = list(waiting.values_list("id", "lane")[:CHUNK])
    with transaction.atomic():
        # Lanes are locked before their runs change, as everywhere, so that a closing worker sees the change.
        lanes = Lane.objects.filter(id__in={lane for _, lane in rows})
        held = list(lanes.locked().values_list("id", flat=True))
        waiting.filter(id__in=[run for run, _ in rows]).update(next_attempt_at=now)
        Lane.objects.set_ready(held)
    return len(rows)


def _tell(live: Deployment, now: datetime) -> None:
    summary = {"flow": live.flow_id, "held": live.held_since is not None}
    Change.objects.record(
        environment_id=live.pair.environment_id, kind="deployment", summary=summary, now=now
    )
