"""
This module lets runs go on soon once the trouble is over because of which they wait for their next try.

Pauses double with each failure, up to an hour, so that after an outage some runs would wait for long though
both systems are well. A run that fails by itself gains nothing: it is not hastened before it has been failing
for as long as its pauses take on average, so that it is tried as often as without this module.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce

from django.db.models import F, Q

from flows import holds, signals
from flows.models import Lane, Pair, Run
from integrator.kernel.backoff import Backoff

CALM = timedelta(seconds=10)  # without a call that failed
SOON = timedelta(seconds=5)  # what is due by then is not worth it
# Failures: pauses are short before, and what has failed more often fails by itself, since a connection that
# is away rests.
FIRST, LAST = 3, 24


def hasten_due(*, now: datetime) -> int:
    """Make runs due whose pairs are calm, a chunk of them, and return how many."""
    later = Lane.objects.filter(pair__in=_calm_pairs(now), worker=None, ready_at__gt=now + SOON)
    waiting = Run.objects.filter(
        reduce(operator.or_, _failing_for_long(now)),
        lane__in=later.values("id"),
        state=Run.State.RETRYING,
        next_attempt_at__gt=now + SOON,
    )
    hastened = holds.make_due(waiting.order_by("id"), now=now)
    if hastened:
        signals.work_arrived.send(sender=Run)
    return hastened


def _calm_pairs(now: datetime) -> list[int]:
    """Return the pairs of which no call has failed lately, and at least one has succeeded since one did."""
    calm = Pair.objects.usable(now)
    for system in ("stripe", "salesforce"):
        failed, succeeded = f"{system}__last_failure_at", f"{system}__last_success_at"
        over = Q(**{f"{failed}__lt": now - CALM, f"{succeeded}__gt": F(failed)})
        calm = calm.filter(Q(**{f"{failed}__isnull": True}) | over)
    return list(calm.values_list("pk", flat=True))


def _failing_for_long(now: datetime) -> Iterator[Q]:
    """Yield by the number of failures since when a run has to have been failing."""
    usual, pauses = timedelta(0), Backoff()
    for attempts in range(1, LAST + 1):
        if attempts >= FIRST:
            yield Q(attempts=attempts, first_failed_at__lte=now - usual)
        usual += pauses.delay(attempt=attempts, luck=0.5)  # chance takes half of the longest, on average
