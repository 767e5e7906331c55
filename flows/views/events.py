"""This module shows the inbox: every event as it came in, with its one visible fate."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from connectors.models import Connection
from flows import narrowing, stepping
from flows.finding import Place
from flows.models import DeadLetter, Event, Review, SavedView
from flows.narrowing import Filters
from flows.views import coming, saved_views, traces
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page


@require("runs.view")
@require_GET
def events(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List what came in, newest first, narrowed by the address."""
    if first := saved_views.first_of(request, SavedView.List.EVENTS):
        return redirect(first)
    here, now = environment_of(request), timezone.now()
    filters, place = Filters.read(request.GET), Place.of(here)
    narrowed = narrowing.events(place, filters, now=now)
    rows = narrowed.rows.defer("body").select_related("connection")
    context = {
        "page": Page.of(rows, request, read=stepping.reader(narrowed, indexed=bool(filters.q))),
        "filters": filters,
        "tabs": _tabs(place, filters, now),
        "connections": Connection.objects.filter(environment=here).order_by("name"),
        "elsewhere": {"connection": narrowing.is_elsewhere(filters.connection, here)},
        "periods": narrowing.PERIODS.items(),
        "workspace": scope_of(request).workspace,
        "environment": here,
        **saved_views.shown(request, SavedView.List.EVENTS, filters),
    }
    # An open page asks for the numbers over its list alone, now and then.
    only_tabs = request.headers.get("X-Part") == "tabs"
    return render(request, "flows/_filter_tabs.html" if only_tabs else "flows/events.html", context)


def _tabs(place: Place, filters: Filters, now: datetime) -> list[stepping.Counted]:
    """Return the numbers of the tabs: an index has them as long as nothing else narrows the list."""
    every = filters.without_fate()
    rows = narrowing.events(place, every, now=now, by_fate=not every.narrowed)
    # Of one fate, connection and span of time an index has them too, however many others there are.
    of_one_fate = every.became and every.narrow_by("became", "came", "connection", *narrowing.SPAN)
    by_index = every.q or of_one_fate or not every.narrowed
    indexed = {tab.key for tab in narrowing.EVENT_TABS} if by_index else set()
    return stepping.counts(rows, narrowing.EVENT_TABS, indexed=indexed)


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
