"""This module says in templates what an alert rule says."""

from __future__ import annotations

from django import template

from monitoring.models import AlertRule
from monitoring.rules import TELLABLE
from monitoring.words import counted

register = template.Library()
FEW = 4
DAY = 24 * 60


@register.filter
def rule_about(rule: AlertRule) -> str:
    """Say which alerts a rule is about."""
    kinds = [TELLABLE.get(kind, kind) for kind in rule.kinds]
    what = ", ".join(kinds[:FEW]) + (f" and {len(kinds) - FEW} more" if len(kinds) > FEW else "")
    names = [str(one) for one in rule.environments.all()] if rule.pk else []
    urgency = " and ".join(one.replace("info", "information") for one in rule.severities)
    return " · ".join([urgency.capitalize(), what or "all kinds", ", ".join(names) or "every environment"])


@register.filter
def rule_when(rule: AlertRule) -> str:
    """Say how a rule bundles, repeats and keeps quiet."""
    said = []
    if rule.window_seconds:
        said.append(f"gathers for {in_time(rule.window_seconds // 60)}")
    if rule.per_hour and not rule.administrators:
        said.append(f"at most {counted(rule.per_hour, 'message')} an hour to each channel")
    if rule.repeat_minutes:
        every = in_time(rule.repeat_minutes).removeprefix("1 ")
        said.append(f"repeats every {every} until acknowledged")
    if rule.quiet_from is not None and rule.quiet_until is not None:
        but = " but for what is critical" if rule.quiet_lets_critical else ""
        said.append(
            f"quiet from {rule.quiet_from:%H:%M} until {rule.quiet_until:%H:%M} ({rule.quiet_zone}){but}"
        )
    if rule.stops:
        said.append("rules below are not looked at when it fits")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


@register.filter
def in_time(minutes: int) -> str:
    """Write minutes as people say them."""
    if minutes and minutes % DAY == 0:
        return counted(minutes // DAY, "day")
    if minutes and minutes % 60 == 0:
        return counted(minutes // 60, "hour")
    return counted(minutes, "minute")
