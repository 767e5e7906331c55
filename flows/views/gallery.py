"""This module shows the gallery of templates: what each does and needs, and how it is installed."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from connectors.models import Connection
from flows import gallery
from flows.integrations import Taken
from flows.models import Flow
from flows.recipes.catalogue import NoSuchRecipe
from flows.views import outline
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

LONGEST_SEARCH = 100


@dataclass(frozen=True, slots=True)
class Card:
    """One template as it is shown."""

    template: gallery.Template
    steps: list[outline.Step]
    installed: list[tuple[Flow, str]]  # what was made of it, and where that is


@require("flows.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show the templates under headings, with their steps and needs: all of them, or those that fit `q`."""
    here, scope = environment_of(request), scope_of(request)
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    found = [one for one in gallery.templates(scope.workspace) if one.fits(q.split())]
    systems = set(Connection.objects.filter(environment=here).values_list("system", flat=True))
    context = {
        "groups": [
            (title, [_card(request, one) for one in those]) for title, those in gallery.grouped(found)
        ],
        "q": q,
        "connected": {"stripe", "salesforce"} <= systems,
        "org": "salesforce" in systems,
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/gallery.html", context)


def _card(request: HttpRequest, template: gallery.Template) -> Card:
    installed = [(flow, _place_of(request, flow)) for flow in template.installed]
    return Card(template, outline.steps_of(template.recipe.raw), installed)


@require("flows.edit")
@require_POST
def check(request: HttpRequest, workspace: str, environment: str, template: str) -> HttpResponse:
    """Compare what a template needs with the org, object by object."""
    try:
        checks = gallery.check(slug=template, environment=environment_of(request))
    except NoSuchRecipe:
        raise Http404 from None
    except gallery.NotConnected as refusal:
        return refuse(request, str(refusal))
    ready = not any(check.state == "problem" for check in checks)
    context = {"checks": checks, "ready": ready, "slug": template}
    if getattr(request, "htmx", False):
        return render(request, "flows/_gallery_checks.html", context)
    place = {"workspace": scope_of(request).workspace, "environment": environment_of(request)}
    return render(request, "flows/gallery_checks.html", {**context, **place})


@require("flows.edit")
@require_POST
def install(request: HttpRequest, workspace: str, environment: str, template: str) -> HttpResponse:
    """Make a flow of a template, as a draft, and lead to it."""
    scope, now = scope_of(request), timezone.now()
    integration = gallery.integration_for(
        environment=environment_of(request),
        may_pair=scope.can("connections.manage") and scope.at(None).can("flows.edit"),
        actor=scope.actor,
        now=now,
    )
    if integration is None:
        return refuse(request, "An administrator has to pair Stripe with Salesforce first.")
    try:
        draft = gallery.install(slug=template, integration=integration, actor=scope.actor, now=now)
    except NoSuchRecipe:
        raise Http404 from None
    except Taken as refusal:
        return refuse(request, str(refusal))
    address = _address(request, draft.flow)
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)


def _place_of(request: HttpRequest, flow: Flow) -> str:
    """Return where a flow is shown: its draft, for who may change it, as long as there is nothing else."""
    if scope_of(request).can("flows.edit") and not flow.versions.exists():
        return _address(request, flow)
    return _of_flow(request, flow, "flows:flow")


def _address(request: HttpRequest, flow: Flow) -> str:
    """Return where the draft is worked on, where this installation has such a page."""
    try:
        return _of_flow(request, flow, "flows:design")
    except NoReverseMatch:
        return _of_flow(request, flow, "flows:flow")


def _of_flow(request: HttpRequest, flow: Flow, view: str) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse(view, kwargs={**place, "flow": flow.public_id})
