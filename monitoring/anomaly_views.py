"""This module answers the pages of anomalies: what was unusual, what is usual, what people say about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.refusals import Unacceptable
from integrator.web import Page, refuse
from monitoring import alerts, anomaly_decisions, anomaly_pages, bands, charting, watching
from monitoring.anomaly_knobs import muted
from monitoring.anomaly_models import AlreadyOver, Anomaly
from monitoring.charts import Times
from monitoring.models import Alert

HOURS = {1: "for an hour", 8: "for 8 hours", 24: "for a day", 168: "for a week"}
# Which of them the list shows, by what the address says; all of them by default.
SHOWS = {"": ("All", Q()), "open": ("Open", Q(ended_at=None)), "over": ("Over", Q(ended_at__isnull=False))}
RELATED = ("series__connection__environment__workspace", "flow_series__flow", "under")


@require("alerts.view")
@require_GET
def anomaly_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show what is and was unusual, and of one series what is usual."""
    here, now = environment_of(request), timezone.now()
    watched = watching.every([here])
    shown = next(
        (one for one in watched if one.id == request.GET.get("series")), watched[0] if watched else None
    )
    rows, show = Anomaly.objects.of(here), request.GET.get("show", "")
    show = show if show in SHOWS else ""
    page = Page.of(rows.filter(SHOWS[show][1]).select_related(*RELATED), request)
    context: dict[str, Any] = {
        "page": page,
        "show": show,
        "tabs": [(key, words, rows.filter(those).count()) for key, (words, those) in SHOWS.items()],
        "muted": muted([one for one in page.rows if one.ended_at is None], now),
        "watched": watched,
        "shown": shown,
        "hours": HOURS.items(),
        "sensitivities": watching.sensitivities(),
        "zone": scope_of(request).workspace.zone,
        "now": now,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    if shown is not None:
        context |= _measured(
            shown, request.GET.get("metric", ""), Times(now - bands.SPAN, now, context["zone"])
        )
    return render(request, "monitoring/anomalies.html", context)


def _measured(shown: watching.Watched, metric: str, times: Times) -> dict[str, Any]:
    """Return what was measured of a series lately: of the metric that is asked for, or else of its first."""
    metric = metric if metric in shown.metrics else shown.metrics[0]
    points = shown.points(metric, now=times.end)
    return {
        "metric": metric,
        "choices": [(name, bands.SHOWN[name][0]) for name in shown.metrics],
        "band": bands.summary(points, metric=metric),
        "chart": charting.band(points, metric=metric, times=times),
    }


@require("alerts.view")
@require_GET
def anomaly(request: HttpRequest, workspace: str, environment: str, anomaly: str) -> HttpResponse:
    """Show one anomaly: what was measured around it, and where its runs and events are."""
    found, now = _anomaly(request, anomaly), timezone.now()
    amount = anomaly_pages.amount_of(found)
    context: dict[str, Any] = {
        "anomaly": found,
        "shown": anomaly_pages.shown_of(found, zone=scope_of(request).workspace.zone, now=now),
        "amount": amount,
        "ways": [] if amount else anomaly_pages.ways_of(found),
        "muted": muted([found] if found.ended_at is None else [], now),
        "series": found.flow_series.public_id if found.flow_series else found.series.connection.public_id,
        "hours": HOURS.items(),
        "workspace": scope_of(request).workspace,
        "environment": environment_of(request),
    }
    return render(request, "monitoring/anomaly.html", context)


def _anomaly(request: HttpRequest, public_id: str) -> Anomaly:
    rows = Anomaly.objects.of(environment_of(request))
    return get_object_or_404(rows.select_related(*RELATED), public_id=public_id)


@require("alerts.manage")
@require_POST
def dismiss(request: HttpRequest, workspace: str, environment: str, anomaly: str) -> HttpResponse:
    """Say that something is no anomaly."""
    found = _anomaly(request, anomaly)
    try:
        anomaly_decisions.dismiss(anomaly=found, actor=scope_of(request).actor, now=timezone.now())
    except AlreadyOver as refusal:
        return refuse(request, str(refusal))
    return done(request, "Next time it has to be more unusual.", back=_whence(request, found))


@require("alerts.manage")
@require_POST
def acknowledge(request: HttpRequest, workspace: str, environment: str, anomaly: str) -> HttpResponse:
    """Say that somebody takes care of an anomaly, and of its alert."""
    found, now = _anomaly(request, anomaly), timezone.now()
    try:
        take_care(found, actor=scope_of(request).actor, now=now)
    except AlreadyOver as refusal:
        return refuse(request, str(refusal))
    return done(request, "You take care of it.", back=_whence(request, found))


def take_care(anomaly: Anomaly, *, actor: str, now: Any) -> Anomaly:
    """
    Acknowledge an anomaly and the alert that tells of it.

    :raises AlreadyOver: if it is over by now
    """
    found = anomaly_decisions.acknowledge(anomaly=anomaly, actor=actor, now=now)
    for alert in Alert.objects.filter(kind="anomaly", key__contains=found.public_id, closed_at__isnull=True):
        alerts.acknowledge(alert=alert, actor=actor, now=now)
    return found


@require("alerts.manage")
@require_POST
def mute(request: HttpRequest, workspace: str, environment: str, anomaly: str) -> HttpResponse:
    """Tell nothing like an anomaly for some hours."""
    found, now = _anomaly(request, anomaly), timezone.now()
    hours = request.POST.get("hours", "")
    if hours not in {str(one) for one in HOURS}:
        return refuse(request, "Say for how long.", status=422)
    until = now + timedelta(hours=int(hours))
    anomaly_decisions.mute(anomaly=found, until=until, actor=scope_of(request).actor, now=now)
    told = "It is silent. Under Known events it can be taken back."
    return done(request, told, back=_whence(request, found))


def _whence(request: HttpRequest, anomaly: Anomaly) -> str:
    """Return the page that somebody decided on: that of the anomaly, or the list."""
    return f"{back(request)}{anomaly.public_id}/" if request.POST.get("from") == "page" else back(request)


# Series


def _watched(request: HttpRequest, series: str) -> watching.Watched:
    found = next((one for one in watching.every([environment_of(request)]) if one.id == series), None)
    if found is None:
        raise Http404
    return found


@require("alerts.manage")
@require_POST
def choose(request: HttpRequest, workspace: str, environment: str, series: str) -> HttpResponse:
    """Choose how keenly something of a series is watched."""
    watched, given = _watched(request, series), request.POST
    try:
        anomaly_decisions.choose(
            watched=watched.row, key=given.get("key", ""), sensitivity=given.get("sensitivity", ""),
            actor=scope_of(request).actor, now=timezone.now(),
        )  # fmt: skip
    except Unacceptable as refusal:
        return refuse(request, str(refusal), status=422)
    return done(request, "It is watched like that from now on.", back=back(request, series))


@require("alerts.manage")
@require_POST
def forget_feedback(request: HttpRequest, workspace: str, environment: str, series: str) -> HttpResponse:
    """Forget what was called no anomaly."""
    watched, key = _watched(request, series), request.POST.get("key", "")
    try:
        anomaly_decisions.as_keen_as_before(
            watched=watched.row, key=key, actor=scope_of(request).actor, now=timezone.now()
        )
    except Unacceptable as refusal:
        return refuse(request, str(refusal), status=422)
    return done(request, "It is watched as keenly as before.", back=back(request, series))


@require("alerts.manage")
@require_POST
def learn(request: HttpRequest, workspace: str, environment: str, series: str) -> HttpResponse:
    """Learn anew what is usual of a series."""
    watched = _watched(request, series)
    anomaly_decisions.learn_anew(watched=watched.row, actor=scope_of(request).actor, now=timezone.now())
    return done(request, "What is usual is being learnt anew.", back=back(request, series))


def back(request: HttpRequest, series: str = "") -> str:
    """Return the address of the page, with a series shown."""
    scope, here = scope_of(request), environment_of(request)
    address = reverse(
        "monitoring:anomalies", kwargs={"workspace": scope.workspace.slug, "environment": here.slug}
    )
    return f"{address}?series={series}" if series else address
