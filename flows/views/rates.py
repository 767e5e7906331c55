"""This module shows the exchange rates of the workspace, and takes new ones: one, or a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_http_methods

from flows import rates
from flows.forms import Rate, RateTable
from flows.models import ExchangeRate
from flows.rate_lines import COLUMNS, MOST_PROBLEMS, Given, read_csv
from integrator.accounts.access import Scope, environment_of, require, scope_of

DAYS = 31  # on a page


@require("rates.view")
@require_GET
def listed(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the rates by day, the newest day first."""
    scope = scope_of(request)
    currency = request.GET.get("currency", "").replace("\0", "").strip().upper()[:3]
    found: QuerySet[ExchangeRate] = ExchangeRate.objects.filter(workspace=scope.workspace)
    shown = found.filter(Q(base=currency) | Q(quote=currency)) if currency else found
    days = _days(shown, request.GET.get("until", ""))
    context = {
        "rows": shown.filter(day__in=days[:DAYS]),
        "older": days[DAYS] if len(days) > DAYS else None,
        "until": request.GET.get("until", ""),
        "currency": currency,
        "currencies": _currencies(found),
        "may_add": may_change(scope),
        "workspace": scope.workspace,
        "environment": environment_of(request),
    }
    return render(request, "flows/rates.html", context)


def _days(shown: QuerySet[ExchangeRate], until: str) -> list[date]:
    """Return the days of a page, newest first, and the one that the next page begins with."""
    try:
        last = parse_date(until)
    except ValueError:
        last = None
    if last is not None:
        shown = shown.filter(day__lte=last)
    return list(shown.order_by("-day").values_list("day", flat=True).distinct()[: DAYS + 1])


def _currencies(found: QuerySet[ExchangeRate]) -> Sequence[str]:
    pairs = found.order_by().values_list("base", "quote").distinct()
    return sorted({code for pair in pairs for code in pair})


def may_change(scope: Scope) -> bool:
    """Tell whether somebody may change rates: they hold in the whole workspace, and so must the role."""
    return scope.at(None).can("rates.manage")


@require("rates.manage")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Take one rate."""
    _check_reach(request)
    form = Rate(request.POST if request.method == "POST" else None)
    if form.is_valid():
        said = {name: str(form.cleaned_data[name]).strip() for name in COLUMNS}
        try:
            kept = _keep(request, [Given(line=1, **said)], form)
        except rates.Unacceptable as refusal:
            for problem in refusal.problems:
                form.add_error(problem.field or None, problem.message)
        except rates.ReasonNeeded as refusal:
            form.add_error("reason", str(refusal))
        else:
            return _done(request, kept)
    return _form(request, form, "flows/rate.html")


@require("rates.manage")
@require_http_methods(["GET", "POST"])
def add_many(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Take a table of rates, all of them or none."""
    _check_reach(request)
    form = RateTable(request.POST, request.FILES) if request.method == "POST" else RateTable()
    if form.is_valid():
        try:
            kept = _keep(request, read_csv(form.cleaned_data["text"]), form)
        except rates.Unacceptable as refusal:
            form.add_error(None, _told(refusal))
        except rates.ReasonNeeded as refusal:
            form.add_error("reason", str(refusal))
        else:
            return _done(request, kept)
    return _form(request, form, "flows/rate_table.html")


def _keep(request: HttpRequest, given: Sequence[Given], form: Rate | RateTable) -> rates.Kept:
    scope = scope_of(request)
    return rates.keep(
        workspace=scope.workspace,
        given=given,
        reason=form.cleaned_data["reason"],
        actor=scope.actor,
        now=timezone.now(),
    )


def _told(refusal: rates.Unacceptable) -> list[str]:
    """Return what is wrong, line by line, but not more than anybody reads."""
    told = [str(problem) for problem in refusal.problems[:MOST_PROBLEMS]]
    more = len(refusal.problems) - len(told)
    count = [f"And {more:,} more."] if more else []
    return ["No rate was added.", *told, *count]


def _check_reach(request: HttpRequest) -> None:
    """
    Refuse whoever may do this in one environment only.

    :raises PermissionDenied: with what is missing
    """
    if not may_change(scope_of(request)):
        raise PermissionDenied(
            "Rates hold in the whole workspace. To add or replace them takes a role there, and yours holds "
            "in single environments only."
        )


def _form(request: HttpRequest, form: Rate | RateTable, template: str) -> HttpResponse:
    place = {"workspace": scope_of(request).workspace, "environment": environment_of(request)}
    return render(request, template, {"form": form, **place}, status=422 if form.is_bound else 200)


def _done(request: HttpRequest, kept: rates.Kept) -> HttpResponse:
    counts = ((kept.added, "added"), (kept.replaced, "replaced"), (kept.unchanged, "there already"))
    told = [f"{count:,} {'rate' if count == 1 else 'rates'} {verb}" for count, verb in counts if count]
    also = " Runs that waited for them go on." if kept.added or kept.replaced else ""
    messages.success(request, f"{', '.join(told)}.{also}")
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return redirect(reverse("flows:rates", kwargs=place))
