"""This module answers the list of payments that Stripe told of, with what has become of each."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page
from monitoring import payments


@require("runs.view")
@require_GET
def payment_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the payments of a period, of one currency and state if that is asked for, with their sums."""
    here, now = environment_of(request), timezone.now()
    choice = payments.Choice.read(request.GET)
    every = payments.of_period(here, choice.period, now=now)
    page = Page.of(payments.listed(here, choice, now=now), request)
    context = {
        "page": page,
        "rows": payments.rows_of(page.rows),
        "choice": choice,
        "tabs": _tabs(every, choice),
        "totals": payments.totals(here, choice, now=now),
        "currencies": sorted({one.currency for one in every} | ({choice.currency} - {""})),
        "periods": [(key, words) for key, (words, _) in payments.PERIODS.items()],
        "begins": payments.begins(here.workspace, choice.period, now=now),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "monitoring/payments.html", context)


def _tabs(every: list[payments.Standing], choice: payments.Choice) -> list[tuple[str, str, int]]:
    """Return key, words and number of each tab: every payment of the period and currency by its state."""
    wanted = [one for one in every if choice.currency in {"", one.currency}]
    tabs = [("", "All"), *payments.STATES.items()]
    return [(key, words, sum(one.of(key).payments for one in wanted)) for key, words in tabs]
