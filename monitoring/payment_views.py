"""This module answers the list of payments that Stripe told of, on a page and as a file."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.cells import Cell
from integrator.kernel.redact import redact_text
from integrator.sheets import download, money_of, rows_of
from integrator.web import Page
from monitoring import payments

OF_PAYMENTS = (
    "Payment", "Charge", "Connection", "State", "Reason", "Amount", "Currency", "Flow", "Run", "Event type",
    "Event", "First told of",
)  # fmt: skip


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


@require("runs.view")
@require_GET
def payment_sheet(request: HttpRequest, workspace: str, environment: str) -> StreamingHttpResponse:
    """Give the payments that the list would show."""
    here, now = environment_of(request), timezone.now()
    choice = payments.Choice.read(request.GET)
    rows = payments.listed(here, choice, now=now).select_related("connection")
    chunks = ([_row(one) for one in payments.rows_of(chunk)] for chunk in rows_of(rows))
    said = {"state": choice.state, "currency": choice.currency, "period": choice.period}
    return download(
        name="payments",
        head=OF_PAYMENTS,
        chunks=chunks,
        scope=scope_of(request),
        narrowed={name: value for name, value in said.items() if value},
        now=now,
    )


def _row(row: payments.Row) -> Sequence[Cell]:
    payment, run, event = row.payment, row.run, row.event
    return (
        payment.key, payment.charge, payment.connection.name, payment.state, redact_text(row.reason),
        *money_of(payment.amount, payment.currency), run.flow.name if run else None,
        run.public_id if run else None, event.type if event else None, event.external_id if event else None,
        payment.told_at,
    )  # fmt: skip


def _tabs(every: list[payments.Standing], choice: payments.Choice) -> list[tuple[str, str, int]]:
    """Return key, words and number of each tab: every payment of the period and currency by its state."""
    wanted = [one for one in every if choice.currency in {"", one.currency}]
    tabs = [("", "All"), *payments.STATES.items()]
    return [(key, words, sum(one.of(key).payments for one in wanted)) for key, words in tabs]
