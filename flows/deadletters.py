"""This module files dead letters and does what a person decides about them: retry or discard."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction

from flows import bulk, error_catalogue, mended, signals
from flows.engine.edits import Edit
from flows.engine.outcome import Failure
from flows.mapping.mending import Fix
from flows.models import Change, DeadLetter, Event, Fate, GroupRetry, Lane, Run
from flows.models.mendings import LONGEST_PATH
from flows.models.runs import AlreadyHandled, DeadLetterQuerySet
from integrator.accounts import audit
from integrator.accounts.models import public_id
from integrator.kernel import canonical
from integrator.kernel.texts import LONGEST_CODE, LONGEST_FIELD, LONGEST_MESSAGE, storable

__all__ = [
    "AlreadyHandled",
    "Obituary",
    "discard",
    "discard_all",
    "file",
    "retry",
    "retry_all",
    "retry_by_itself",
    "retry_mended",
    "retry_together",
    "retry_unasked",
]

LONGEST_SYSTEM, LONGEST_PARENT = 20, 255
CHUNK = 200  # letters in one transaction of `retry_all` or `discard_all`

# What is wrong with an event itself; everything else is explained by the error catalogue.
SUGGESTIONS = {
    "unreadable": "The body is kept as it came. Look at what was sent, then discard it.",
    "sealed": "Put the missing key back into INTEGRATOR_ENCRYPTION_KEYS, then retry.",
}
_WITH_DIGITS = re.compile(r"[\w.:-]*\d[\w.:-]*")  # ids, amounts, times


@dataclass(frozen=True, slots=True)
class Obituary:
    """Why a run, or an event without a run, needs a person."""

    event_id: int
    failure: Failure
    run_id: int | None = None
    flow_id: int | None = None
    step: str = ""


_COLUMNS = (
    "public_id", "event_id", "run_id", "error_class", "code", "field", "step", "system", "http_status",
    "waits_for", "message", "suggestion",
    "fingerprint", "created_at", "resolution", "resolved_by",
)  # fmt: skip


def file(obituaries: Iterable[Obituary], *, now: datetime) -> None:
    """
    Write a dead letter for each, in the caller's transaction.

    A run, or an event without one, has at most one open letter; a second changes nothing.
    """
    bulk.insert(DeadLetter, _COLUMNS, [_row(one, now) for one in obituaries], conflict="DO NOTHING")


def _row(one: Obituary, now: datetime) -> tuple[object, ...]:
    """Return the letter's row. It fits whatever a step kind of somebody else's put into its failure."""
    failure = one.failure
    error_class, step = storable(str(failure.error_class), 40), storable(one.step, 60)
    code, field = storable(str(failure.code), LONGEST_CODE), storable(str(failure.field), LONGEST_FIELD)
    message = storable(str(failure.message), LONGEST_MESSAGE)
    told = Failure(
        error_class, message, code=code, field=field, system=failure.system, http_status=failure.http_status
    )
    verdict = error_catalogue.of_failure(told, given_up=True)
    return (
        public_id(),
        one.event_id,
        one.run_id,
        error_class,
        code,
        field,
        step,
        storable(failure.system, LONGEST_SYSTEM),
        failure.http_status,
        storable(_parent(verdict), LONGEST_PARENT),
        message,
        storable(SUGGESTIONS.get(code, verdict.suggestion), 500),
        canonical.fingerprint([one.flow_id, step, code, field, _without_ids(message)]),
        now,
        "",
        "",
    )


def _parent(verdict: error_catalogue.Verdict) -> str:
    """Return which record the run lacked, as `Write.target` names it, if the message tells."""
    told = verdict.params
    if verdict.action != "save_parent" or not {"object", "external_id"} <= told.keys():
        return ""
    return f"{told['object']}:{told['external_id']}"


def _without_ids(message: str) -> str:
    """Return `message` without what differs from record to record, so that one cause is one group."""
    return _WITH_DIGITS.sub("#", message)


def retry(*, letter: DeadLetter, actor: str, now: datetime, goes_on_from: int | None = None) -> DeadLetter:
    """
    Try again what `letter` is about, with its object read first, or from where the try with that id failed.

    :raises AlreadyHandled: if somebody was quicker
    """
    with transaction.atomic():
        locked = _locked([letter.pk]).get()
        _retry([locked], actor, now, goes_on_from=goes_on_from)
        where = {} if goes_on_from is None else {"from": locked.step}
        _audit("deadletter.retried", [locked], actor, now, **where)
    return locked


def retry_mended(
    *, letter: DeadLetter, what: Edit | Fix, actor: str, now: datetime, reason: str = ""
) -> DeadLetter:
    """
    Try again the run of `letter` with what a person has changed for it, in the caller's transaction.

    The audit trail tells which paths or fields that was, and no values.

    :raises AlreadyHandled: if somebody was quicker
    """
    locked = _locked([letter.pk]).get()
    _retry([locked], actor, now)
    assert locked.run_id is not None
    mended.attach([locked.run_id], what, actor=actor, now=now, reason=reason)
    if isinstance(what, Edit):
        changed = {"paths": [change.told[:LONGEST_PATH] for change in what.changes]}
        _audit("deadletter.edited", [locked], actor, now, **changed, **({"reason": reason} if reason else {}))
    else:
        _audit("deadletter.mended", [locked], actor, now, field=what.field, change=what.told())
    return locked


def retry_by_itself(letters: Sequence[DeadLetter], *, actor: str, now: datetime) -> None:
    """
    Try these letters again without a person, in the transaction that has filed them.

    The lanes are locked by the caller. What is history stays so: nobody has asked for its effects.
    """
    _retry(letters, actor, now, insist=False)


def retry_unasked(ids: Sequence[int], *, actor: str, now: datetime) -> list[DeadLetter]:
    """Try again those of these letters that are still open, in the caller's transaction, and return them."""
    letters = list(_locked(ids).unresolved().order_by("id"))
    retry_by_itself(letters, actor=actor, now=now)
    return letters


def retry_all(*, letters: models.QuerySet[DeadLetter], actor: str, now: datetime) -> int:
    """
    Try again whatever of `letters` is unresolved, and return how many that were.

    It goes in chunks, each with its own transaction and audit entry. Letters that come in meanwhile, or
    that somebody else resolves, are left alone.
    """
    ids = list(letters.filter(resolved_at__isnull=True).order_by("id").values_list("id", flat=True))
    retried = 0
    for start in range(0, len(ids), CHUNK):
        with transaction.atomic():
            chunk = list(_locked(ids[start : start + CHUNK]).unresolved().order_by("id"))
            _retry(chunk, actor, now)
            _audit("deadletters.retried", chunk, actor, now)
        retried += len(chunk)
    return retried


def retry_together(ids: Sequence[int], group_retry: GroupRetry, *, now: datetime) -> list[DeadLetter]:
    """
    Try again those of these letters that are still open, as a part of `group_retry`, and return them.

    It is done in the caller's transaction, and in the name of who asked for the whole, of which alone the
    audit trail tells.
    """
    letters = list(_locked(ids).unresolved().order_by("id"))
    _retry(letters, group_retry.actor, now)
    fix = mended.unsealed(bytes(group_retry.fix), environment_id=group_retry.environment_id)
    if fix is not None:
        # A cause goes over versions. Where the field is another one, the letter is tried as it is.
        runs = [letter.run_id for letter in mended.fitting(fix, letters) if letter.run_id is not None]
        mended.attach(runs, fix, actor=group_retry.actor, now=now)
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(group_retry=group_retry)
    return letters


def discard(*, letter: DeadLetter, reason: str, actor: str, now: datetime) -> DeadLetter:
    """
    Decide that nothing is to be done about what `letter` is about.

    :raises AlreadyHandled: if somebody was quicker
    """
    with transaction.atomic():
        locked = _locked([letter.pk]).get()
        _discard([locked], reason, actor, now)
        _audit("deadletter.discarded", [locked], actor, now, reason=reason)
    return locked


def discard_all(*, letters: models.QuerySet[DeadLetter], reason: str, actor: str, now: datetime) -> int:
    """
    Discard whatever of `letters` is unresolved for one `reason`, and return how many that were.

    It goes in chunks as `retry_all` does, each with its own transaction and audit entry.
    """
    ids = list(letters.filter(resolved_at__isnull=True).order_by("id").values_list("id", flat=True))
    discarded = 0
    for start in range(0, len(ids), CHUNK):
        with transaction.atomic():
            chunk = list(_locked(ids[start : start + CHUNK]).unresolved().order_by("id"))
            _discard(chunk, reason, actor, now)
            _audit("deadletters.discarded", chunk, actor, now, reason=reason)
        discarded += len(chunk)
    return discarded


def _locked(ids: Sequence[int]) -> DeadLetterQuerySet:
    """
    Return letters that are locked as they are read, so that of two people one sees the other.

    Their lanes are locked before them, in the order that a closing worker takes: it closes letters too.
    """
    lanes = Run.objects.filter(dead_letters__in=ids).values("lane")
    list(Lane.objects.filter(id__in=lanes).locked().values_list("id"))
    with_all = DeadLetter.objects.select_related("event__connection__environment__workspace", "run")
    return with_all.select_for_update(of=("self",)).filter(pk__in=ids)


def _retry(
    letters: Sequence[DeadLetter],
    actor: str,
    now: datetime,
    *,
    insist: bool = True,
    goes_on_from: int | None = None,
) -> None:
    for letter in letters:
        letter.resolve(DeadLetter.Resolution.RETRIED, actor=actor, now=now)
        if letter.run is None:
            letter.event.dispatch_again()
        else:
            letter.run.begin_again(now=now, insist=insist, goes_on_from=goes_on_from)
    Lane.objects.set_ready({letter.run.lane_id for letter in letters if letter.run is not None})
    Event.objects.settle([letter.event_id for letter in letters if letter.run is not None])
    _tell(letters, Fate.QUEUED, now)


def _discard(letters: Sequence[DeadLetter], reason: str, actor: str, now: datetime) -> None:
    for letter in letters:
        letter.resolve(DeadLetter.Resolution.DISCARDED, actor=actor, now=now)
        if letter.run is None:
            letter.event.discard(reason=reason)
        else:
            letter.run.discard(reason=reason, now=now)
    Event.objects.settle([letter.event_id for letter in letters if letter.run is not None])
    _tell(letters, Fate.DISCARDED, now)


def _audit(action: str, letters: Sequence[DeadLetter], actor: str, now: datetime, **details: object) -> None:
    """Write one audit entry for each workspace concerned."""
    by_workspace: dict[int, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        by_workspace[letter.event.connection.environment.workspace_id].append(letter)
    for mine in by_workspace.values():
        names = [letter.public_id for letter in mine]
        audit.record(
            workspace=mine[0].event.connection.environment.workspace,
            actor=actor,
            action=action,
            target=names[0] if len(names) == 1 else f"{len(names)} dead letters",
            details={"letters": names, **details},
            now=now,
        )


def _tell(letters: Sequence[DeadLetter], fate: Fate, now: datetime) -> None:
    """Write one Change row for each environment, and call a worker once that is committed."""
    by_environment: dict[int, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        by_environment[letter.event.connection.environment_id].append(letter)
    for environment, mine in by_environment.items():
        runs = [letter.run.public_id for letter in mine if letter.run is not None]
        summary = {"fates": {fate.value: len(mine)}, "runs": runs[: Change.MOST_RUNS]}
        Change.objects.record(environment_id=environment, kind="closed", summary=summary, now=now)
    if letters:
        transaction.on_commit(lambda: signals.work_arrived.send(sender=DeadLetter))
