"""This module shows runs: the list, and one run with every step and attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from connectors.models import Connection
from flows import narrowing, resuming, stepping
from flows.finding import Place
from flows.models import DeadLetter, Flow, FlowVersion, Link, Review, Run, SavedView
from flows.narrowing import Filters
from flows.views import coming, run_acts, saved_views, traces
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import Page

WITH_ALL = ("flow", "version", "event")
UNREAD = ("event__body", "version__document", "kept", "memory")
MOST_VERSIONS = 50
# Without other filters these are counted by an index, however many there are.
INDEXED = frozenset({"", "queued", "waiting", "dead"})


@require("runs.view")
@require_GET
def runs(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the runs of the environment, newest first, narrowed by the address."""
    if first := saved_views.first_of(request, SavedView.List.RUNS):
        return redirect(first)
    here, now = environment_of(request), timezone.now()
    filters, place = Filters.read(request.GET), Place.of(here)
    narrowed = narrowing.runs(place, filters, now=now)
    rows = narrowed.rows.select_related(*WITH_ALL).defer(*UNREAD)
    page = Page.of(rows, request, read=stepping.reader(narrowed, indexed=bool(filters.q)))
    context = {
        "page": page,
        "runs": page.rows,
        "filters": filters,
        "tabs": _tabs(place, filters, now),
        **_choices(here, filters),
        "periods": narrowing.PERIODS.items(),
        "workspace": scope_of(request).workspace,
        "environment": here,
        **saved_views.shown(request, SavedView.List.RUNS, filters),
    }
    # An open page asks for the numbers over its list alone, now and then.
    only_tabs = request.headers.get("X-Part") == "tabs"
    return render(request, "flows/_filter_tabs.html" if only_tabs else "flows/runs.html", context)


def _tabs(place: Place, filters: Filters, now: datetime) -> list[stepping.Counted]:
    every = filters.without_fate()
    indexed = {tab.key for tab in narrowing.RUN_TABS} if every.q else set() if every.narrowed else INDEXED
    return stepping.counts(narrowing.runs(place, every, now=now), narrowing.RUN_TABS, indexed=indexed)


def _choices(here: Environment, filters: Filters) -> dict[str, Any]:
    """Return what the filters can be set to: flows, versions once one of them is chosen, and connections."""
    flows = Flow.objects.filter(integration__pairs__environment=here).order_by("name").distinct()
    versions = FlowVersion.objects.filter(flow__in=flows, flow__public_id=filters.flow)
    return {
        "flows": flows,
        "versions": versions.values_list("number", flat=True)[:MOST_VERSIONS] if filters.flow else [],
        "connections": Connection.objects.filter(environment=here).order_by("name"),
        "elsewhere": {
            "flow": bool(filters.flow) and not flows.filter(public_id=filters.flow).exists(),
            "connection": narrowing.is_elsewhere(filters.connection, here),
        },
    }


@require("runs.view")
@require_GET
def run(request: HttpRequest, workspace: str, environment: str, run: str) -> HttpResponse:
    """Show one run: its fate, its attempts with every step, the raw event, and its object's other runs."""
    here, scope = environment_of(request), scope_of(request)
    found = get_object_or_404(
        Run.objects.select_related(*WITH_ALL, "lane", "pair", "event__connection"),
        pair__environment=here,
        public_id=run,
    )
    may_read = scope.can("runs.payload")
    body = traces.body_of(found.event) if may_read else None
    now = timezone.now()
    letter = DeadLetter.objects.unresolved().filter(run=found).first()
    context: dict[str, Any] = {
        "run": found,
        "acts": run_acts.acts_of(found, now),
        "tries": traces.tries_of(found, values=may_read),
        "letter": letter,
        "resume": resuming.offer(found, now) if letter is not None else None,
        "question": Review.objects.open().filter(run=found).first(),
        "siblings": _siblings(found),
        "links": _links(found),
        "body": body,
        "came": coming.of(found.event, traces.data_of(body), subject=found.subject),
        "curl": _curl(found),
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/run.html", context)


def _curl(found: Run) -> dict[str, str]:
    """Return the REST calls that show the run and have it done again, with a place for a token in them."""
    address = f"{settings.PUBLIC_URL}/api/v1/runs/{found.public_id}/"
    who = '-H "Authorization: Bearer $INTEGRATOR_TOKEN"'
    retry = f"curl -X POST {who} -H 'Content-Type: application/json' -d '{{}}' '{address}retry/'"
    return {
        "show": f"curl {who} '{address}'",
        "retry": retry.format('{"version": "own"}'),
        "resume": retry.format('{"from": "failed_step"}'),
    }


def _links(found: Run) -> QuerySet[Link]:
    """Return what the run's object or record is linked with in the other system."""
    objects = {found.event.object_id, found.lane.key.removeprefix("stripe:")} - {""}
    linked = Q(record_id=found.subject) if found.subject else Q(stripe_id__in=objects)
    return Link.objects.filter(linked, pair=found.pair_id)[:5]


def _siblings(found: Run) -> QuerySet[Run]:
    """Return the newest other runs of the same lane, which is the same object."""
    others = Run.objects.filter(lane=found.lane_id).exclude(pk=found.pk)
    return others.select_related(*WITH_ALL).defer(*UNREAD).order_by("-id")[:10]
