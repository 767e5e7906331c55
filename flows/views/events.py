"""This module shows the inbox: every event as it came in, with its one visible fate."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from flows.models import DeadLetter, Event, Review
from flows.views import coming, traces
from flows.views import filters as narrow
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page


@require("runs.view")
@require_GET
def events(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List what came in, newest first, narrowed by the address."""
    here, now = environment_of(request), timezone.now()
    filters = narrow.Filters.read(request.GET)
    found = narrow.events(here, filters, now=now).defer("body").select_related("connection")
    context = {
        "page": Page.of(found, request),
        "filters": filters,
        "tabs": narrow.counts(narrow.events(here, filters.without_fate(), now=now), narrow.EVENT_TABS),
        "periods": narrow.PERIODS.items(),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    # An open page asks for the numbers over its list alone, now and then.
    only_tabs = request.headers.get("X-Part") == "tabs"
    return render(request, "flows/_filter_tabs.html" if only_tabs else "flows/events.html", context)


@require("runs.view")
@require_GET
def event(request: HttpRequest, workspace: str, environment: str, event: int) -> HttpResponse:
    """Show one event: where it came from, what became of it, and its body."""
    here, scope = environment_of(request), scope_of(request)
    found = get_object_or_404(
        Event.objects.select_related("connection"), connection__environment=here, pk=event
    )
    body = traces.body_of(found) if scope.can("runs.payload") else None
    context = {
        "event": found,
        "came": coming.of(found, traces.data_of(body)),
        "runs": found.runs.select_related("flow", "version", "event").order_by("-id")[:50],
        "letter": DeadLetter.objects.unresolved().filter(event=found, run=None).first(),
        "questions": Review.objects.open().filter(run__event=found),
        "body": body,
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/event.html", context)
