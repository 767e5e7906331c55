"""
This module does a single run once more as a person asks for it, or ends one that has not ended.

A retry begins at the top and reads its object first, so that it never writes an older state over a newer one;
or it goes on at the step that failed, where `flows.resuming` says that this is as safe.
What must happen once is recorded whatever the run and its version, so it is not done a second time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.db import models, transaction

from flows import deadletters, mended, resuming, reviews, signals
from flows.engine.edits import Edit
from flows.mapping.mending import Fix
from flows.models import (
    AwaitedEvent,
    Change,
    DeadLetter,
    Deployment,
    Event,
    Fate,
    FlowVersion,
    Lane,
    Mending,
    Review,
    Run,
)
from flows.steps import mendable
from integrator import vault
from integrator.accounts import audit

__all__ = [
    "FAILED_STEP",
    "OWN",
    "TOP",
    "Busy",
    "Choice",
    "NotPossible",
    "Start",
    "can_be_hastened",
    "cancel",
    "live_version",
    "retry",
]

Choice = Literal["own", "live"]  # the version that the run had, or the one that is live now
OWN: Choice = "own"
Start = Literal["start", "failed_step"]  # from where it is done
TOP: Start = "start"
FAILED_STEP: Start = "failed_step"

AGAIN = "Done once more, as a person asked"
_IN_WORK = "A worker is trying it at this moment, and its calls cannot be taken back. Ask again in a moment."

_UNKNOWN = 0


class Busy(Exception):
    """A worker is at it, so that nobody else may touch it."""


class NotPossible(Exception):
    """It is in a state in which this cannot be done; the words say which."""


def live_version(run: Run) -> Deployment | None:
    """Return which version of the run's flow is live for its pair, if one is and the flow is switched on."""
    live = Deployment.objects.filter(flow=run.flow_id, pair=run.pair_id, ended_at=None, enabled=True)
    return live.select_related("version").first()


def can_be_hastened(run: Run, now: datetime) -> bool:
    """Tell whether a run comes to its turn later than `now` by itself."""
    waits = run.next_attempt_at is not None and run.next_attempt_at > now
    return run.state == Run.State.RETRYING or (run.state == Run.State.READY and waits)


def retry(*, run: Run, version: Choice = OWN, start: Start = TOP, actor: str, now: datetime) -> Run:
    """
    Do what `run` is for once more, by its own version or the live one, and return the run that does it.

    A run that has not come to its end by its own version goes on as the same run; otherwise it is a new one.
    From the failed step only its own version does it, see `flows.resuming`.

    :raises Busy: if a worker is trying it now
    :raises NotPossible: if it waits for a person, is queued already, nothing is left to do it from, or it
        cannot go on at the failed step
    """
    with transaction.atomic():
        locked = _locked(run)
        _check_retry(locked)
        if start == FAILED_STEP:
            return _from_failed_step(locked, version, actor, now)
        live = _live(locked) if version == "live" else None
        letter = DeadLetter.objects.unresolved().filter(run=locked).select_for_update(of=("self",)).first()
        if live is not None and live.version_id != locked.version_id:
            doing = _by_live(locked, letter, live, actor, now)
        elif locked.state == Run.State.DONE:
            doing = _anew(locked, locked.version_id, now)
        elif letter is not None:  # which is told, and stands in the audit trail, as a letter that is retried
            deadletters.retry(letter=letter, actor=actor, now=now)
            locked.refresh_from_db()
            return locked
        else:
            doing = _at_once(locked, now)
        _audit("run.retried", locked, actor, now, by=doing.public_id, version=doing.version.number)
    return doing


def _from_failed_step(run: Run, version: Choice, actor: str, now: datetime) -> Run:
    if version != OWN:
        raise NotPossible(
            "What the earlier steps found belongs to the version that the run had. Another one does it whole."
        )
    offer = resuming.offer(run, now)
    if not offer.possible:
        raise NotPossible(offer.reason)
    letter = DeadLetter.objects.unresolved().filter(run=run).select_for_update(of=("self",)).first()
    if letter is None:
        raise NotPossible("Its dead letter was closed meanwhile.")
    deadletters.retry(letter=letter, actor=actor, now=now, goes_on_from=offer.attempt)
    run.refresh_from_db()
    return run


def cancel(*, run: Run, reason: str, actor: str, now: datetime) -> Run:
    """
    End a run that has not ended, without doing the rest of what it is for; return it.

    What it has done already stays done. If it asks a person something, its question is closed with it.

    :raises Busy: if a worker is trying it now
    :raises NotPossible: if it has ended, or is in the dead letters
    """
    with transaction.atomic():
        locked = _locked(run)
        if locked.state == Run.State.DONE:
            raise NotPossible("It has ended already. There is nothing to cancel.")
        if locked.state == Run.State.DEAD:
            raise NotPossible("It gave up already. Retry it, or discard its dead letter.")
        told = f"Cancelled: {reason}"
        asked = Review.objects.open().filter(run=locked).first()
        if asked is None:
            _wait_no_more(locked)
            locked.discard(reason=told, now=now)
            _settle(locked, locked, Fate.DISCARDED, now)
            _audit("run.cancelled", locked, actor, now, reason=reason)
            return locked
    return _with_its_question(locked, asked, told, actor, now)


def _with_its_question(run: Run, asked: Review, told: str, actor: str, now: datetime) -> Run:
    """
    Close the question and end its run, which stands in the audit trail as the end of the question.

    It is no part of another transaction: what else waits for the answer is locked after it.
    """
    try:
        reviews.discard(review=asked, reason=told, actor=actor, now=now)
    except reviews.AlreadyHandled:
        raise Busy("Its question was answered at this moment. Ask again.") from None
    _wait_no_more(run)
    run.refresh_from_db(fields=["state", "fate", "reason", "finished_at", "next_attempt_at"])
    return run


def _locked(run: Run) -> Run:
    """
    Return the run with the lanes of its event's runs locked before it, as a closing worker does.

    :raises Busy: if a worker holds its lane, and may be in the middle of it
    """
    lanes = _same(run).values("lane")
    held = dict(Lane.objects.filter(id__in=lanes).locked().values_list("id", "worker"))
    known = Run.objects.select_related("flow", "version", "event", "pair__environment__workspace")
    locked = known.select_for_update(of=("self",)).get(pk=run.pk)
    # It may have come to another lane while this one was waited for.
    if locked.state in Run.UNFINISHED and held.get(locked.lane_id, _UNKNOWN) is not None:
        raise Busy(_IN_WORK)
    return locked


def _same(run: Run) -> models.QuerySet[Run]:
    """Return every run of the event by the flow, about the same record."""
    return Run.objects.filter(flow=run.flow_id, pair=run.pair_id, event=run.event_id, subject=run.subject)


def _check_retry(run: Run) -> None:
    if run.state == Run.State.WAITING:
        raise NotPossible("It waits for a person. Answer its question, or cancel the run.")
    if run.event.purged_at is not None:
        raise NotPossible("The content of its event was deleted when its time was over.")
    going = _same(run).filter(state__in=Run.UNFINISHED).exclude(pk=run.pk).first()
    if going is not None:
        raise NotPossible(f"It is being done again already, by the run {going.public_id}.")


def _live(run: Run) -> Deployment:
    found = live_version(run)
    if found is None:
        raise NotPossible(
            "No version of the flow is live here, or it is switched off. Deploy one, switch it on, or retry "
            "by the run's own version."
        )
    return found


def _by_live(run: Run, letter: DeadLetter | None, live: Deployment, actor: str, now: datetime) -> Run:
    """Have the live version do it in place of the run's own, which ends if it has not ended yet."""
    if letter is not None:
        letter.resolve(DeadLetter.Resolution.RETRIED, actor=actor, now=now)
    if run.state != Run.State.DONE:
        run.supersede(reason=f"Done by version {live.version.number} instead", now=now)
        _wait_no_more(run)
    return _anew(run, live.version_id, now)


def _anew(run: Run, version: int, now: datetime) -> Run:
    """Open a new run of the same event; what people answered and what they mended is remembered."""
    again = _same(run).latest("replay").again(reason=AGAIN, now=now)
    again.version_id = version
    again.memory, again.insisted = run.memory, True
    again.save(force_insert=True)
    other = None if version == run.version_id else FlowVersion.objects.get(pk=version).document
    for mending in Mending.objects.filter(run=run).order_by("id"):  # what was changed for it holds on
        what = _opened(mending)
        if isinstance(what, Fix) and other is not None and not mendable.fits(other, what):
            continue  # in the live version the field is another one
        mended.attach(
            [again.pk], what, actor=mending.actor, now=mending.created_at,
            reason=mending.reason, saved_fix_id=mending.saved_fix_id,
        )  # fmt: skip
    _settle(run, again, Fate.QUEUED, now)
    return again


def _opened(mending: Mending) -> Edit | Fix:
    try:
        return mending.what
    except vault.Unreadable:
        raise NotPossible("What was changed for it does not open: its encryption key is missing.") from None


def _at_once(run: Run, now: datetime) -> Run:
    """Make the same run due at once, with a fresh budget of tries."""
    if run.state == Run.State.READY and not can_be_hastened(run, now):
        raise NotPossible("It is queued already, and is done as soon as a worker is free.")
    run.begin_again(now=now)
    _settle(run, run, Fate.QUEUED, now)
    return run


def _wait_no_more(run: Run) -> None:
    """See to it that what the run waits for does not wake it when it has ended."""
    AwaitedEvent.objects.filter(run=run, over=False).update(over=True)


def _settle(run: Run, told: Run, fate: Fate, now: datetime) -> None:
    """Say when the lanes are due, what became of the event, and to whoever watches that something changed."""
    Lane.objects.set_ready({run.lane_id, told.lane_id})
    Event.objects.settle([run.event_id])
    summary = {"fates": {fate.value: 1}, "runs": [told.public_id]}
    Change.objects.record(environment_id=run.pair.environment_id, kind="closed", summary=summary, now=now)
    transaction.on_commit(lambda: signals.work_arrived.send(sender=Run))


def _audit(action: str, run: Run, actor: str, now: datetime, **details: object) -> None:
    audit.record(
        workspace=run.pair.environment.workspace,
        actor=actor,
        action=action,
        target=run.public_id,
        details={"flow": run.flow.name, "event": run.event.external_id, **details},
        now=now,
    )
