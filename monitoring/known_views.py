"""This module answers the pages of known events: the calendar of what is not told though it is unusual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse
from monitoring import anomaly_decisions
from monitoring.anomaly_models import KnownEvent
from monitoring.detection import calendar
from monitoring.known_forms import KnownEventForm, filled, read


@dataclass(frozen=True, slots=True)
class Entry:
    """A known event with what it is about in words, and when it goes on now or goes on next."""

    event: KnownEvent
    about: str
    where: str
    now: bool
    begins: datetime | None
    ends: datetime | None


@require("alerts.view")
@require_GET
def known_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List what is known to be unusual, what goes on and comes next first."""
    here, now = environment_of(request), timezone.now()
    rows = KnownEvent.objects.filter(environment=here)
    entries = [
        _entry(one, now)
        for one in rows.select_related("environment__workspace", "connection", "flow_series__flow")
    ]
    entries.sort(key=lambda one: (one.begins is None, one.begins or one.event.begins))
    context = {
        "entries": entries, "form": KnownEventForm(environment=here), "environment": here,
        "workspace": scope_of(request).workspace,
    }  # fmt: skip
    return render(request, "monitoring/known_events.html", context)


def _entry(event: KnownEvent, now: datetime) -> Entry:
    span = calendar.next_after(event.known, now, event.environment.workspace.zone)
    where = event.connection.name if event.connection else "All connections"
    if event.flow_series:
        where = event.flow_series.flow.name
    about = anomaly_decisions.METRICS.get(event.metric, event.metric)
    begins, ends = span or (None, None)
    return Entry(event, about, where, begins is not None and begins <= now, begins, ends)


@require("alerts.manage")
@require_POST
def announce(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Say that something unusual is to come, such as a promotion."""
    here = environment_of(request)
    form = KnownEventForm(request.POST, environment=here)
    if not read(form, scope_of(request).workspace.zone):
        return refuse(request, _complaint(form))
    try:
        anomaly_decisions.announce(
            environment=here, **form.cleaned_data, actor=scope_of(request).actor, now=timezone.now()
        )
    except Unacceptable as refusal:
        return refuse(request, str(refusal))
    return done(request, "It is known now.", back=_list(request))


@require("alerts.manage")
@require_http_methods(["GET", "POST"])
def known_event(request: HttpRequest, workspace: str, environment: str, known: str) -> HttpResponse:
    """Show a known event as a form, and change it."""
    event, scope = _event(request, known), scope_of(request)
    here, zone = environment_of(request), scope.workspace.zone
    form = KnownEventForm(request.POST or None, environment=here, initial=filled(event, zone))
    if request.method == "POST" and read(form, zone):
        try:
            anomaly_decisions.change(event=event, **form.cleaned_data, actor=scope.actor, now=timezone.now())
            return redirect(_list(request))
        except Unacceptable as refusal:
            form.add_error(refusal.field or None, str(refusal))
    context = {"form": form, "event": event, "environment": here, "workspace": scope.workspace}
    status = 422 if request.method == "POST" else 200
    return render(request, "monitoring/known_event.html", context, status=status)


@require("alerts.manage")
@require_POST
def take_back(request: HttpRequest, workspace: str, environment: str, known: str) -> HttpResponse:
    """Take a known event back: what is unusual is told again."""
    event = _event(request, known)
    anomaly_decisions.take_back(event=event, actor=scope_of(request).actor, now=timezone.now())
    return done(request, "It is taken back.", back=_list(request))


def _event(request: HttpRequest, known: str) -> KnownEvent:
    rows = KnownEvent.objects.select_related("environment__workspace", "connection")
    return get_object_or_404(rows, environment=environment_of(request), public_id=known)


def _complaint(form: KnownEventForm) -> str:
    for name, errors in form.errors.items():
        return f"{form.fields[name].label or name}: {errors[0]}" if name in form.fields else str(errors[0])
    return "Say from when until when."


def _list(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse("monitoring:known", kwargs={"workspace": scope.workspace.slug, "environment": here.slug})
