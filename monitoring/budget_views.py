"""This module answers the pages of API budgets: what is used, by what, what will be, what if."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection
from flows.models import FlowPriority
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse
from monitoring import charting, planner, spending
from monitoring.charts import Chart
from monitoring.planning import FULL, GATHERED, Change


class WhatIf(forms.Form):
    """A change of a flow, to be reckoned with."""

    flow = forms.CharField(max_length=24)
    volume = forms.FloatField(min_value=0, max_value=1000, initial=1)
    reads = forms.IntegerField(min_value=0, max_value=100, initial=0)
    writes = forms.IntegerField(min_value=0, max_value=100, initial=0)
    most = forms.IntegerField(min_value=1, max_value=FULL, initial=FULL)
    gathered = forms.FloatField(min_value=0, max_value=3600, initial=GATHERED)

    def change(self) -> Change:
        """Return the change that was entered."""
        return Change(
            **{name: self.cleaned_data[name] for name in ("volume", "reads", "writes", "most", "gathered")}
        )


class Reserve(forms.Form):
    """Which part of the org's calls is kept for people."""

    percent = forms.FloatField(min_value=0, max_value=planner.LARGEST_RESERVE)


@dataclass(frozen=True, slots=True)
class Charts:
    """What is drawn of a budget."""

    days: Chart
    line: Chart | None
    used: float  # percent of what the org allows
    ours: float
    kept: float


@require("budgets.view")
@require_GET
def budget_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show the budget of every connection; where there is one alone, its own page at once."""
    here, now = environment_of(request), timezone.now()
    found = planner.connections_of(here)
    limited = [one for one in found if one.system == Connection.System.SALESFORCE]
    if len(limited) == 1 and "all" not in request.GET:
        return redirect(_address(request, limited[0]))
    context = {
        "rows": [(one, spending.outlook_of(one, now=now), _day(one, now)) for one in found],
        **_place(request),
    }
    return render(request, "monitoring/budgets.html", context)


@require("budgets.view")
@require_GET
def budget(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show what a connection may ask, who asks, what will be used, and what a change would cost."""
    found, now = _connection(request, connection), timezone.now()
    drawn = planner.of_connection(found, now=now)
    form = WhatIf(request.GET) if "flow" in request.GET else WhatIf()
    context = {
        "budget": drawn,
        "connection": found,
        "others": [one for one in planner.connections_of(environment_of(request)) if one != found],
        "charts": _charts(drawn, scope_of(request).workspace.zone),
        "priorities": FlowPriority.Priority.choices,
        "largest": planner.LARGEST_RESERVE,
        "form": form,
        **_answer(drawn, form),
        **_place(request),
    }
    return render(request, "monitoring/budget.html", context)


def _answer(drawn: planner.Budget, form: WhatIf) -> Mapping[str, Any]:
    """Return what the change that was entered costs, or why that cannot be said."""
    if not form.is_bound:
        return {}
    if not form.is_valid():
        return {"refusal": "Enter numbers within their bounds."}
    try:
        return {"answer": planner.what_if(drawn, flow=form.cleaned_data["flow"], change=form.change())}
    except Unacceptable as refusal:
        return {"refusal": str(refusal)}


@require("budgets.manage")
@require_POST
def reserve(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Keep another part of the org's calls for people."""
    found, form = _connection(request, connection), Reserve(request.POST)
    if not form.is_valid():
        return refuse(request, f"Keep between 0 and {planner.LARGEST_RESERVE} percent.")
    percent, actor = form.cleaned_data["percent"], scope_of(request).actor
    try:
        planner.keep_back(connection=found, percent=percent, actor=actor, now=timezone.now())
    except Unacceptable as refusal:
        return refuse(request, str(refusal))
    return done(request, f"{percent:g} % are kept for people.", back=_address(request, found))


@require("budgets.manage")
@require_POST
def priority(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Say how a flow fares where calls run short."""
    found, now = _connection(request, connection), timezone.now()
    drawn = planner.of_connection(found, now=now)
    chosen = {"flow": request.POST.get("flow", ""), "priority": request.POST.get("priority", "")}
    try:
        spender = planner.prefer(budget=drawn, actor=scope_of(request).actor, now=now, **chosen)
    except Unacceptable as refusal:
        return refuse(request, str(refusal))
    return done(
        request, f"{spender.name} has {spender.priority} priority now.", back=_address(request, found)
    )


def _charts(drawn: planner.Budget, zone: ZoneInfo) -> Charts:
    days, outlook = charting.days(drawn.names, drawn.days), drawn.outlook
    if outlook is None:
        return Charts(days, None, 0.0, 0.0, 0.0)
    limit, allowed = outlook.allowance.limit, outlook.allowance.ours
    return Charts(
        days=days,
        line=charting.outlook(outlook.forecast, ours=allowed, limit=limit, zone=zone),
        used=round(min(100.0, 100 * outlook.allowance.used / limit), 1),
        ours=round(100 * allowed / limit, 1),
        kept=round(100 - 100 * allowed / limit, 1),
    )


def _day(connection: Connection, now: datetime) -> int:
    return sum(spending.of_last_day(connection, now=now).values())


def _connection(request: HttpRequest, public_id: str) -> Connection:
    return get_object_or_404(Connection, environment=environment_of(request), public_id=public_id)


def _address(request: HttpRequest, connection: Connection) -> str:
    scope, here = scope_of(request), environment_of(request)
    place = {"workspace": scope.workspace.slug, "environment": here.slug}
    return reverse("monitoring:budget", kwargs={**place, "connection": connection.public_id})


def _place(request: HttpRequest) -> Mapping[str, Any]:
    return {"workspace": scope_of(request).workspace, "environment": environment_of(request)}
