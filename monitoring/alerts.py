"""
This module keeps one alert for each incident: it opens, follows and closes them, and lets people decide.

Everything about alerts that changes is committed together with the mails and notices that are due because of
it and with a row in the change feed, so that pages and messages say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from flows.models import Change
from integrator.accounts import audit
from integrator.accounts.models import Environment
from monitoring import notices, recipients
from monitoring.conditions import KINDS, Condition, Kind, Severity
from monitoring.gathering import gather
from monitoring.judging import judge
from monitoring.memory import Memory
from monitoring.models import Alert, AlertDelivery, AlreadyClosed
from monitoring.notices import Rules
from monitoring.ruling import AGAIN_EVERY, Terms

__all__ = ["AlreadyClosed", "Memory", "acknowledge", "evaluate", "follow", "mute"]

# How often the row says that the incident is still there.
SEEN_EVERY = timedelta(minutes=1)
CHANNEL = "email"
MOST_NAMED = 50

USUAL = Kind("Something happened")
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def evaluate(*, now: datetime, memory: Memory | None = None) -> int:
    """Look at how things are, and return how many alerts changed because of it."""
    return follow(judge(gather(now=now, memory=memory or Memory()), now=now), now=now)


def follow(conditions: Sequence[Condition], *, now: datetime) -> int:
    """Let the alerts say what `conditions` say, and return how many changed as a reader sees them."""
    known = {(alert.workspace_id, alert.key): alert for alert in Alert.objects.filter(closed_at__isnull=True)}
    changes = _Changes(now)
    for condition in conditions:
        alert = known.pop((condition.workspace_id, condition.key), None)
        if alert is None:
            changes.begin(condition)
        else:
            changes.keep(alert, condition)
    for alert in known.values():
        changes.miss(alert)
    changes.commit()
    return len(changes.seen)


@dataclass(slots=True)
class _Changes:
    """What one evaluation changes, collected first, so that nothing is written while all is as it was."""

    now: datetime
    new: list[Alert] = field(default_factory=list)
    saved: list[Alert] = field(default_factory=list)
    dropped: list[Alert] = field(default_factory=list)
    seen: list[Alert] = field(default_factory=list)  # those that a reader sees changed
    opened: list[Alert] = field(default_factory=list)
    again: list[Alert] = field(default_factory=list)
    risen: list[Alert] = field(default_factory=list)  # those that matter more than before
    over: list[Alert] = field(default_factory=list)

    def begin(self, condition: Condition) -> None:
        """Notice something new."""
        alert = Alert.of(condition, now=self.now)
        self.new.append(alert)
        self._open_if_due(alert)

    def keep(self, alert: Alert, condition: Condition) -> None:
        """Follow what goes on."""
        before, seen_at, was_gone = alert.count, alert.last_seen_at, alert.gone_at is not None
        mattered = alert.severity
        changed = alert.follow(condition, now=self.now)
        if alert.opened_at is None:
            self.saved.append(alert)
            self._open_if_due(alert)
        elif changed:
            self.saved.append(alert)
            self.seen.append(alert)
            if alert.count > before and _kind(alert).repeats:
                self.again.append(alert)
            if _RANK[Severity(alert.severity)] > _RANK[Severity(mattered)]:
                self.risen.append(alert)
        elif was_gone or self.now - seen_at >= SEEN_EVERY:
            self.saved.append(alert)
            if was_gone:
                self.seen.append(alert)

    def miss(self, alert: Alert) -> None:
        """Notice that something is not there any more."""
        if alert.opened_at is None:
            self.dropped.append(alert)
        elif alert.gone_at is None:
            alert.gone_at = self.now
            self.saved.append(alert)
            self.seen.append(alert)
        elif self.now - alert.gone_at >= _kind(alert).lingers:
            alert.closed_at = self.now
            self.saved.append(alert)
            self.seen.append(alert)
            self.over.append(alert)

    def _open_if_due(self, alert: Alert) -> None:
        if self.now - alert.noticed_at >= _kind(alert).patience:
            alert.opened_at = self.now
            self.opened.append(alert)
            self.seen.append(alert)

    def commit(self) -> None:
        """Write all of it, with the mails and the news that follow from it."""
        if not (self.new or self.saved or self.dropped):
            return
        with transaction.atomic():
            self._inherit_silence()
            # Another process may have noticed the same at the same moment: the row that is there stays.
            Alert.objects.bulk_create(self.new, ignore_conflicts=True)
            Alert.objects.bulk_update(self.saved, _FOLLOWED, batch_size=100)
            Alert.objects.filter(pk__in=[alert.pk for alert in self.dropped]).delete()
            ended = Alert.objects.filter(pk__in=[alert.pk for alert in self.over], closed_at__isnull=True)
            ended.update(closed_at=self.now)
            self._spread()
            _tell(self.seen, now=self.now)

    def _spread(self) -> None:
        """Have the news mailed to administrators, and told by channels, as the rules say."""
        opened = _stored(self.opened)
        concerned = [*opened, *self.again, *self.risen, *self.over]
        if not concerned:
            return
        rules = Rules.of({alert.workspace_id for alert in concerned})
        _mail_news(opened, AlertDelivery.News.OPENED, rules, now=self.now)
        _mail_news(self.again, AlertDelivery.News.AGAIN, rules, now=self.now)
        _mail_the_end(self.over, now=self.now)
        notices.opened(opened, rules, now=self.now)
        if self.risen:
            _mail_risen(self.risen, rules, now=self.now)
            notices.risen(self.risen, rules, now=self.now)
        if self.again:
            notices.again(self.again, rules, now=self.now)
        if self.over:
            notices.over(self.over, rules, now=self.now)

    def _inherit_silence(self) -> None:
        """Keep silent about an incident that comes back while somebody wants to hear nothing of it."""
        if not self.new:
            return
        muted = Alert.objects.filter(
            key__in=[alert.key for alert in self.new], muted_until__gt=self.now, closed_at__isnull=False
        )
        until = {(alert.workspace_id, alert.key): alert.muted_until for alert in muted}
        for alert in self.new:
            alert.muted_until = until.get((alert.workspace_id, alert.key))


# What an evaluation may change. Not what people decide: they may have done so since the rows were read.
_FOLLOWED = ["severity", "title", "text", "link", "count", "newest", "last_seen_at", "gone_at", "opened_at"]


def _stored(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the rows of `alerts` as they are in the database, those that another process made left out."""
    return list(Alert.objects.filter(public_id__in=[alert.public_id for alert in alerts]))


def _kind(alert: Alert) -> Kind:
    return KINDS.get(alert.kind, USUAL)


# Mail


def _mail_news(alerts: Iterable[Alert], news: AlertDelivery.News, rules: Rules, *, now: datetime) -> None:
    """Have `alerts` mailed to the administrators concerned, unless they are muted or mere information."""
    if not recipients.mail_is_sent():
        return
    rows = [
        AlertDelivery(
            alert=alert, channel=CHANNEL, recipient=address, news=news, due_at=_due(alert, news, terms, now)
        )
        for alert in alerts
        if _is_mailed(alert, now) and (terms := rules.for_administrators(alert)) is not None
        for address in recipients.of(alert.workspace_id, alert.environment_id)
    ]
    AlertDelivery.objects.bulk_create(rows, ignore_conflicts=True)


def _is_mailed(alert: Alert, now: datetime) -> bool:
    muted = alert.muted_until is not None and alert.muted_until > now
    return _kind(alert).mailed and alert.severity != Severity.INFO and not muted


def _due(alert: Alert, news: AlertDelivery.News, terms: Terms, now: datetime) -> datetime:
    """Return when to mail: at once but for quiet hours; more of the same only every now and then."""
    due = now
    if news == AlertDelivery.News.AGAIN:
        last = alert.deliveries.order_by("-due_at").values_list("due_at", flat=True).first()
        due = now if last is None else max(now, last + AGAIN_EVERY)
    critical = alert.severity == Severity.CRITICAL
    return (terms.quiet.over_at(due, critical=critical) if terms.quiet else None) or due


def _mail_risen(alerts: Iterable[Alert], rules: Rules, *, now: datetime) -> None:
    """Mail what matters so much by now that it is mailed; if it waits for quiet hours to end, earlier."""
    untold = []
    for alert in alerts:
        terms = rules.for_administrators(alert)
        if terms is None or alert.acknowledged_at is not None:
            continue
        if not alert.deliveries.exists():
            untold.append(alert)
            continue
        due = _due(alert, AlertDelivery.News.OPENED, terms, now)
        waiting = alert.deliveries.filter(AlertDelivery.WAITING, attempts=0, due_at__gt=due)
        waiting.update(due_at=due)
    _mail_news(untold, AlertDelivery.News.OPENED, rules, now=now)


def _mail_the_end(alerts: Iterable[Alert], *, now: datetime) -> None:
    """Tell whoever was told of something critical that it is over; what nobody was told yet is not mailed."""
    for alert in alerts:
        waiting = alert.deliveries.filter(AlertDelivery.WAITING, attempts=0)
        waiting.delete()
        if alert.severity != Severity.CRITICAL or not _is_mailed(alert, now):
            continue
        told = set(alert.deliveries.values_list("recipient", flat=True))
        AlertDelivery.objects.bulk_create(
            [
                AlertDelivery(
                    alert=alert, channel=CHANNEL, recipient=address, news=AlertDelivery.News.OVER, due_at=now
                )
                for address in sorted(told)
            ],
            ignore_conflicts=True,
        )


# What people decide


def acknowledge(*, alert: Alert, actor: str, now: datetime) -> Alert:
    """
    Say that somebody takes care of `alert`; what only happened, and does not last, is over with that.

    :raises AlreadyClosed: if it is over by now
    """
    with transaction.atomic():
        found = _locked().get(pk=alert.pk)
        if found.acknowledged_at is None:
            found.acknowledge(actor=actor, now=now)
            _stay_silent(found)
            _audit(found, actor, "alert.acknowledged", now)
            _tell([found], now=now)
        elif found.closed_at is not None:
            raise AlreadyClosed("This is over by now.")
    return found


def mute(*, alert: Alert, until: datetime | None, actor: str, now: datetime) -> Alert:
    """
    Let `alert`, and its like until then, be silent until `until`; None lets it speak again.

    :raises AlreadyClosed: if it is over by now
    """
    with transaction.atomic():
        found = _locked().get(pk=alert.pk)
        found.mute(until=until)
        if until is not None:
            _stay_silent(found)
        until_text = until.isoformat() if until else ""
        _audit(found, actor, "alert.muted" if until else "alert.unmuted", now, until=until_text)
        _tell([found], now=now)
    return found


def _locked() -> QuerySet[Alert]:
    return Alert.objects.select_related("workspace", "environment").select_for_update(of=("self",))


def _stay_silent(alert: Alert) -> None:
    """Take back the mails and notices that were not tried yet."""
    alert.deliveries.filter(AlertDelivery.WAITING, attempts=0).delete()
    notices.stay_silent(alert)


def _audit(alert: Alert, actor: str, action: str, now: datetime, **details: str) -> None:
    audit.record(
        workspace=alert.workspace,
        actor=actor,
        action=action,
        target=alert.title,
        details={"alert": alert.public_id, **{name: value for name, value in details.items() if value}},
        now=now,
    )


# The change feed


def _tell(alerts: Sequence[Alert], *, now: datetime) -> None:
    """Write one change for each environment whose pages show one of `alerts`."""
    if not alerts:
        return
    whole = {alert.workspace_id for alert in alerts if alert.environment_id is None}
    own = {alert.environment_id for alert in alerts if alert.environment_id is not None}
    concerned = Environment.objects.filter(Q(workspace__in=whole) | Q(pk__in=own)).order_by("pk")
    for environment_id, workspace_id in concerned.values_list("pk", "workspace_id"):
        named = [
            alert.public_id
            for alert in alerts
            if alert.environment_id == environment_id
            or (alert.environment_id is None and alert.workspace_id == workspace_id)
        ]
        summary = {"alerts": named[:MOST_NAMED]}
        Change.objects.record(environment_id=environment_id, kind="alert", summary=summary, now=now)
