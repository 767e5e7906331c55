"""This module lets operators retry the letters of a cause, mostly one first, and shows how far that is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from flows import group_retries
from flows.forms import Pace
from flows.models import GroupRetry
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import refuse

SHOWN = timedelta(hours=24)  # after a retry has ended, on the page of its cause

# What is said when it has come so far, to who watches.
SAID = {
    GroupRetry.State.FIRST: ("One is tried first.", "info"),
    GroupRetry.State.GOING: ("The first one has worked. The rest is being retried.", "ok"),
    GroupRetry.State.DONE: ("All were retried.", "ok"),
    GroupRetry.State.STOPPED: ("It was stopped.", "info"),
    GroupRetry.State.FAILED: ("It stopped by itself: too much failed again.", "warn"),
}


@require("deadletters.retry")
@require_http_methods(["GET", "POST"])
def begin(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Tell what retrying a cause means, and begin: with one, or with all of them."""
    here = environment_of(request)
    form = Pace(request.POST or None)
    try:
        if not form.is_valid():
            return _ask(request, here, fingerprint, form)
        group_retries.begin(
            environment=here,
            fingerprint=fingerprint,
            per_minute=form.cleaned_data["per_minute"],
            one_first=form.one_first,
            actor=scope_of(request).actor,
            now=timezone.now(),
        )
    except group_retries.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    told = "One is tried first. The rest follows if it works."
    return done(
        request, told if form.one_first else "They are being retried.", back=_back(request, fingerprint)
    )


def meaning(here: Environment, fingerprint: str) -> dict[str, Any]:
    """
    Return what is told before a cause is retried: how many, for how long at which pace, and what it costs.

    :raises AlreadyHandled: if no letter is left
    """
    fastest = group_retries.preview(
        environment=here, fingerprint=fingerprint, per_minute=group_retries.FASTEST
    )
    paces = [(pace, timedelta(minutes=1) * (fastest.count - 1) / pace) for pace in Pace.PACES]
    return {"preview": fastest, "paces": paces, "usual": group_retries.USUAL}


def _ask(request: HttpRequest, here: Environment, fingerprint: str, form: Pace) -> HttpResponse:
    context = {
        **meaning(here, fingerprint),
        "all": (request.POST or request.GET).get("start") == "all",
        "form": form,
        "fingerprint": fingerprint,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    template = (
        "flows/_group_retry_ask.html" if getattr(request, "htmx", False) else "flows/group_retry_ask.html"
    )
    return render(request, template, context, status=422 if form.is_bound else 200)


@require("deadletters.retry")
@require_POST
def stop(request: HttpRequest, workspace: str, environment: str, retry: str) -> HttpResponse:
    """Retry no more of them."""
    found = _found(request, retry)
    try:
        group_retries.stop(going=found, actor=scope_of(request).actor, now=timezone.now())
    except group_retries.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    return done(request, "Stopped. What was retried runs on.", back=_back(request, found.fingerprint))


@require("runs.view")
@require_GET
def progress(request: HttpRequest, workspace: str, environment: str, retry: str) -> HttpResponse:
    """Show how far a retry has come; the page asks for it every few seconds."""
    found = _found(request, retry)
    answer = render(
        request,
        "flows/_group_retry.html",
        {
            **_shown(found),
            "workspace": scope_of(request).workspace,
            "environment": environment_of(request),
        },
    )
    if request.GET.get("seen") == found.state:
        return answer
    said, tone = SAID[GroupRetry.State(found.state)]
    trigger_client_event(answer, "toast", {"message": said, "tone": tone})
    return trigger_client_event(answer, "refresh", {})


def latest(environment: Environment, fingerprint: str, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a cause shows of its newest retry: nothing once that is long over."""
    found = group_retries.newest(environment, fingerprint)
    if found is None or (found.ended_at is not None and found.ended_at < now - SHOWN):
        return {"retry": None}
    return _shown(found)


def _shown(found: GroupRetry) -> dict[str, Any]:
    so_far = group_retries.progress(found)
    return {"retry": found, "progress": so_far, "watched": found.is_unfinished or so_far.running > 0}


def _found(request: HttpRequest, public_id: str) -> GroupRetry:
    rows = GroupRetry.objects.filter(environment=environment_of(request))
    return get_object_or_404(rows.select_related("environment__workspace"), public_id=public_id)


def _back(request: HttpRequest, fingerprint: str) -> str:
    scope, here = scope_of(request), environment_of(request)
    place = {"workspace": scope.workspace.slug, "environment": here.slug, "fingerprint": fingerprint}
    return reverse("flows:letter_group", kwargs=place)
