"""
This module does merges that a person has asked for: each once, whatever is lost on the way.

Before the call the time is committed at which it is made. Whoever comes next, after a lost answer or a killed
process, asks the org first what has become of the records: merged, they are never merged again; as they were,
they may be, since Salesforce does a merge as a whole or not at all, and refuses one of records that are gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import Error, transaction
from django.db.models.functions import Now

from connectors.models import Connection
from flows import merges, moves, streams
from flows.merging import reading, verifying
from flows.merging.checking import kept_links, record_act
from flows.merging.reading import Described
from flows.models import Merge
from flows.models.runs import AlreadyHandled
from flows.resyncs import PASSING
from integrator import vault
from integrator.kernel import canonical, errors
from integrator.kernel.redact import redact_text
from integrator.kernel.refusals import Unacceptable

__all__ = ["AlreadyHandled", "begin", "go_due", "look_at"]

log = structlog.get_logger(__name__)

ENGINE = "the engine"
DEADLINE = 45.0  # seconds for the merge itself, which moves whatever refers to the records
LEASE = timedelta(seconds=180)  # above the deadlines of the calls between two steps, each of which renews it
FRESH = timedelta(hours=1)  # how long what was looked at may be done
GRACE = timedelta(minutes=3)  # from sending, in which the org may still be at it
PATIENCE = timedelta(hours=24)
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=10)  # between two tries
MOST_AT_ONCE = 5
# Somebody has deleted or merged one of the records, or our own lost call has: the org is asked which.
_GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})
# What a record says of itself beside its fields: it changes with every save.
_STAMPS = frozenset(reading.STAMPS)


class _End(Exception):
    """A merge is over, and not as it was meant."""

    def __init__(self, state: str, said: str, code: str = "") -> None:
        super().__init__(said)
        self.state, self.code = state, code


class _Lost(Exception):
    """Another process has taken the merge over, since this one was away for too long."""


# What a person does


def begin(*, merge: Merge, actor: str, now: datetime) -> Merge:
    """
    Have done what was looked at, as soon as possible.

    :raises AlreadyHandled: if somebody has had it done
    :raises Unacceptable: if it was looked at too long ago, or one of the records is being merged
    """
    with transaction.atomic():
        # Whoever has records merged holds it, so that no record is in two merges at a time.
        Connection.objects.select_for_update(no_key=True).get(pk=merge.connection_id)
        locked: Merge = Merge.objects.select_for_update(of=("self",)).get(pk=merge.pk)
        if locked.state != Merge.State.CHECKED:
            raise AlreadyHandled("Somebody was quicker: this merge was begun already.")
        if locked.created_at < now - FRESH:
            raise Unacceptable("This was looked at more than an hour ago. Look again, and then merge.")
        others = Merge.objects.unfinished().filter(connection=merge.connection_id)
        if any(set(other.ids) & set(locked.ids) for other in others):
            raise Unacceptable("One of the records is being merged already.")
        locked.become(state=Merge.State.RUNNING, asked_by=actor[:254], asked_at=now, next_at=now, attempts=0)
        record_act(locked, actor, "merge.asked", now, fields=sorted(locked.values()))
    return locked


def look_at(*, merge: Merge, actor: str, now: datetime) -> None:
    """
    Say that somebody has looked at what went wrong, so that nobody is told of it any more.

    :raises AlreadyHandled: if nothing did, or somebody has
    """
    with transaction.atomic():
        locked = Merge.objects.select_for_update(of=("self",)).get(pk=merge.pk)
        if not locked.needs_a_look:
            raise AlreadyHandled("There is nothing to look at: somebody was quicker.")
        locked.become(seen_at=now, seen_by=actor[:254])
        record_act(locked, actor, "merge.seen", now)


# What the clock does


def go_due(*, now: datetime) -> int:
    """Go on with every merge whose time has come, each by itself, and return how many have ended."""
    due = Merge.objects.unfinished().filter(next_at__lte=now).order_by("next_at")
    began, ended = time.monotonic(), 0
    for pk in list(due.values_list("pk", flat=True)[:MOST_AT_ONCE]):
        ended += _go(pk, now + timedelta(seconds=time.monotonic() - began))  # each may take a while
    return ended


def _go(pk: int, now: datetime) -> bool:
    owner = secrets.token_hex(8)
    rows = Merge.objects.unfinished().filter(pk=pk, next_at__lte=now)
    if not rows.take(owner=owner, lease=LEASE):
        return False  # another process is at it
    merge = Merge.objects.select_related("connection__environment__workspace").get(pk=pk)
    merge.lease_owner = owner
    try:
        _turn(merge, now)
    except _Lost:
        log.warning("merge.lost", merge=merge.public_id)
        return False
    finally:
        Merge.objects.filter(pk=pk, lease_owner=owner).update(lease_until=None, lease_owner="")
    return merge.ended_at is not None


def _turn(merge: Merge, now: datetime) -> None:
    try:
        _work(merge, now)
    except _End as end:
        _end(merge, end.state, now, failure=str(end), code=end.code)
    except vault.Unreadable as reason:
        _end(merge, Merge.State.FAILED, now, failure=f"What was looked at cannot be opened: {reason}")
    except errors.IntegrationError as failure:
        _wait(merge, failure, now)
    except (_Lost, Error):
        raise
    except Exception:  # or the others would wait behind it for ever
        log.exception("merge.broke_off", merge=merge.public_id)
        _wait(merge, errors.Transient("Something went wrong in Integrator itself.", code="broke_off"), now)


def _become(merge: Merge, **told: Any) -> None:
    """
    Let a merge be as is told, and hold it for longer.

    :raises _Lost: if it is not ours any more; nothing is changed then
    """
    ours = Merge.objects.held(merge.lease_owner).filter(pk=merge.pk)
    if not ours.update(lease_until=Now() + LEASE, **told):
        raise _Lost
    for name, value in told.items():
        setattr(merge, name, value)


def _work(merge: Merge, now: datetime) -> None:
    """
    Take a merge as far as it goes.

    :raises _End: if it is over, and not as it was meant
    :raises IntegrationError: if the org cannot be asked
    """
    if merge.merged_at is None and not _is_merged(merge):
        if merge.sent_at is not None and now < merge.sent_at + GRACE:
            _become(merge, state=Merge.State.DOUBT, next_at=merge.sent_at + GRACE)
            return
        described = reading.describe(merge.connection, merge.object)
        _refuse_changed(merge, described)
        children = reading.children(merge.connection, described, merge.ids)
        _send(merge, [one.as_json() for one in children], now)
    if merge.merged_at is None:
        _become(merge, merged_at=now, state=Merge.State.RUNNING)
    merges.lead(merge.connection, merge.object, dict.fromkeys(merge.losers, merge.master), now=now)
    found = []
    for line in verifying.verify(merge):
        found.append(line)
        _become(merge)
    wrong = [one for one in found if not one["ok"]]
    state = Merge.State.FAILED if wrong else Merge.State.DONE
    _become(merge, verified=found)
    said = "; ".join(str(one["says"]) for one in wrong)
    _end(merge, state, now, failure=said)


def _is_merged(merge: Merge) -> bool:
    """
    Ask the org whether the records are one already: nobody else can know after a lost answer.

    :raises _End: if a part of them is, or into another record, or if somebody else has done it
    """
    became = reading.became(merge.connection, merge.object, merge.losers)
    if not became:
        return False
    if became == dict.fromkeys(merge.losers, merge.master):
        if merge.sent_at is None:
            raise _End(
                Merge.State.REFUSED, "Somebody has merged these records already. Nothing more is done."
            )
        return True
    told = ", ".join(f"{one} into {other}" for one, other in became.items())
    raise _End(
        _state_of(merge), f"Somebody has merged these records otherwise: {told}. Nothing more is done."
    )


def _refuse_changed(merge: Merge, described: Described) -> None:
    """
    Compare the records with what a person has seen.

    :raises _End: if they are not so any more: nothing is sent then
    """
    known = merge.records()
    found = reading.records(merge.connection, described, merge.ids)
    gone = [one for one in merge.ids if one not in found]
    if gone:
        _refuse_gone(merge, gone)
    changed = sorted(
        {
            name
            for record, before in known.items()
            for name in before.keys() - _STAMPS
            if name in found[record] and _plain(found[record][name]) != _plain(before[name])
        }
    )
    if changed:
        raise _End(
            Merge.State.REFUSED,
            f"The records have changed since they were looked at: {', '.join(changed[:5])}. Nothing was "
            "merged; look again.",
        )


def _refuse_gone(merge: Merge, gone: Sequence[str]) -> None:
    """
    End a merge of which a record is not there: one that was sent may have been done just now.

    :raises _End: unless it was
    :raises Transient: if it was
    """
    names = ", ".join(gone)
    if merge.sent_at is None or not set(gone) & set(merge.losers):
        raise _End(Merge.State.REFUSED, f"{names} is not there any more. Nothing was merged.")
    if _is_merged(merge):
        raise errors.Transient("The records have become one just now.", code="merged")
    said = f"{names} is not there any more, and Salesforce does not say that it was merged."
    raise _End(Merge.State.FAILED, said)


def _plain(value: Any) -> bytes:
    return canonical.dumps(None if value == "" else value)


def _send(merge: Merge, children: list[dict[str, Any]], now: datetime) -> None:
    """
    Tell Salesforce to merge, and note what is known then: what refers to the records, and their links.

    :raises _End: if it refused
    :raises IntegrationError: if it was not done for certain and may be later, or is in doubt
    """
    values = merge.values()
    moves.expect_gone(merge.connection, merge.object, merge.losers, now=now)
    if moves.are_written(merge.connection, merge.object, merge.losers):
        raise errors.Transient("Something is being written to one of the records.", code="busy")
    links = kept_links(merge.connection, merge.object, merge.ids)
    state, earlier = Merge.State.RUNNING, merge.sent_at
    _become(merge, sent_at=now, state=state, failure="", failure_code="", children=children, links=links)
    request: Mapping[str, Any] = {
        "object": merge.object,
        "master": merge.master,
        "losers": merge.losers,
        "values": values,
    }
    try:
        streams.ask(merge.connection, "merge", dict(request), deadline=DEADLINE)
    except errors.Uncertain:
        raise
    except errors.IntegrationError as failure:
        if failure.code in _GONE:
            raise errors.Uncertain(str(failure), code=failure.code) from None
        _become(merge, sent_at=earlier)  # Salesforce has answered: this time nothing was done
        if isinstance(failure, PASSING):
            raise
        said = redact_text(f"Salesforce has refused it, and nothing was merged: {failure}")
        raise _End(Merge.State.REFUSED, said, failure.code) from None


def _state_of(merge: Merge) -> str:
    """Return how a merge ends that is not possible any more; one that was sent needs a person's look."""
    return Merge.State.REFUSED if merge.sent_at is None else Merge.State.FAILED


def _wait(merge: Merge, failure: errors.IntegrationError, now: datetime) -> None:
    """Try later, or give up: after a day, or where waiting mends nothing."""
    log.warning("merge.failed", merge=merge.public_id, code=failure.code, attempts=merge.attempts + 1)
    said, code = redact_text(str(failure))[:500], failure.code[:100]
    in_doubt = merge.sent_at is not None and merge.merged_at is None
    passing = isinstance(failure, PASSING) or failure.code in Connection.State.values
    if not passing or now - (merge.asked_at or now) > PATIENCE:
        state = Merge.State.FAILED if in_doubt or merge.merged_at is not None else Merge.State.REFUSED
        _end(merge, state, now, failure=f"{said} It is not tried any more.", code=code)
        return
    pause = min(LONGEST, SHORTEST * 2 ** min(merge.attempts, 10))
    _become(
        merge,
        state=Merge.State.DOUBT if in_doubt else Merge.State.RUNNING,
        attempts=merge.attempts + 1,
        next_at=max(now + pause, failure.resets_at or now),
        failure=said,
        failure_code=code,
    )


def _end(merge: Merge, state: str, now: datetime, *, failure: str = "", code: str = "") -> None:
    with transaction.atomic():
        said = {"failure": failure[:500], "failure_code": code[:100]}
        _become(merge, state=state, ended_at=now, next_at=None, **said)
        record_act(merge, ENGINE, "merge.ended", now, asked_by=merge.asked_by, state=state)
