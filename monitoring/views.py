"""This module answers the overview, alerts and conservation, and pages that ask for news without a socket."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page, refuse
from monitoring import alerts, balance, outages, queries, recipients
from monitoring.fragments import Edition, News, Reader
from monitoring.models import Alert, AlertRule

# For how long an alert can be muted, by what the form sends.
MUTES: dict[str, tuple[str, timedelta]] = {
    "1h": ("an hour", timedelta(hours=1)),
    "8h": ("8 hours", timedelta(hours=8)),
    "1d": ("a day", timedelta(days=1)),
    "7d": ("a week", timedelta(days=7)),
}


@require("dashboard.view")
@require_GET
def dashboard(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Say whether anything is wrong, whether it flows, what was synced, and what ran last."""
    here = environment_of(request)
    context = {
        **queries.dashboard(here, now=timezone.now()),
        "last_runs": queries.last_runs(here),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "monitoring/dashboard.html", context)


@require("dashboard.view")
@require_GET
def live(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Return what changed behind `after`, for a page whose socket is lost."""
    here = environment_of(request)
    news = News.since(request.GET.get("after", "")[:40], environment_id=here.pk)
    reader = Reader(
        topics=frozenset(request.GET.get("topics", "").split()),
        rows=frozenset(request.GET.get("rows", "").split(",")[:200]),
    )
    return HttpResponse(Edition(here, news, now=timezone.now()).for_reader(reader))


@require("dashboard.view")
@require_GET
def conservation(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Say hour by hour whether everything that was received has a fate, and what no webhook brought."""
    here = environment_of(request)
    context = {
        "accounts": balance.accounts(here, now=timezone.now()),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "monitoring/conservation.html", context)


# Alerts


@require("alerts.view")
@require_GET
def alert_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show what is wrong now, or what was."""
    here, past = environment_of(request), request.GET.get("show") == "over"
    every = Alert.objects.of(here).told().select_related("environment")
    ended = every.filter(closed_at__isnull=False)
    page = Page.of(ended if past else every.open(), request)
    told, under = queries.told_by(page.rows), outages.shown_under(page.rows)
    for alert in page.rows:
        alert.told_by = told.get(alert.pk, [])  # type: ignore[attr-defined]  # for the page alone
        alert.unusual = under.get(alert.pk, [])  # type: ignore[attr-defined]  # as above
    context = {
        "page": page,
        "alerts": page.rows if past else sorted(page.rows, key=queries.by_urgency),
        "past": past,
        "now": timezone.now(),
        "open_count": every.open().count(),
        "over_count": ended.count(),
        "mutes": [(key, words) for key, (words, _) in MUTES.items()],
        "mail_is_sent": recipients.mail_is_sent(),
        "mailed": recipients.of_page(here),
        "routed": AlertRule.objects.filter(
            workspace=here.workspace, administrators=False, enabled=True
        ).exists(),
        "by_default": not AlertRule.objects.filter(workspace=here.workspace, administrators=True).exists(),
        "mail_waits": queries.mail_waits(here),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "monitoring/alerts.html", context)


@require("alerts.manage")
@require_POST
def acknowledge(request: HttpRequest, workspace: str, environment: str, alert: str) -> HttpResponse:
    """Say that somebody takes care of an alert."""
    found = _found(request, alert)
    try:
        alerts.acknowledge(alert=found, actor=scope_of(request).actor, now=timezone.now())
    except alerts.AlreadyClosed as refusal:
        return refuse(request, str(refusal))
    return done(request, "Acknowledged.", back=_back(request))


@require("alerts.manage")
@require_POST
def mute(request: HttpRequest, workspace: str, environment: str, alert: str) -> HttpResponse:
    """Let an alert be silent for a while, or speak again."""
    found, now = _found(request, alert), timezone.now()
    wanted = MUTES.get(request.POST.get("for", ""))
    until = now + wanted[1] if wanted else None
    try:
        alerts.mute(alert=found, until=until, actor=scope_of(request).actor, now=now)
    except alerts.AlreadyClosed as refusal:
        return refuse(request, str(refusal))
    return done(request, f"Muted for {wanted[0]}." if wanted else "It speaks again.", back=_back(request))


def _found(request: HttpRequest, alert: str) -> Alert:
    """
    Return the alert that an act is about.

    :raises PermissionDenied: if it concerns the whole workspace, and the role holds in this environment only
    """
    found = get_object_or_404(Alert.objects.of(environment_of(request)).told(), public_id=alert)
    if found.environment_id is None and not scope_of(request).at(None).can("alerts.manage"):
        raise PermissionDenied("This concerns the whole workspace, and your role holds in one environment.")
    return found


def _back(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse("monitoring:alerts", kwargs={"workspace": scope.workspace.slug, "environment": here.slug})
