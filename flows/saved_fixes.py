"""
This module keeps approvals as rules, and applies them to what fails of the same cause later.

A rule acts only on a run that has just failed as those for which it was approved, so that nothing is changed
that would have gone through. No run gets the same fix twice, and no rule acts on more than a hundred records
an hour: then it pauses, and the administrators are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet

from flows import deadletters, mended
from flows.error_catalogue import of_failure
from flows.error_catalogue.policy import of_money
from flows.mapping.mending import Fix, as_text
from flows.models import DeadLetter, Flow, Mending, Notice, SavedFix
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable

log = structlog.get_logger(__name__)

HOUR = timedelta(hours=1)
MOST = 200  # fixes that a flow keeps in one environment
NOTICE = "saved_fix"


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved fix with what it does; that does not open if its key is lost."""

    row: SavedFix
    fix: Fix | None


def of_environment(environment: Environment) -> QuerySet[SavedFix]:
    """Return the fixes that are kept in `environment`, the newest first."""
    rows = SavedFix.objects.filter(pair__environment=environment)
    return rows.select_related("flow", "pair__environment__workspace")


def opened(rows: Iterable[SavedFix]) -> list[Kept]:
    """Return saved fixes with what they do."""
    return [Kept(row, _fix(row)) for row in rows]


def keep(*, letter: DeadLetter, fix: Fix, actor: str, now: datetime) -> SavedFix:
    """
    Keep the approval of `fix` for what fails as `letter` did, in the caller's transaction; once only.

    :raises Unacceptable: if the flow has more than enough of them, or it is about money
    """
    run = letter.run
    if run is None or of_money(fix.field) or of_money(letter.field):
        raise Unacceptable("This cannot be kept as a rule.", field="keep")
    # Nobody may keep the same at the same time, and so double what it may do in an hour.
    Flow.objects.select_for_update(no_key=True).get(pk=run.flow_id)
    known = SavedFix.objects.filter(pair=run.pair_id, flow=run.flow_id)
    for row in known.filter(code=letter.code, field=letter.field):
        if (same := _fix(row)) is not None and same.alike(fix):
            return (
                row
                if row.enabled and row.paused_at is None
                else switch(row=row, on=True, actor=actor, now=now)
            )
    if known.count() >= MOST:
        raise Unacceptable(f"A flow keeps at most {MOST} fixes. Delete some first.", field="keep")
    row = SavedFix(
        pair_id=run.pair_id,
        flow_id=run.flow_id,
        code=letter.code,
        field=letter.field,
        action=of_failure(letter, given_up=True).action,
        created_by=actor,
        created_at=now,
    )
    row.keep(fix)
    row.save()
    _audit(row, "savedfix.kept", actor, now)
    return row


def switch(*, row: SavedFix, on: bool, actor: str, now: datetime) -> SavedFix:
    """Apply a saved fix from now on, or no more. One that had paused itself begins to count anew."""
    with transaction.atomic():
        locked = SavedFix.objects.select_for_update().get(pk=row.pk)
        locked.switch(on=on, now=now)
        _audit(locked, "savedfix.switched_on" if on else "savedfix.switched_off", actor, now)
    return locked


def forget(*, row: SavedFix, actor: str, now: datetime) -> None:
    """Delete a saved fix. What it has changed stays, and stays told on its runs."""
    with transaction.atomic():
        SavedFix.objects.select_for_update().filter(pk=row.pk).first()  # before the trail, as a pause does
        _audit(row, "savedfix.deleted", actor, now)
        row.delete()


def _fix(row: SavedFix) -> Fix | None:
    try:
        return row.fix
    except vault.Unreadable:
        return None


# What is done by itself


def apply(run_ids: Sequence[int], *, now: datetime) -> list[int]:
    """
    Mend of these runs, which have just become dead letters, those for which a fix is kept.

    It is part of the transaction that closes them: nobody is told of a letter that needs nobody. The caller
    has locked the lanes and settles the events, whose ids are returned.
    """
    letters = DeadLetter.objects.unresolved().filter(run__in=run_ids)
    waiting = list(letters.select_related("run", "event__connection__environment__workspace"))
    places = {(letter.run.pair_id, letter.run.flow_id) for letter in waiting if letter.run is not None}
    rows = SavedFix.objects.filter(
        enabled=True,
        paused_at=None,
        pair__in={pair for pair, _ in places},
        flow__in={flow for _, flow in places},
    )
    mended_letters: list[DeadLetter] = []
    for row in rows.order_by("id").select_for_update() if waiting else ():
        fix = _fix(row)
        fitting = [letter for letter in waiting if fix is not None and _fits(row, fix, letter)]
        if fix is not None and (fitting := mended.fitting(fix, fitting)):
            done = _apply(row, fix, fitting, now)
            mended_letters += done
            waiting = [letter for letter in waiting if letter not in done]
    return [letter.event_id for letter in mended_letters]


def _fits(row: SavedFix, fix: Fix, letter: DeadLetter) -> bool:
    """Tell whether `letter` failed as those did for which the fix was approved, by today's catalogue too."""
    run = letter.run
    if run is None or (run.pair_id, run.flow_id) != (row.pair_id, row.flow_id):
        return False
    if (letter.code, letter.field) != (row.code, row.field):
        return False
    verdict = of_failure(letter, given_up=True)
    if verdict.autonomy != "approve" or verdict.action != row.action or of_money(fix.field):
        return False
    if fix.way != "replace":
        return True
    told = mended.last_value(run, fix.step, fix.field)
    return as_text(verdict.params.get("value") if told is None else told) == fix.old


def _apply(row: SavedFix, fix: Fix, fitting: Sequence[DeadLetter], now: datetime) -> list[DeadLetter]:
    had = Mending.objects.filter(saved_fix=row, run__in=[letter.run_id for letter in fitting])
    before = set(had.values_list("run", flat=True))
    fresh = [letter for letter in fitting if letter.run_id not in before]
    # Of the last sixty minutes, whenever they began: of fixed hours, two could end and begin with a hundred.
    since = now - HOUR if row.hour is None else max(row.hour, now - HOUR)
    row.uses_in_hour = Mending.objects.filter(saved_fix=row, created_at__gt=since).count()
    allowed = fresh[: max(0, SavedFix.AT_MOST - row.uses_in_hour)]
    if len(allowed) < len(fresh):
        _pause(row, now)
    if allowed:
        actor = f"saved fix {row.public_id}"
        runs = [letter.run_id for letter in allowed if letter.run_id is not None]
        mended.attach(runs, fix, actor=actor, now=now, saved_fix_id=row.pk)
        deadletters.retry_by_itself(allowed, actor=actor, now=now)
        row.uses, row.uses_in_hour = row.uses + len(allowed), row.uses_in_hour + len(allowed)
        row.last_used_at = now
        log.info("saved_fix.applied", fix=row.public_id, count=len(allowed))
    row.save(update_fields=["uses", "last_used_at", "uses_in_hour", "paused_at"])
    return allowed


def _pause(row: SavedFix, now: datetime) -> None:
    """Stop a fix that acts on more than anybody had in mind, and tell the administrators."""
    row.paused_at = now
    notice = Notice.of(
        environment_id=row.pair.environment_id,
        key=f"{NOTICE}:{row.public_id}:{now:%Y%m%d%H%M}",
        kind=NOTICE,
        severity="warning",
        title=f"A saved fix has paused itself: {row.field} of {row.flow.name}",
        text=f"It would have changed more than {SavedFix.AT_MOST} records in an hour. What fails now waits "
        "in the dead letters. Look at a few of the runs that it has mended, then switch it on again under "
        "Dead letters, Saved fixes.",
        now=now,
    )
    notice.flow_id = row.flow_id
    Notice.objects.give([notice])
    _audit(row, "savedfix.paused", "the engine", now)


def _audit(row: SavedFix, action: str, actor: str, now: datetime) -> None:
    audit.record(
        workspace=row.pair.environment.workspace,
        actor=actor,
        action=action,
        target=f"saved fix {row.public_id}",
        details={"flow": row.flow.name, "field": row.field, "action": row.action},
        now=now,
    )
