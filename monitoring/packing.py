"""
This module makes messages of the notices that are due, in the order and number that the rules allow.

What is of no use any more is dropped: people may have acknowledged, muted or switched off meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from monitoring import ruling
from monitoring.conditions import KINDS
from monitoring.models import Alert, AlertDispatch, AlertNotice, AlertRule
from monitoring.notices import speaks
from monitoring.ruling import HOUR, News, Terms, Waiting
from monitoring.wording import Message

AT_ONCE = 500  # notices of one pass
LONGEST_WINDOW = timedelta(hours=1)  # for which the first of a kind waits at most


def pack(*, now: datetime) -> None:
    """Make messages of the notices that are due, drop those that are of no use any more, put off the rest."""
    if not AlertNotice.objects.filter(dispatch=None, due_at__lte=now).exists():
        return
    with transaction.atomic():
        notices = list(_due(now))
        terms = _terms({one.rule_id for one in notices if one.rule_id})
        useful, useless = _sorted_out(notices, terms, now)
        AlertNotice.objects.filter(pk__in=[one.pk for one in useless]).delete()
        by_id = {one.pk: one for one in useful}
        packed = ruling.pack(
            [_waiting(one) for one in useful], terms=terms, sent=_sent_lately(useful, now), now=now
        )
        for notice, at in packed.postponed.items():
            AlertNotice.objects.filter(pk=notice, dispatch=None).update(due_at=at)
        for parcel in packed.parcels:
            _pack(parcel, [by_id[notice] for notice in parcel.notices], terms, now)


def _due(now: datetime) -> QuerySet[AlertNotice]:
    """Return what waits and may be told now: what is due, and what waits for it to be told together."""
    rows = AlertNotice.objects.filter(dispatch=None, due_at__lte=now + LONGEST_WINDOW).order_by(
        "due_at", "id"
    )
    rows = rows.select_related("alert__workspace", "alert__environment", "channel", "rule")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(of=("self",), skip_locked=True)
    return rows[:AT_ONCE]


def _sorted_out(
    notices: Iterable[AlertNotice], terms: Mapping[int | None, Terms], now: datetime
) -> tuple[list[AlertNotice], list[AlertNotice]]:
    useful: list[AlertNotice] = []
    useless: list[AlertNotice] = []
    for one in notices:
        (useful if _is_useful(one, terms.get(one.rule_id), now) else useless).append(one)
    return useful, useless


def _is_useful(notice: AlertNotice, terms: Terms | None, now: datetime) -> bool:
    """Tell whether a notice is still worth telling: people and rules may have decided otherwise meanwhile."""
    alert, rule = notice.alert, notice.rule
    if terms is None or rule is None or not rule.enabled:
        return False
    if not notice.channel.enabled or not speaks(alert, now):
        return False
    if notice.news == News.OVER:
        return True
    if notice.news in (News.ESCALATED, News.REPEATED) and alert.acknowledged_at is not None:
        return False
    if notice.news == News.REPEATED and terms.repeat is None:
        return False
    late = notice.news == News.ESCALATED
    steps = [step for step in terms.steps if step.after] if late else terms.steps
    return alert.closed_at is None and notice.channel_id in {step.channel for step in steps}


def _terms(rules: Iterable[int]) -> dict[int | None, Terms]:
    rows = AlertRule.objects.filter(pk__in=rules).prefetch_related("environments", "steps__channel")
    return {rule.pk: rule.terms() for rule in rows}


def _waiting(notice: AlertNotice) -> Waiting:
    return Waiting(
        notice=notice.pk,
        rule=notice.rule_id,
        channel=notice.channel_id,
        kind=notice.alert.kind,
        severity=notice.alert.severity,
        news=News(notice.news),
        due_at=notice.due_at,
    )


def _sent_lately(
    notices: Iterable[AlertNotice], now: datetime
) -> dict[tuple[int | None, int], list[datetime]]:
    found: dict[tuple[int | None, int], list[datetime]] = defaultdict(list)
    limited = {one.rule_id for one in notices if one.rule is not None and one.rule.per_hour}
    if limited:
        rows = AlertDispatch.objects.filter(rule__in=limited, created_at__gt=now - HOUR, test=False)
        for rule, channel, at in rows.values_list("rule", "channel", "created_at"):
            found[rule, channel].append(at)
    return found


def _pack(
    parcel: ruling.Parcel, notices: Sequence[AlertNotice], terms: dict[int | None, Terms], now: datetime
) -> None:
    told = [_as_told(one) for one in notices]
    message = Message(id="", at=now, workspace=notices[0].alert.workspace.name, alerts=told)
    dispatch = AlertDispatch.objects.create(
        channel_id=parcel.channel,
        rule_id=parcel.rule,
        subject=message.subject[:250],
        alerts=told,
        digest=parcel.digest,
        created_at=now,
        due_at=now,
    )
    mine = AlertNotice.objects.filter(pk__in=[one.pk for one in notices], dispatch=None)
    mine.update(dispatch=dispatch)
    repeat = terms[parcel.rule].repeat if parcel.rule in terms else None
    if repeat is not None:
        AlertNotice.objects.bulk_create(
            [
                AlertNotice(
                    alert=one.alert, channel_id=parcel.channel, rule_id=parcel.rule,
                    news=News.REPEATED, due_at=now + repeat,
                )
                for one in notices
                if one.news not in (News.OVER, News.AGAIN)
                and one.alert.acknowledged_at is None
                and one.alert.closed_at is None
            ],
            ignore_conflicts=True,
        )  # fmt: skip


def _as_told(notice: AlertNotice) -> dict[str, Any]:
    """Return what is told of an alert, as plain data. No secret is in its addresses: both need a sign-in."""
    alert = notice.alert
    where = f"{alert.workspace}, {alert.environment}" if alert.environment else str(alert.workspace)
    return {
        "id": alert.public_id,
        "news": str(notice.news),
        "kind": alert.kind,
        "label": KINDS[alert.kind].label if alert.kind in KINDS else alert.kind,
        "severity": alert.severity,
        "title": alert.title,
        "text": alert.text,
        "where": where,
        "environment": alert.environment.slug if alert.environment else None,
        "count": alert.count,
        "url": settings.PUBLIC_URL + alert.link,
        "acknowledge_url": settings.PUBLIC_URL + page_of(alert),
        "opened_at": (alert.opened_at or alert.noticed_at).isoformat(),
        "closed_at": alert.closed_at.isoformat() if alert.closed_at else None,
    }


def page_of(alert: Alert) -> str:
    """Return the path of the page on which `alert` is acknowledged."""
    place = alert.link.split("/")[:4]  # "", "w", workspace, environment
    return f"{'/'.join(place)}/alerts/#alert-{alert.public_id}"
