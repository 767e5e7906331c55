"""
This module ends what still waits for a version that another one has replaced, and that is held.

A run finishes on the version it started with. What holds that version may never be mended: the field is gone
for good, and the version that does without it is live. A person then has the runs done anew by the live
version, or not done at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction

from flows import bulk, holds, signals
from flows.holds import NotHeld
from flows.models import Change, Deployment, Event, Fate, Lane, Run
from integrator.accounts import audit

CHUNK = 200  # runs in one transaction

__all__ = ["NotHeld", "NotReplaced", "carry_over", "discard"]


class NotReplaced(Exception):
    """The version is live, or no other one is."""


def carry_over(*, deployment: Deployment, actor: str, now: datetime) -> int:
    """
    Have the live version do what waits for the held one, with each object read first; return for how many.

    Each is a new run. What people answered is remembered, and what must happen once happens once.

    :raises NotHeld: if the version is not held
    :raises NotReplaced: if no other version is live
    """
    live = _replaced_by(deployment)
    reason = f"Done by version {live.version.number} instead"

    def act(runs: Sequence[Run]) -> None:
        again = [_again(run, live, now) for run in _newest(runs)]
        _end(runs, Fate.SUPERSEDED, reason, now)
        Run.objects.bulk_create(again)
        _tell(deployment, runs, again, Fate.QUEUED, now)
        _audit(deployment, "flow.carried_over", actor, now, runs=len(runs), to=live.version.number)

    return _each_chunk(deployment, act, now)


def discard(*, deployment: Deployment, reason: str, actor: str, now: datetime) -> int:
    """
    Decide that nothing is to be done about what waits for the held version, and return for how many runs.

    :raises NotHeld: if the version is not held
    :raises NotReplaced: if no other version is live
    """
    _replaced_by(deployment)

    def act(runs: Sequence[Run]) -> None:
        _end(runs, Fate.DISCARDED, reason, now)
        _tell(deployment, runs, runs, Fate.DISCARDED, now)
        _audit(deployment, "flow.runs_discarded", actor, now, runs=len(runs), reason=reason)

    return _each_chunk(deployment, act, now)


def _replaced_by(deployment: Deployment) -> Deployment:
    """Return the deployment that is live in place of `deployment`, whose version is held."""
    same = Deployment.objects.filter(flow=deployment.flow_id, pair=deployment.pair_id)
    if not same.filter(version=deployment.version_id, held_since__isnull=False).exists():
        raise NotHeld(f"{deployment.version} is not held. Its runs go on.")
    live = same.filter(ended_at=None).select_related("version").first()
    if live is None or live.version_id == deployment.version_id:
        raise NotReplaced(f"No other version is live in place of {deployment.version}. Deploy one first.")
    return live


def _each_chunk(deployment: Deployment, act: Callable[[Sequence[Run]], None], now: datetime) -> int:
    """Let `act` end the runs that wait, chunk by chunk; return how many. One that is tried now is left."""
    waiting = holds.waiting_runs(deployment)
    rows = list(waiting.order_by("id").values_list("id", "lane"))
    ended = 0
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        with transaction.atomic():
            # Lanes before runs, as everywhere. Nobody can claim a lane that is locked, or close one of ours.
            locked = Lane.objects.filter(id__in={lane for _, lane in chunk}).locked()
            free = [lane for lane, worker in locked.values_list("id", "worker") if worker is None]
            runs = list(waiting.filter(id__in=[run for run, _ in chunk], lane__in=free).order_by("id"))
            if runs:
                act(runs)
                Lane.objects.set_ready(free)
                Event.objects.settle([run.event_id for run in runs])
        ended += len(runs)
    if not waiting.exists():
        holds.let_go(deployment.flow_id, deployment.pair_id, version_id=deployment.version_id, now=now)
    return ended


def _newest(runs: Sequence[Run]) -> list[Run]:
    """Return the last of the runs of each event: one new run does the work of all."""
    return list({(run.event_id, run.subject): run for run in runs}.values())


def _again(run: Run, live: Deployment, now: datetime) -> Run:
    same = Run.objects.filter(flow=run.flow_id, pair=run.pair_id, event=run.event_id, subject=run.subject)
    again = same.latest("replay").again(reason="", now=now)
    again.version_id = live.version_id
    again.memory, again.insisted = run.memory, run.insisted
    return again


def _end(runs: Sequence[Run], fate: Fate, reason: str, now: datetime) -> None:
    done = Run.State.DONE.value
    rows = [(run.id, done, fate.value, bulk.storable(reason)[:500], now, None) for run in runs]
    bulk.update(Run, ("id", "state", "fate", "reason", "finished_at", "next_attempt_at"), rows)


def _tell(
    deployment: Deployment, runs: Sequence[Run], shown: Sequence[Run], fate: Fate, now: datetime
) -> None:
    """Write the Change row, and call a worker once that is committed."""
    names = [run.public_id for run in shown[: Change.MOST_RUNS]]
    environment = deployment.pair.environment_id
    summary = {"fates": {fate.value: len(runs)}, "runs": names}
    Change.objects.record(environment_id=environment, kind="closed", summary=summary, now=now)
    transaction.on_commit(lambda: signals.work_arrived.send(sender=Deployment))


def _audit(deployment: Deployment, action: str, actor: str, now: datetime, **details: object) -> None:
    environment = deployment.pair.environment
    audit.record(
        workspace=environment.workspace,
        actor=actor,
        action=action,
        target=f"{deployment.flow} in {environment}",
        details={"version": deployment.version.number, "reason_held": deployment.held_reason, **details},
        now=now,
    )
