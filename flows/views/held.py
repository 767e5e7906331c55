"""This module lets operators decide about runs that wait for a held version, once another one is live."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from flows import holds, leftovers
from flows.forms import Discard
from flows.models import Deployment
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import refuse

BUSY = "None of them could be ended just now, because a worker is trying them. Ask again in a moment."


@require("flows.release")
@require_POST
def carry_over(request: HttpRequest, workspace: str, environment: str, deployment: int) -> HttpResponse:
    """Have the live version do what waits for a held one."""
    found = _deployment(request, deployment)
    try:
        count = leftovers.carry_over(deployment=found, actor=scope_of(request).actor, now=timezone.now())
    except (leftovers.NotHeld, leftovers.NotReplaced) as refusal:
        return refuse(request, str(refusal))
    if not count:
        return refuse(request, BUSY)
    told = f"{_runs(count)} done by the version that is live. Each object is read first."
    return done(request, told, back=_back(request, found))


@require("deadletters.discard")
@require_http_methods(["GET", "POST"])
def discard(request: HttpRequest, workspace: str, environment: str, deployment: int) -> HttpResponse:
    """Ask for the reason, then end what waits for a held version without doing what it was for."""
    found = _deployment(request, deployment)
    here = environment_of(request)
    form = Discard(request.POST or None, production=here.kind == Environment.Kind.PRODUCTION)
    if not form.is_valid():
        template = "flows/_discard.html" if getattr(request, "htmx", False) else "flows/discard.html"
        context = {"form": form, "held": found, "count": holds.waiting_runs(found).count()}
        place = {"workspace": scope_of(request).workspace, "environment": here}
        return render(request, template, {**context, **place}, status=422 if form.is_bound else 200)
    reason, actor = form.cleaned_data["reason"], scope_of(request).actor
    try:
        count = leftovers.discard(deployment=found, reason=reason, actor=actor, now=timezone.now())
    except (leftovers.NotHeld, leftovers.NotReplaced) as refusal:
        return refuse(request, str(refusal))
    if not count:
        return refuse(request, BUSY)
    told = f"{_runs(count)} discarded. The reason stands in the audit trail."
    return done(request, told, back=_back(request, found))


def _runs(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"


def _deployment(request: HttpRequest, number: int) -> Deployment:
    here = Deployment.objects.filter(pair__environment=environment_of(request))
    return get_object_or_404(
        here.select_related("flow", "version", "pair__environment__workspace"), pk=number
    )


def _back(request: HttpRequest, deployment: Deployment) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:flow", kwargs={**place, "flow": deployment.flow.public_id})
