"""This module answers the page of unusual payments, and what people say about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import Page, refuse
from monitoring import anomalies, bands, detection
from monitoring.anomaly_models import AlreadyOver, Anomaly, Series, SeriesBin


class Announce(forms.Form):
    """What is to come, from when until when; times are UTC."""

    metric = forms.ChoiceField(required=False, choices=[("", "all"), *anomalies.METRICS.items()])
    begins = forms.DateTimeField(label="From")
    ends = forms.DateTimeField(label="until")


@dataclass(frozen=True, slots=True)
class Watched:
    """A connection whose payments are watched."""

    connection: Connection
    learning: bool
    band: bands.Band | None
    announced: list[tuple[str, datetime, datetime]]


@require("alerts.view")
@require_GET
def anomaly_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show what is and was unusual, and what is usual for each connection."""
    here, now = environment_of(request), timezone.now()
    page = Page.of(Anomaly.objects.of(here).select_related("series__connection"), request)
    context = {
        "page": page,
        "watched": _watched(here, now),
        "metrics": [("", "everything"), *anomalies.METRICS.items()],
        "now": now,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "monitoring/anomalies.html", context)


@require("alerts.manage")
@require_POST
def dismiss(request: HttpRequest, workspace: str, environment: str, anomaly: str) -> HttpResponse:
    """Say that something is no anomaly."""
    found = get_object_or_404(Anomaly.objects.of(environment_of(request)), public_id=anomaly)
    try:
        anomalies.dismiss(anomaly=found, actor=scope_of(request).actor, now=timezone.now())
    except AlreadyOver as refusal:
        return refuse(request, str(refusal))
    return done(request, "Next time it has to be more unusual.", back=_back(request))


@require("alerts.manage")
@require_POST
def announce(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Say that something unusual is to come, such as a promotion."""
    here, form = environment_of(request), Announce(request.POST)
    if not form.is_valid():
        return refuse(request, "Say from when until when, in UTC.")
    connection = get_object_or_404(
        Connection,
        environment=here,
        system=Connection.System.STRIPE,
        public_id=request.POST.get("connection", ""),
    )
    try:
        anomalies.announce(
            connection=connection, actor=scope_of(request).actor, now=timezone.now(), **form.cleaned_data
        )
    except ValueError as refusal:
        return refuse(request, str(refusal))
    return done(request, "It is known now.", back=_back(request))


def _watched(here: Environment, now: datetime) -> list[Watched]:
    every = Series.objects.filter(connection__environment=here).select_related("connection")
    return [
        Watched(
            connection=one.connection,
            learning=not one.state or detection.is_learning(one.state),
            band=bands.draw(_bins(one, now), now=now),
            announced=[
                (anomalies.METRICS.get(metric, "Everything"), begins, ends)
                for metric, begins, ends in detection.known_events(one.state)
                if ends > now
            ],
        )
        for one in every.order_by("connection__name")
    ]


def _bins(series: Series, now: datetime) -> list[SeriesBin]:
    return list(SeriesBin.objects.filter(series=series, starts_at__gte=now - bands.SPAN))


def _back(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse(
        "monitoring:anomalies", kwargs={"workspace": scope.workspace.slug, "environment": here.slug}
    )
