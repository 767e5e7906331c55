"""This module shows runs: the list, and one run with every step and attempt."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from flows.models import DeadLetter, Flow, Link, Review, Run
from flows.views import coming, traces
from flows.views import filters as narrow
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page

WITH_ALL = ("flow", "version", "event")


@require("runs.view")
@require_GET
def runs(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the runs of the environment, newest first, narrowed by the address."""
    here, now = environment_of(request), timezone.now()
    filters = narrow.Filters.read(request.GET)
    page = Page.of(narrow.runs(here, filters, now=now).select_related(*WITH_ALL), request)
    context = {
        "page": page,
        "runs": page.rows,
        "filters": filters,
        "tabs": narrow.counts(narrow.runs(here, filters.without_fate(), now=now), narrow.RUN_TABS),
        "flows": Flow.objects.filter(integration__pairs__environment=here),
        "periods": narrow.PERIODS.items(),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    # An open page asks for the numbers over its list alone, now and then.
    only_tabs = request.headers.get("X-Part") == "tabs"
    return render(request, "flows/_filter_tabs.html" if only_tabs else "flows/runs.html", context)


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
    context: dict[str, Any] = {
        "run": found,
        "tries": traces.tries_of(found, values=may_read),
        "letter": DeadLetter.objects.unresolved().filter(run=found).first(),
        "question": Review.objects.open().filter(run=found).first(),
        "siblings": _siblings(found),
        "links": _links(found),
        "body": body,
        "came": coming.of(found.event, traces.data_of(body), subject=found.subject),
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/run.html", context)


def _links(found: Run) -> QuerySet[Link]:
    """Return what the run's object or record is linked with in the other system."""
    objects = {found.event.object_id, found.lane.key.removeprefix("stripe:")} - {""}
    linked = Q(record_id=found.subject) if found.subject else Q(stripe_id__in=objects)
    return Link.objects.filter(linked, pair=found.pair_id)[:5]


def _siblings(found: Run) -> QuerySet[Run]:
    """Return the newest other runs of the same lane, which is the same object."""
    others = Run.objects.filter(lane=found.lane_id).exclude(pk=found.pk)
    return others.select_related(*WITH_ALL).order_by("-id")[:10]
