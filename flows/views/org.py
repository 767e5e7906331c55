"""This module shows what flows need of an org, hands out the package of it, and helps to deploy it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection
from connectors.org_deployment import Progress
from flows import org_needs, preparing
from flows.views.connection_pages import connection_of, place_of
from integrator.accounts.access import require, scope_of
from integrator.kernel.errors import IntegrationError
from integrator.kernel.redact import redact_text
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse

SESSION = "access_token"


@require("connections.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show the flows that work with the org, to choose from."""
    return _page(request, _salesforce(request, connection))


@require("connections.manage")
@require_POST
def compare(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Compare what the chosen flows need with the org."""
    found = _salesforce(request, connection)
    try:
        listing = preparing.listing(connection=found, flows=_flows(request), now=timezone.now())
    except (Unacceptable, IntegrationError) as refusal:
        return _page(request, found, refusal=redact_text(str(refusal)))
    return _page(request, found, listing=listing)


@require("connections.manage")
@require_POST
def package(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Hand out the zip with what the chosen flows need and the org lacks."""
    found = _salesforce(request, connection)
    try:
        listing = preparing.listing(connection=found, flows=_flows(request), now=timezone.now())
        content = preparing.package(listing)
    except (Unacceptable, IntegrationError) as refusal:
        return refuse(request, redact_text(str(refusal)))
    disposition = f'attachment; filename="{preparing.FILE_NAME}"'
    return HttpResponse(content, content_type="application/zip", headers={"Content-Disposition": disposition})


@require("connections.manage")
@sensitive_post_parameters(SESSION)
@require_POST
def check(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Let the org check what would be deployed; nothing is changed."""
    found = _salesforce(request, connection)
    return _step(
        request,
        found,
        lambda: preparing.check(
            connection=found,
            flows=_flows(request),
            session=request.POST.get(SESSION, ""),
            actor=scope_of(request).actor,
            now=timezone.now(),
        ),
    )


@require("connections.manage")
@sensitive_post_parameters(SESSION)
@require_POST
def look(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show how far a check or a deployment is."""
    found = _salesforce(request, connection)
    return _step(
        request,
        found,
        lambda: preparing.look(
            connection=found,
            flows=_flows(request),
            session=request.POST.get(SESSION, ""),
            ticket=request.POST.get("ticket", ""),
            actor=scope_of(request).actor,
            now=timezone.now(),
        ),
    )


@require("connections.manage")
@sensitive_post_parameters(SESSION)
@require_POST
def deploy(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Deploy what was checked."""
    found = _salesforce(request, connection)
    return _step(
        request,
        found,
        lambda: preparing.deploy(
            connection=found,
            flows=_flows(request),
            session=request.POST.get(SESSION, ""),
            ticket=request.POST.get("ticket", ""),
            actor=scope_of(request).actor,
            now=timezone.now(),
        ),
    )


def _step(request: HttpRequest, found: Connection, act: Callable[[], Progress]) -> HttpResponse:
    """Take a step and show how far it is, or why it was not taken."""
    try:
        progress = act()
    except (Unacceptable, IntegrationError) as refusal:
        progress = Progress("failed", "It was not done", redact_text(str(refusal)))
    if getattr(request, "htmx", False):
        context = {"progress": progress, "connection": found, **place_of(request)}
        return render(request, "flows/_org_progress.html", context)
    return _page(request, found, progress=progress)


def _salesforce(request: HttpRequest, public_id: str) -> Connection:
    return connection_of(request, public_id, system=Connection.System.SALESFORCE)


def _flows(request: HttpRequest) -> list[str] | None:
    """Return the ids of the flows that were chosen; None without a choice, for those that are live."""
    return request.POST.getlist("flow") or None


def _page(request: HttpRequest, found: Connection, **more: object) -> HttpResponse:
    candidates = org_needs.candidates(found)
    chosen = set(_flows(request) or (one.flow.public_id for one in candidates if one.is_live))
    context = {
        "connection": found,
        "candidates": [(one, one.flow.public_id in chosen) for one in candidates],
        "chosen": sorted(chosen),
        "file_name": preparing.FILE_NAME,
        **place_of(request),
        **more,
    }
    if getattr(request, "htmx", False):
        return render(request, "flows/_org_listing.html", context)
    return render(request, "flows/org.html", context)
