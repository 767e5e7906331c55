"""This module answers the page "Status": what the doctor finds, for those who look after the installation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from connectors.models import Connection
from integrator.accounts.access import Scope, require, scope_of
from integrator.web import part
from monitoring.doctor.findings import Finding, State
from monitoring.doctor.look import Look
from monitoring.doctor.table import examine


def look_of(scope: Scope) -> Look:
    """Return what may be examined for `scope`: the installation, and the connections of its own."""
    ours = Connection.objects.filter(environment__in=scope.environments())
    return Look(now=timezone.now(), connections=ours)


@require("status.view")
@require_GET
def page(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show every finding, what has to be put right first; the page asks for the list again by itself."""
    look = look_of(scope_of(request))
    findings = examine(look)
    context = {
        "at": look.now,
        "broken": _in(findings, State.BROKEN),
        "warnings": _in(findings, State.WARNING),
        "good": _in(findings, State.OK),
        "workspace": scope_of(request).workspace,
    }
    if getattr(request, "htmx", False):
        return part(request, "monitoring/_status.html", context)
    return render(request, "monitoring/status.html", context)


def _in(findings: list[Finding], state: State) -> list[Finding]:
    return [finding for finding in findings if finding.state is state]
