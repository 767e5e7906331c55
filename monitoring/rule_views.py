"""This module answers the pages of alert rules."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows.views.answers import done
from integrator.accounts.access import require, scope_of
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse
from monitoring import recipients, rules
from monitoring.channel_forms import FIELDS, RuleForm
from monitoring.channel_views import address, check_reach, place
from monitoring.models import AlertChannel, AlertRule

ADMINISTRATORS = "administrators"  # in addresses: the rule that is there from the beginning


@require("alerts.view")
@require_GET
def rule_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the rules in the order in which they are looked at."""
    scope = scope_of(request)
    own = AlertRule.objects.filter(workspace=scope.workspace, administrators=False)
    context = {
        "rules": own.prefetch_related("environments", "steps__channel"),
        "administrators": rules.for_administrators(scope.workspace),
        "has_channels": AlertChannel.objects.of(scope.workspace).exists(),
        "kinds": rules.TELLABLE,
        "mail_is_sent": recipients.mail_is_sent(),
        **place(request),
    }
    return render(request, "monitoring/rules.html", context)


@require("alerts.route")
@require_http_methods(["GET", "POST"])
def add_rule(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Take a new rule."""
    check_reach(request)
    scope = scope_of(request)
    first = {"severities": ["warning", "critical"], "quiet_zone": scope.workspace.time_zone}
    form = RuleForm(
        request.POST if request.method == "POST" else None, workspace=scope.workspace, initial=first
    )
    if form.is_valid():
        try:
            rules.add(
                workspace=scope.workspace,
                given=form.given(enabled=True),
                actor=scope.actor,
                now=timezone.now(),
            )
        except Unacceptable as refusal:
            _blame(form, refusal)
        else:
            return redirect(address(request, "rules"))
    return _form(request, form, None)


@require("alerts.route")
@require_http_methods(["GET", "POST"])
def change_rule(request: HttpRequest, workspace: str, environment: str, rule: str) -> HttpResponse:
    """Change a rule."""
    check_reach(request)
    scope, found = scope_of(request), _found(request, rule)
    form = RuleForm(request.POST if request.method == "POST" else None, workspace=scope.workspace, rule=found)
    if form.is_valid():
        now = timezone.now()
        if found.pk is None:
            found = rules.own_for_administrators(scope.workspace, actor=scope.actor, now=now)
        try:
            rules.change(rule=found, given=form.given(enabled=found.enabled), actor=scope.actor, now=now)
        except Unacceptable as refusal:
            _blame(form, refusal)
        else:
            return redirect(address(request, "rules"))
    return _form(request, form, found)


@require("alerts.route")
@require_POST
def switch_rule(request: HttpRequest, workspace: str, environment: str, rule: str) -> HttpResponse:
    """Switch a rule on or off."""
    check_reach(request)
    scope, found, now = scope_of(request), _found(request, rule), timezone.now()
    if found.pk is None:
        found = rules.own_for_administrators(scope.workspace, actor=scope.actor, now=now)
    on = request.POST.get("on") == "1"
    rules.switch(rule=found, on=on, actor=scope.actor, now=now)
    return done(request, "The rule holds." if on else "The rule is off.", back=address(request, "rules"))


@require("alerts.route")
@require_POST
def move_rule(request: HttpRequest, workspace: str, environment: str, rule: str) -> HttpResponse:
    """Move a rule up or down by one."""
    check_reach(request)
    found = _found(request, rule)
    if found.administrators:
        return refuse(request, "This rule is looked at last.")
    up = request.POST.get("to") == "up"
    rules.move(rule=found, up=up, actor=scope_of(request).actor, now=timezone.now())
    return done(request, "Moved up." if up else "Moved down.", back=address(request, "rules"))


@require("alerts.route")
@require_POST
def delete_rule(request: HttpRequest, workspace: str, environment: str, rule: str) -> HttpResponse:
    """Delete a rule."""
    check_reach(request)
    found = _found(request, rule)
    if found.administrators:
        return refuse(request, "This rule can be switched off, and not deleted.")
    rules.delete(rule=found, actor=scope_of(request).actor, now=timezone.now())
    return done(request, "It is deleted.", back=address(request, "rules"))


def _found(request: HttpRequest, rule: str) -> AlertRule:
    workspace = scope_of(request).workspace
    if rule == ADMINISTRATORS:
        return rules.for_administrators(workspace)
    return get_object_or_404(AlertRule, workspace=workspace, administrators=False, public_id=rule)


def _blame(form: RuleForm, refusal: Unacceptable) -> None:
    name = FIELDS.get(refusal.field, refusal.field)
    form.add_error(name if name in form.fields else None, str(refusal))


def _form(request: HttpRequest, form: RuleForm, rule: AlertRule | None) -> HttpResponse:
    context = {"form": form, "rule": rule, **place(request)}
    return render(request, "monitoring/rule.html", context, status=422 if form.is_bound else 200)
