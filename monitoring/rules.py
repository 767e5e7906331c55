"""This module sets up the rules that say which alerts are told by which channels, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import available_timezones

from django.db import transaction
from django.db.models import Max

from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace
from integrator.kernel.refusals import Unacceptable
from monitoring.channels import tell_pages
from monitoring.conditions import KINDS, Severity
from monitoring.models import AlertChannel, AlertDelivery, AlertNotice, AlertRule, AlertRuleStep
from monitoring.notices import BY_DEFAULT
from monitoring.packing import LONGEST_WINDOW
from monitoring.ruling import UNTOLD

MOST = 100  # rules of a workspace
MOST_STEPS = 20
LONGEST_AFTER = 7 * 24 * 60  # minutes after which a step is told at the latest
MOST_PER_HOUR = 1000
ADMINISTRATORS = "Administrators by e-mail"
TELLABLE = {kind: what.label for kind, what in KINDS.items() if kind not in UNTOLD}


@dataclass(frozen=True, slots=True)
class GivenStep:
    """A channel, and after how many minutes without an acknowledgement it is told; 0: at once."""

    channel: AlertChannel
    after_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody has entered about a rule; empty `kinds` or `environments` mean all of them."""

    name: str
    severities: Sequence[str] = (Severity.WARNING.value, Severity.CRITICAL.value)
    kinds: Sequence[str] = ()
    environments: Sequence[Environment] = ()
    steps: Sequence[GivenStep] = ()
    enabled: bool = True
    stops: bool = False
    tells_end: bool = True
    window_seconds: int = 0
    per_hour: int = 20
    repeat_minutes: int = 0
    quiet_from: time | None = None
    quiet_until: time | None = None
    quiet_zone: str = "UTC"
    quiet_lets_critical: bool = True


def add(*, workspace: Workspace, given: Given, actor: str, now: datetime) -> AlertRule:
    """
    Return a new rule, behind all others.

    :raises Unacceptable: if something about it cannot be; `field` names it
    """
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        mine = AlertRule.objects.filter(workspace=workspace)
        if mine.count() >= MOST:
            raise Unacceptable(f"A workspace has at most {MOST} rules.")
        last = mine.aggregate(last=Max("position"))["last"]
        rule = AlertRule(workspace=workspace, created_by=actor, created_at=now)
        rule.position = 0 if last is None else last + 1
        _fill(rule, given)
        _audit(rule, actor, "rule.added", now)
    return rule


def change(*, rule: AlertRule, given: Given, actor: str, now: datetime) -> AlertRule:
    """
    Let `rule` be as `given` from now on; what waits because of it goes by what it says then.

    :raises Unacceptable: if something about it cannot be; `field` names it
    """
    with transaction.atomic():
        # Two people who choose one name at once: the second is told so.
        Workspace.objects.select_for_update(no_key=True).get(pk=rule.workspace_id)
        found = _locked(rule)
        _fill(found, given)
        if not found.enabled:
            _drop(found)
        _audit(found, actor, "rule.changed", now)
    return found


def switch(*, rule: AlertRule, on: bool, actor: str, now: datetime) -> AlertRule:
    """Let `rule` tell of what happens from now on, or nothing; what waits because of it is dropped then."""
    with transaction.atomic():
        found = _locked(rule)
        if found.enabled != on:
            found.enabled = on
            found.save(update_fields=["enabled"])
            if not on:
                _drop(found)
            _audit(found, actor, "rule.switched_on" if on else "rule.switched_off", now)
    return found


def move(*, rule: AlertRule, up: bool, actor: str, now: datetime) -> None:
    """Have `rule` looked at before the one in front of it, or after the one behind it."""
    with transaction.atomic():
        found = _locked(rule)
        others = AlertRule.objects.filter(workspace=found.workspace, administrators=False)
        ordered = list(others.order_by("position", "id"))
        place = [one.pk for one in ordered].index(found.pk)
        other = place - 1 if up else place + 1
        if not 0 <= other < len(ordered):
            return
        ordered[place], ordered[other] = ordered[other], ordered[place]
        for position, one in enumerate(ordered):
            one.position = position
        AlertRule.objects.bulk_update(ordered, ["position"])
        _audit(found, actor, "rule.moved", now)


def delete(*, rule: AlertRule, actor: str, now: datetime) -> None:
    """
    Remove `rule`; what it planned and was not told yet is dropped.

    :raises Unacceptable: if it is the one by which administrators are mailed, which can only be switched off
    """
    with transaction.atomic():
        found = _locked(rule)
        if found.administrators:
            raise Unacceptable("This rule can be switched off, and not deleted.")
        _drop(found)
        _audit(found, actor, "rule.deleted", now)
        found.delete()


def for_administrators(workspace: Workspace) -> AlertRule:
    """Return the rule by which administrators are mailed; not saved where it is as from the beginning."""
    found = AlertRule.objects.filter(workspace=workspace, administrators=True).first()
    return found or AlertRule(
        workspace=workspace,
        name=ADMINISTRATORS,
        administrators=True,
        severities=sorted(BY_DEFAULT.severities, reverse=True),
        per_hour=0,
    )


def own_for_administrators(workspace: Workspace, *, actor: str, now: datetime) -> AlertRule:
    """Return the rule by which administrators are mailed as a row that can be changed."""
    rule = for_administrators(workspace)
    if rule.pk is None:
        with transaction.atomic():
            Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
            rule = for_administrators(workspace)
            if rule.pk is None:
                rule.created_by, rule.created_at = actor, now
                rule.save()
    return rule


# Helpers


def _locked(rule: AlertRule) -> AlertRule:
    return AlertRule.objects.select_related("workspace").select_for_update(of=("self",)).get(pk=rule.pk)


def _drop(rule: AlertRule) -> None:
    AlertNotice.objects.filter(rule=rule, dispatch=None).delete()
    if rule.administrators:
        mails = AlertDelivery.objects.filter(AlertDelivery.WAITING, attempts=0)
        mails.filter(alert__workspace=rule.workspace_id).delete()


def _fill(rule: AlertRule, given: Given) -> None:
    _check(rule, given)
    if not rule.administrators:
        rule.name = " ".join(given.name.split())
    rule.enabled, rule.stops, rule.tells_end = given.enabled, given.stops, given.tells_end
    rule.kinds = [kind for kind in TELLABLE if kind in given.kinds]
    rule.severities = [one.value for one in Severity if one.value in given.severities]
    rule.window_seconds, rule.per_hour = given.window_seconds, given.per_hour
    rule.repeat_minutes = given.repeat_minutes
    rule.quiet_from, rule.quiet_until = given.quiet_from, given.quiet_until
    rule.quiet_zone, rule.quiet_lets_critical = given.quiet_zone, given.quiet_lets_critical
    rule.save()
    rule.environments.set(given.environments)
    _keep_steps(rule, given.steps)


def _keep_steps(rule: AlertRule, given: Iterable[GivenStep]) -> None:
    rule.steps.all().delete()
    AlertRuleStep.objects.bulk_create(
        AlertRuleStep(rule=rule, channel=step.channel, after_minutes=step.after_minutes)
        for step in dict.fromkeys(given)
    )


def _check(rule: AlertRule, given: Given) -> None:
    name = " ".join(given.name.split())
    if not rule.administrators:
        if not name or len(name) > 100 or not name.isprintable():
            raise Unacceptable("Give it a name of at most 100 characters.", field="name")
        others = AlertRule.objects.filter(workspace=rule.workspace, name=name).exclude(pk=rule.pk)
        if name == ADMINISTRATORS or others.exists():
            raise Unacceptable("Another rule has this name.", field="name")
        _check_steps(rule, given)
    if not given.severities or set(given.severities) - set(Severity):
        raise Unacceptable("Choose at least one urgency.", field="severities")
    if unknown := set(given.kinds) - set(TELLABLE):
        raise Unacceptable(f"There is no kind of alert {sorted(unknown)[0][:50]!r}.", field="kinds")
    for one in given.environments:
        if one.workspace_id != rule.workspace_id:
            raise Unacceptable("There is no such environment here.", field="environments")
    _check_range(given.window_seconds, int(LONGEST_WINDOW.total_seconds()), "window_seconds")
    _check_range(given.per_hour, MOST_PER_HOUR, "per_hour")
    _check_range(given.repeat_minutes, LONGEST_AFTER, "repeat_minutes")
    _check_quiet(given)


def _check_steps(rule: AlertRule, given: Given) -> None:
    if not given.steps:
        raise Unacceptable("Choose at least one channel.", field="steps")
    if len(given.steps) > MOST_STEPS:
        raise Unacceptable(f"A rule has at most {MOST_STEPS} steps.", field="steps")
    for step in given.steps:
        if step.channel.workspace_id != rule.workspace_id or step.channel.deleted_at is not None:
            raise Unacceptable("There is no such channel here.", field="steps")
        _check_range(step.after_minutes, LONGEST_AFTER, "steps")


def _check_range(number: int, most: int, field: str) -> None:
    if not 0 <= number <= most:
        raise Unacceptable(f"Enter a number from 0 to {most:,}.", field=field)


def _check_quiet(given: Given) -> None:
    if (given.quiet_from is None) != (given.quiet_until is None):
        raise Unacceptable("Say from when until when, or leave both empty.", field="quiet_until")
    if given.quiet_from is not None and given.quiet_from == given.quiet_until:
        raise Unacceptable("Quiet hours have to end at another time than they begin.", field="quiet_until")
    if given.quiet_zone not in available_timezones():
        raise Unacceptable("There is no such time zone; enter one such as Europe/Berlin.", field="quiet_zone")


def _audit(rule: AlertRule, actor: str, action: str, now: datetime) -> None:
    audit.record(
        workspace=rule.workspace,
        actor=actor,
        action=action,
        target=rule.name,
        details={
            "rule": rule.public_id,
            "urgency": list(rule.severities),
            "channels": [str(step.channel) for step in rule.steps.select_related("channel")],
        },
        now=now,
    )
    tell_pages(rule.workspace_id, now=now)
