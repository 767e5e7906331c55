"""
This module sends what the alert rules have planned, from the watching process only.

Notices that are due become messages, and a message is claimed in its row before it is sent: of two processes
one sends it, and a process that died in between leaves it to be sent later, with the same id and content.
Channels are served side by side, each against a deadline, so that one that is down holds up no other; it
rests, and what it is to be told waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from connectors import outbound
from flows.models import Change
from integrator import vault
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text
from monitoring import packing, transports
from monitoring.channel_models import FAILURE_LENGTH
from monitoring.models import AlertChannel, AlertDispatch, AlertNotice
from monitoring.notices import speaks
from monitoring.ruling import News
from monitoring.transports import NotSent, OutOfTime, Way
from monitoring.wording import Message

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=2)  # after which a message whose sender died is due again
FIRST_BACKOFF, LONGEST_BACKOFF = timedelta(seconds=10), timedelta(minutes=15)
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)
PATIENCE = timedelta(days=1)  # after which a message is given up: nobody wants yesterday's alerts one by one
REFUSALS = 5  # final refusals of a message after which it is given up
MOST_CHANNELS, MOST_EACH = 50, 5  # channels of one pass, and messages of each
# Seconds for all of them, first by the network alone and then by the gateway: both end before a claim does.
WIDTH, DEADLINE = 8, 45.0
LEAST = 12.0  # seconds that have to be left for another message to be begun
TOO_OLD = "Given up after a day in which the channel did not work."
UNREADABLE = "Its address and secret cannot be read: the key that sealed them is lost. Enter it anew."
KEPT_FOR = timedelta(days=90)


@dataclass(slots=True)
class _Load:
    """What one channel is sent in one pass; what came of it is added while it is sent."""

    channel: AlertChannel
    way: Way
    messages: Sequence[tuple[AlertDispatch, Message]]
    ends: list[tuple[AlertDispatch, str, NotSent | None]] = field(default_factory=list)


def deliver(*, now: datetime) -> int:
    """Make messages of what is due and send them; return how many arrived."""
    packing.pack(now=now)
    _give_up_old(now)
    loads = _loads(now)
    if not loads:
        return 0
    apart = [load for load in loads if load.way.kind != AlertChannel.Kind.EVENT]
    outbound.each(lambda load: _carry(load, now), apart, width=WIDTH, deadline=DEADLINE)
    sent = sum(_settle(load) for load in apart)
    with outbound.within(DEADLINE):
        for load in loads:
            if load.way.kind == AlertChannel.Kind.EVENT:  # by the gateway, which needs the database
                _carry(load, now)
                sent += _settle(load)
    return sent


def forget(*, now: datetime) -> int:
    """Remove what was sent or given up long ago, and return how many messages there were."""
    done = Q(sent_at__isnull=False) | Q(given_up_at__isnull=False)
    old = AlertDispatch.objects.filter(done, created_at__lt=now - KEPT_FOR)
    ids = list(old.order_by("id").values_list("pk", flat=True)[:10_000])
    return AlertDispatch.objects.filter(pk__in=ids).delete()[0] if ids else 0


# What is sent


def _loads(now: datetime) -> list[_Load]:
    """Return what to send, claimed; channels that rest are left alone."""
    rows: dict[int, list[AlertDispatch]] = defaultdict(list)
    for row in _true(_due(now), now):
        rows[row.channel_id].append(row)
    loads = []
    for those in list(rows.values())[:MOST_CHANNELS]:
        channel = those[0].channel
        claimed = [(row, _message(row)) for row in those if _claim(row, now)]
        if not claimed:
            continue
        try:
            loads.append(_Load(channel, _way(channel, now), claimed))
        except vault.Unreadable:
            failed = (claimed[0][0], UNREADABLE, NotSent(UNREADABLE))
            _settle(_Load(channel, Way(kind=channel.kind), claimed, [failed]))
    return loads


def _due(now: datetime) -> list[AlertDispatch]:
    """
    Return what may be sent now: of each channel the oldest few, so that none has to wait for another's many.

    A channel that rests is sent tests alone, and one that is switched off nothing.
    """
    at_work = Q(channel__rests_until=None) | Q(channel__rests_until__lte=now) | Q(test=True)
    in_its_turn = Window(RowNumber(), partition_by=F("channel"), order_by=(F("due_at"), F("id")))
    due = AlertDispatch.objects.waiting().filter(at_work, due_at__lte=now, channel__enabled=True)
    due = due.annotate(turn=in_its_turn).filter(turn__lte=MOST_EACH).order_by("turn", "due_at", "id")
    return list(due.select_related("channel__workspace", "channel__connection")[: MOST_CHANNELS * MOST_EACH])


def _true(rows: Sequence[AlertDispatch], now: datetime) -> list[AlertDispatch]:
    """Leave out, and give up, what says that nobody has acknowledged an alert, and somebody has meanwhile."""
    told: dict[int, list[bool]] = defaultdict(list)
    notices = AlertNotice.objects.filter(dispatch__in=rows).select_related("alert")
    for notice in notices:
        open_yet = notice.alert.acknowledged_at is None and notice.alert.closed_at is None
        reminds = notice.news in (News.ESCALATED, News.REPEATED)
        told[notice.dispatch_id or 0].append(not reminds or (open_yet and speaks(notice.alert, now)))
    untrue = [row for row in rows if told[row.pk] and not any(told[row.pk])]
    if untrue:
        _give_up(untrue, "Not sent any more: the alert was acknowledged, muted or over before.", now)
    return [row for row in rows if row not in untrue]


def _way(channel: AlertChannel, now: datetime) -> Way:
    kept = channel.secrets()
    older = channel.older_until is not None and channel.older_until > now
    secrets = [kept.get("secret", ""), kept.get("older", "") if older else ""]
    return Way(
        kind=channel.kind,
        addresses=channel.settings.get("addresses", ()),
        url=kept.get("url", ""),
        secrets=[secret for secret in secrets if secret],
        connection=channel.connection,
        event=channel.settings.get("event", ""),
        fields=channel.settings.get("fields", {}),
    )


def _message(row: AlertDispatch) -> Message:
    return Message(
        id=f"msg_{row.public_id}",
        at=row.created_at,
        workspace=row.channel.workspace.name,
        alerts=row.alerts,
        test=row.test,
        digest=row.digest,
    )


def _claim(row: AlertDispatch, now: datetime) -> bool:
    mine = AlertDispatch.objects.waiting().filter(pk=row.pk, due_at__lte=now)
    return bool(mine.update(due_at=now + CLAIM, attempts=F("attempts") + 1))


def _carry(load: _Load, now: datetime) -> None:
    """Send the messages of one channel one after the other, until one does not arrive."""
    for row, message in load.messages:
        if outbound.seconds_left() < LEAST:
            break
        try:
            said = transports.send(load.way, message, reached=row.reached, now=now)
        except NotSent as failure:
            load.ends.append((row, str(failure), failure))
            if not row.test:
                break
        except OutOfTime:
            break
        except Exception as failure:  # a fault of ours with one message is no reason to stop all others
            log.exception("channel.failed", channel=load.channel.public_id)
            load.ends.append((row, type(failure).__name__, NotSent(type(failure).__name__)))
            break
        else:
            load.ends.append((row, said, None))


def _settle(load: _Load) -> int:
    """Write down what came of it, and return how many messages arrived."""
    now = timezone.now()
    arrived = 0
    with transaction.atomic():
        channel = AlertChannel.objects.select_for_update().get(pk=load.channel.pk)
        for row, said, failure in load.ends:
            row.answer = redact_text(said)[:FAILURE_LENGTH]
            row.attempts += 1  # as the claim has counted
            if failure is None:
                arrived += 1
                row.sent_at = now
                _well(channel, now)
                row.save(update_fields=["answer", "reached", "sent_at", "given_up_at"])
            else:
                _postpone(row, failure, now)
                if not row.test:
                    _rest(channel, row.answer, failure, now)
                # Not if it was dropped meanwhile, or sent by another process.
                AlertDispatch.objects.waiting().filter(pk=row.pk).update(
                    answer=row.answer, reached=row.reached, due_at=row.due_at, given_up_at=row.given_up_at
                )
        channel.save(update_fields=["failures", "failure", "rests_until", "failed_since", "last_sent_at"])
        # What was claimed and not come to is due again at once, when the channel has rested.
        for row, _ in load.messages[len(load.ends) :]:
            left = AlertDispatch.objects.waiting().filter(pk=row.pk)
            left.update(due_at=now, attempts=F("attempts") - 1, reached=row.reached)
        _tell(load, now)
    return arrived


def _well(channel: AlertChannel, now: datetime) -> None:
    channel.failures, channel.failure, channel.last_sent_at = 0, "", now
    channel.rests_until = channel.failed_since = None


def _rest(channel: AlertChannel, said: str, failure: NotSent, now: datetime) -> None:
    rest = min(LONGEST_REST, FIRST_REST * 2 ** min(channel.failures, 10))
    channel.rests_until = now + max(rest, timedelta(seconds=failure.retry_after))
    channel.failures += 1
    channel.failure = said
    channel.failed_since = channel.failed_since or now
    log.warning("channel.rests", channel=channel.public_id, until=channel.rests_until)


def _postpone(row: AlertDispatch, failure: NotSent, now: datetime) -> None:
    wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(row.attempts - 1, 10))
    row.due_at = now + max(wait, timedelta(seconds=failure.retry_after))
    hopeless = failure.final and row.attempts >= REFUSALS
    if row.test or hopeless or now - row.created_at > PATIENCE:
        row.given_up_at = now


def _give_up(rows: Iterable[AlertDispatch], said: str, now: datetime) -> None:
    ids = [row.pk for row in rows]
    AlertDispatch.objects.waiting().filter(pk__in=ids).update(given_up_at=now, answer=said)


def _give_up_old(now: datetime) -> None:
    """Give up what waited too long for a channel that is down, whether or not its turn has come."""
    old = AlertDispatch.objects.waiting().filter(due_at__lte=now, created_at__lt=now - PATIENCE)
    old.filter(channel__failures__gt=0).update(given_up_at=now, answer=TOO_OLD)


def _tell(load: _Load, now: datetime) -> None:
    """Have the pages drawn anew that show the messages."""
    concerned = Environment.objects.filter(workspace=load.channel.workspace_id)
    for environment in concerned.order_by("pk"):
        Change.objects.record(environment_id=environment.pk, kind="alert", summary={}, now=now)
