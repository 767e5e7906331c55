"""This module plans whom the alert rules tell, within the transaction that changes the alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Max, Prefetch

from monitoring import ruling
from monitoring.conditions import KINDS, Severity
from monitoring.models import Alert, AlertChannel, AlertNotice, AlertRule, AlertRuleStep
from monitoring.ruling import Incident, News, Terms

# By which administrators are mailed where nobody has said otherwise: as it was before there were rules.
BY_DEFAULT = Terms(
    rule=None,
    severities=frozenset({Severity.WARNING.value, Severity.CRITICAL.value}),
    administrators=True,
)


class Rules:
    """The rules of some workspaces, in their order, and the channels that do not take everything."""

    def __init__(self, by_workspace: Mapping[int, Sequence[Terms]], by_mail: frozenset[int]) -> None:
        self._by_workspace = by_workspace
        self._by_mail = by_mail

    @classmethod
    def of(cls, workspaces: Iterable[int]) -> Rules:
        """Return the rules of `workspaces` that are switched on."""
        wanted = set(workspaces)
        found: dict[int, list[Terms]] = {workspace: [] for workspace in wanted}
        steps = Prefetch("steps", AlertRuleStep.objects.select_related("channel"))
        own = set()
        for rule in AlertRule.objects.filter(workspace__in=wanted).prefetch_related("environments", steps):
            if rule.administrators:
                own.add(rule.workspace_id)
            if rule.enabled:
                found[rule.workspace_id].append(rule.terms())
        for workspace in wanted - own:
            found[workspace].append(BY_DEFAULT)
        mail = AlertChannel.objects.filter(workspace__in=wanted, kind=AlertChannel.Kind.EMAIL)
        return cls(found, frozenset(mail.values_list("pk", flat=True)))

    def for_administrators(self, alert: Alert) -> Terms | None:
        """Return the rule by which administrators are mailed about `alert`, or None if they are not."""
        told = ruling.holding(self._by_workspace[alert.workspace_id], incident_of(alert))
        return next((terms for terms in told if terms.administrators), None)

    def plan(
        self, alert: Alert, news: News, *, now: datetime, last: datetime | None = None
    ) -> list[AlertNotice]:
        """Return the notices, not saved, of what `alert` has become."""
        incident = incident_of(alert)
        planned = ruling.plan(self._by_workspace[alert.workspace_id], incident, news, now=now, last=last)
        # That mail cannot be sent is not told by mail.
        mailed = alert.kind not in KINDS or KINDS[alert.kind].mailed
        return [
            AlertNotice(
                alert=alert, rule_id=one.rule, channel_id=one.channel, news=one.news, due_at=one.due_at
            )
            for one in planned
            if mailed or one.channel not in self._by_mail
        ]

    def tells_end(self, workspace: int, rule: int | None) -> bool:
        """Tell whether a rule also tells that something is over."""
        return any(one.rule == rule and one.tells_end for one in self._by_workspace[workspace])


def incident_of(alert: Alert) -> Incident:
    """Return what rules look at of `alert`."""
    return Incident(
        alert=alert.pk,
        kind=alert.kind,
        severity=alert.severity,
        environment=alert.environment_id,
        opened_at=alert.opened_at or alert.noticed_at,
    )


def opened(alerts: Iterable[Alert], rules: Rules, *, now: datetime) -> None:
    """Plan whom to tell that `alerts` began."""
    _keep(one for alert in alerts if speaks(alert, now) for one in rules.plan(alert, News.OPENED, now=now))


def risen(alerts: Sequence[Alert], rules: Rules, *, now: datetime) -> None:
    """
    Plan whom to tell of `alerts` that matter more than before, and who was not told of them yet.

    What waits, for quiet hours to end or for its like, is looked at anew: it may be told at once by now.
    """
    known = defaultdict(set)
    waiting = {}
    for notice in AlertNotice.objects.filter(alert__in=alerts):
        known[notice.alert_id].add(notice.channel_id)
        if notice.dispatch_id is None:
            waiting[notice.alert_id, notice.channel_id, notice.news] = notice
    planned = [
        one
        for alert in alerts
        if speaks(alert, now) and alert.acknowledged_at is None
        for one in rules.plan(alert, News.OPENED, now=now)
    ]
    _keep(one for one in planned if one.channel_id not in known[one.alert_id])
    for one in planned:
        for news in (one.news, News.AGAIN) if one.news == News.OPENED else (one.news,):
            there = waiting.get((one.alert_id, one.channel_id, news))
            if there is not None and one.due_at < there.due_at:
                AlertNotice.objects.filter(pk=there.pk, dispatch=None).update(due_at=one.due_at)


def again(alerts: Sequence[Alert], rules: Rules, *, now: datetime) -> None:
    """Plan whom to tell that more of the same has happened; what waits to be told says so by itself."""
    told = AlertNotice.objects.filter(alert__in=alerts, news__in=(News.OPENED, News.AGAIN)).order_by()
    last = dict(told.values_list("alert").annotate(Max("due_at")))
    waiting = set(told.filter(dispatch=None).values_list("alert", "channel"))
    _keep(
        one
        for alert in alerts
        if speaks(alert, now)
        for one in rules.plan(alert, News.AGAIN, now=now, last=last.get(alert.pk))
        if (one.alert_id, one.channel_id) not in waiting
    )


def over(alerts: Sequence[Alert], rules: Rules, *, now: datetime) -> None:
    """Tell whoever was told of `alerts` that they are over; what nobody was told yet is not told any more."""
    AlertNotice.objects.filter(alert__in=alerts, dispatch=None).delete()
    told = {
        (alert_id, channel): rule
        for alert_id, channel, rule in AlertNotice.objects.filter(alert__in=alerts, channel__enabled=True)
        .exclude(news=News.OVER)
        .values_list("alert", "channel", "rule")
    }
    by_id = {alert.pk: alert for alert in alerts}
    _keep(
        AlertNotice(alert_id=alert_id, channel_id=channel, rule_id=rule, news=News.OVER, due_at=now)
        for (alert_id, channel), rule in told.items()
        if speaks(by_id[alert_id], now) and rules.tells_end(by_id[alert_id].workspace_id, rule)
    )


def stay_silent(alert: Alert) -> None:
    """Take back what is planned about `alert` and was not told yet."""
    AlertNotice.objects.filter(alert=alert, dispatch=None).delete()


def speaks(alert: Alert, now: datetime) -> bool:
    """Tell whether nobody has muted `alert`."""
    return alert.muted_until is None or alert.muted_until <= now


def _keep(planned: Iterable[AlertNotice]) -> None:
    AlertNotice.objects.bulk_create(list(planned), ignore_conflicts=True)
