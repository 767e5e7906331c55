"""This module shows the approvals that are kept as rules, and lets operators switch or delete them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import saved_fixes
from flows.forms import Switch
from flows.models import SavedFix
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import Page, refuse


@require("runs.view")
@require_GET
def fixes(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List what is mended by itself, the newest first."""
    here = environment_of(request)
    page = Page.of(saved_fixes.of_environment(here), request)
    context = {
        "fixes": saved_fixes.opened(page.rows),
        "page": page,
        "at_most": SavedFix.AT_MOST,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/fixes.html", context)


@require("deadletters.mend")
@require_POST
def switch(request: HttpRequest, workspace: str, environment: str, fix: str) -> HttpResponse:
    """Apply a fix from now on, or no more."""
    found, form = _found(request, fix), Switch(request.POST)
    if not form.is_valid():
        return refuse(request, "Say whether it is to be on.")
    on = form.cleaned_data["enabled"] == "true"
    saved_fixes.switch(row=found, on=on, actor=scope_of(request).actor, now=timezone.now())
    told = "It is applied from now on." if on else "It is applied no more."
    return done(request, told, back=_back(request))


@require("deadletters.mend")
@require_POST
def forget(request: HttpRequest, workspace: str, environment: str, fix: str) -> HttpResponse:
    """Delete a fix; what it has changed stays."""
    saved_fixes.forget(row=_found(request, fix), actor=scope_of(request).actor, now=timezone.now())
    return done(request, "Deleted. What it has changed stays.", back=_back(request))


def _found(request: HttpRequest, public_id: str) -> SavedFix:
    return get_object_or_404(saved_fixes.of_environment(environment_of(request)), public_id=public_id)


def _back(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse("flows:fixes", kwargs={"workspace": scope.workspace.slug, "environment": here.slug})
