"""
This module retries the dead letters of a cause in order, so many a minute: one first, if that is wanted.

Whether the first one worked is seen by what became of its run. How far a retry has come stands in the
letters: each chunk resolves its letters and moves on in one transaction, so that a process may die at any
moment, and whoever comes next goes on. Events are retried in the order in which they came in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, F, Max, QuerySet, Value, When
from django.db.models.functions import Coalesce

from flows import causes, deadletters, mended, retry_costs
from flows.mapping.mending import Fix
from flows.models import DeadLetter, Fate, GroupRetry
from flows.models.runs import AlreadyHandled, IllegalTransition
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text
from integrator.kernel.refusals import Unacceptable

__all__ = ["AlreadyHandled", "Preview", "Progress", "begin", "go_due", "preview", "progress", "stop"]

log = structlog.get_logger(__name__)

SLOWEST, USUAL, FASTEST = 1, 60, 1_200  # letters a minute
TURN = timedelta(seconds=5)  # a chunk is what so much time allows
LOOK = timedelta(seconds=2)  # between two looks at the first one
MOST_AT_ONCE = 50  # retries that one turn of `go_due` moves
# It stops by itself when so many have failed again, and they are more than half of those that ended.
MOST_FAILED = 10

_WORKED = {Fate.APPLIED, Fate.IGNORED, Fate.ECHO}
_FAILED = {Fate.DEAD, Fate.REFUSED}
_NEEDLESS = {Fate.SUPERSEDED, Fate.DISCARDED}  # they say nothing about the others
# What became of a letter that was retried: of its run, or of its event where there is none.
_FATE = Coalesce(
    "run__fate",
    Case(When(event__dispatched_at__isnull=True, then=Value(Fate.QUEUED)), default=F("event__fate")),
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What retrying a cause means: how many letters, for how long, and what it costs in calls."""

    count: int
    per_minute: int
    first: DeadLetter
    lasts: timedelta
    costs: retry_costs.Costs

    @property
    def seconds(self) -> float:
        """Return for how long it goes on once the first has worked."""
        return self.lasts.total_seconds()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a retry has come, and what became of the letters that it has retried so far."""

    left: int
    worked: int = 0
    failed: int = 0
    needless: int = 0  # superseded, or discarded by a person
    asked: int = 0  # they wait for a person's answer
    running: int = 0

    @property
    def retried(self) -> int:
        """Return how many were retried so far."""
        return self.ended + self.asked + self.running

    @property
    def ended(self) -> int:
        """Return how many of them have come to an end."""
        return self.worked + self.failed + self.needless


def preview(*, environment: Environment, fingerprint: str, per_minute: int = USUAL) -> Preview:
    """
    Return what retrying a cause would mean.

    :raises AlreadyHandled: if no letter is left
    :raises Unacceptable: if so many a minute are not possible
    """
    _check(per_minute)
    letters = _open(environment, fingerprint)
    first = letters.select_related("event__connection", "run__pair__salesforce").first()
    if first is None:
        raise AlreadyHandled("Nothing was left to retry: somebody was quicker.")
    count = letters.count()
    costs = retry_costs.of(first, many=count, at_once=_chunk(per_minute))
    return Preview(count, per_minute, first, timedelta(minutes=1) * (count - 1) / per_minute, costs)


def begin(
    *,
    environment: Environment,
    fingerprint: str,
    per_minute: int = USUAL,
    actor: str,
    now: datetime,
    one_first: bool = True,
    fix: Fix | None = None,
) -> GroupRetry:
    """
    Retry the open letters of a cause: the first now, and the rest once that one has worked.

    Without `one_first` the rest does not wait for that, and goes at its pace from now on. Where a person has
    approved a `fix`, it holds for each of them from this retry on.

    :raises AlreadyHandled: if no letter is left, or they are being retried
    :raises Unacceptable: if so many a minute are not possible
    """
    _check(per_minute)
    try:
        with transaction.atomic():
            going = _begin(environment, fingerprint, per_minute, actor, now, one_first=one_first, fix=fix)
            if one_first:
                _retry(going, 1, now)
            else:
                _go_on(going, now)
            return going
    except IntegrityError:
        raise AlreadyHandled("They are being retried already.") from None


def _begin(
    environment: Environment,
    fingerprint: str,
    per_minute: int,
    actor: str,
    now: datetime,
    *,
    one_first: bool,
    fix: Fix | None,
) -> GroupRetry:
    letters = _open(environment, fingerprint)
    found = letters.order_by().aggregate(total=Count("pk"), last=Max("pk"))
    if not found["total"]:
        raise AlreadyHandled("Nothing was left to retry: somebody was quicker.")
    going = GroupRetry.objects.create(
        environment=environment,
        fingerprint=fingerprint,
        actor=actor,
        per_minute=per_minute,
        one_first=one_first,
        state=GroupRetry.State.FIRST if one_first else GroupRetry.State.GOING,
        total=found["total"],
        last_letter=found["last"],
        fix=b"" if fix is None else mended.sealed(fix, environment_id=environment.pk),
        created_at=now,
        next_at=now + LOOK,
    )
    how: dict[str, object] = {"letters": going.total, "a_minute": per_minute, "one_first": one_first}
    if fix is not None:
        how |= {"field": fix.field, "change": fix.told()}
    _audit(going, "deadletters.mend_began" if fix else "deadletters.retry_began", actor, now, **how)
    return going


def stop(*, going: GroupRetry, actor: str, now: datetime) -> GroupRetry:
    """
    Retry no more of them; those that were retried run on.

    :raises AlreadyHandled: if it has ended
    """
    with transaction.atomic():
        locked = GroupRetry.objects.select_for_update(of=("self",)).get(pk=going.pk)
        if not locked.is_unfinished:
            raise AlreadyHandled("This retry has ended already.")
        locked.end(GroupRetry.State.STOPPED, reason=f"{actor} stopped it", now=now)
        _audit(locked, "deadletters.retry_stopped", actor, now, left=_left(locked).count())
    return locked


def newest(environment: Environment, fingerprint: str) -> GroupRetry | None:
    """Return the retry of a cause that began last, if there was one."""
    return GroupRetry.objects.filter(environment=environment, fingerprint=fingerprint).first()


def progress(going: GroupRetry) -> Progress:
    """Return how far `going` has come."""
    counted: dict[str, int] = {}
    rows = going.letters.order_by().values(became=_FATE).annotate(number=Count("pk"))
    for became, number in rows.values_list("became", "number"):
        name = _name_of(became)
        counted[name] = counted.get(name, 0) + number
    return Progress(left=_left(going).count(), **counted)


def _name_of(fate: str) -> str:
    if fate in _WORKED:
        return "worked"
    if fate in _FAILED:
        return "failed"
    if fate in _NEEDLESS:
        return "needless"
    return "asked" if fate == Fate.WAITING else "running"


# What the clock does


def go_due(*, now: datetime) -> int:
    """Move every retry whose time has come, each by itself, and return how many letters were retried."""
    due = GroupRetry.objects.unfinished().filter(next_at__lte=now).order_by("next_at")
    return sum(_go(pk, now) for pk in list(due.values_list("pk", flat=True)[:MOST_AT_ONCE]))


def _go(pk: int, now: datetime) -> int:
    try:
        with transaction.atomic():
            rows = GroupRetry.objects.unfinished().filter(pk=pk, next_at__lte=now)
            going = rows.select_for_update(skip_locked=True, of=("self",)).first()
            if going is None:  # another process moves it, or somebody stopped it
                return 0
            return _try_first(going, now) if going.state == GroupRetry.State.FIRST else _go_on(going, now)
    except (IllegalTransition, vault.Unreadable) as bug:
        log.exception("group_retry.failed", retry=pk)
        with transaction.atomic():
            GroupRetry.objects.select_for_update(of=("self",)).get(pk=pk).end(
                GroupRetry.State.FAILED, reason=f"A letter could not be retried: {bug}", now=now
            )
        return 0


def _try_first(going: GroupRetry, now: datetime) -> int:
    """Look what became of the one that is tried first, and go on, wait or stop by it."""
    tried = going.letters.annotate(became=_FATE).order_by("resolved_at", "pk")
    last, became = tried.values_list("pk", "became").last() or (0, Fate.SUPERSEDED)
    name = _name_of(became)
    if name == "worked":
        going.go_on(now=now)
        return _go_on(going, now)
    if name == "failed":
        why = _why(going.letters.get(pk=last))
        going.end(GroupRetry.State.FAILED, reason=f"The first one failed again: {why}", now=now)
        return 0
    if name == "needless":  # another one has to show whether it works
        return _next(going, 1, LOOK, now)
    going.wait(now + LOOK)
    return 0


def _go_on(going: GroupRetry, now: datetime) -> int:
    so_far = progress(going)
    if so_far.failed >= MOST_FAILED and so_far.failed * 2 > so_far.ended:
        reason = f"Of {so_far.ended} that have ended, {so_far.failed} failed again"
        going.end(GroupRetry.State.FAILED, reason=reason, now=now)
        return 0
    size = _chunk(going.per_minute)
    return _next(going, size, going.spell(size), now)


def _next(going: GroupRetry, size: int, rest: timedelta, now: datetime) -> int:
    retried = _retry(going, size, now)
    if _left(going).exists():
        going.wait(now + rest)
    elif going.state == GroupRetry.State.GOING or not retried:
        going.end(GroupRetry.State.DONE, now=now)
    else:
        going.wait(now + rest)  # it is the last one, and what becomes of it is still told
    return retried


def _retry(going: GroupRetry, size: int, now: datetime) -> int:
    ids = list(_left(going).values_list("pk", flat=True)[:size])
    return len(deadletters.retry_together(ids, going, now=now)) if ids else 0


def _why(letter: DeadLetter) -> str:
    """Return what the run of a letter that was retried failed of this time."""
    again = DeadLetter.objects.filter(event=letter.event_id, run=letter.run_id).order_by("-pk").first()
    return redact_text(again.message if again is not None else letter.message)[:300]


def _open(environment: Environment, fingerprint: str) -> QuerySet[DeadLetter]:
    """Return the open letters of a cause, in the order in which their events came in."""
    return causes.open_letters(environment).filter(fingerprint=fingerprint).order_by("event_id", "pk")


def _left(going: GroupRetry) -> QuerySet[DeadLetter]:
    return _open(going.environment, going.fingerprint).filter(pk__lte=going.last_letter)


def _chunk(per_minute: int) -> int:
    return min(deadletters.CHUNK, math.ceil(per_minute * (TURN / timedelta(minutes=1))))


def _check(per_minute: int) -> None:
    if not SLOWEST <= per_minute <= FASTEST:
        message = f"Between {SLOWEST} and {FASTEST:,} letters a minute are retried."
        raise Unacceptable(message, field="per_minute")


def _audit(going: GroupRetry, action: str, actor: str, now: datetime, **details: object) -> None:
    audit.record(
        workspace=going.environment.workspace,
        actor=actor,
        action=action,
        target=f"cause {going.fingerprint[:16]}",
        details={"retry": going.public_id, **details},
        now=now,
    )
