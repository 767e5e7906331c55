"""This module shows how missed changes of an org are looked for, and lets people ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection
from flows import missed_changes, offering
from flows.forms import Asking, Daily, Records
from flows.models import PolledObject, Resync
from flows.views.connection_pages import back, connection_of, done, place_of
from integrator.accounts.access import require, scope_of
from integrator.kernel.refusals import Unacceptable

PAGE = "flows:missed_changes"


class Asked(NamedTuple):
    """What a person asks for: the form of that name on the page, what is done, and what is told then."""

    name: str
    form: forms.Form
    act: Callable[..., object]
    told: str


@require("connections.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show what was compared and checked, when, and what was found."""
    return _page(request, _salesforce(request, connection))


@require("connections.view")
@require_GET
def objects(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Answer which objects of the org fit what is typed."""
    org, typed = _salesforce(request, connection), request.GET.get("q", "").replace("\0", "")
    asked = offering.Asked(pair=None, of="", now=timezone.now(), paths=tuple, org=org)
    return JsonResponse(asdict(offering.offers("objects", typed, asked)))


@require("events.catch_up")
@require_POST
def compare(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Have the records of an object compared with what was told of them."""
    told = "The records are compared now. It may take a while."
    form = Records(request.POST, auto_id="compare_%s")
    asked = Asked("compare", form, missed_changes.compare, told)
    return _ask(request, _salesforce(request, connection), asked)


@require("events.catch_up")
@require_POST
def stop(
    request: HttpRequest, workspace: str, environment: str, connection: str, resync: int
) -> HttpResponse:
    """Compare no more; what was found so far stays."""
    found = _salesforce(request, connection)
    rows = Resync.objects.filter(connection=found).select_related("connection__environment__workspace")
    row = get_object_or_404(rows, pk=resync)
    try:
        missed_changes.stop(resync=row, actor=scope_of(request).actor, now=timezone.now())
    except Unacceptable as refusal:
        messages.warning(request, str(refusal))
        return back(request, found, PAGE)
    return done(request, found, PAGE, "It is compared no more. What was found so far stays.")


@require("connections.manage")
@require_POST
def poll(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Ask for the changes of one more object, or for those of one more often or less."""
    told = "It is checked from now on. What happened before is not fetched."
    asked = Asked("asking", Asking(request.POST, auto_id="asking_%s"), missed_changes.poll, told)
    return _ask(request, _salesforce(request, connection), asked)


@require("connections.manage")
@require_POST
def poll_no_more(
    request: HttpRequest, workspace: str, environment: str, connection: str, polled: int
) -> HttpResponse:
    """Ask for an object no more."""
    found = _salesforce(request, connection)
    rows = PolledObject.objects.filter(connection=found).select_related("connection__environment__workspace")
    row = get_object_or_404(rows, pk=polled)
    missed_changes.poll_no_more(polled=row, actor=scope_of(request).actor, now=timezone.now())
    return done(request, found, PAGE, "It is checked no more.")


@require("connections.manage")
@require_POST
def configure(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Set when and how far back records are compared every day."""
    told = "It is kept, and counts from the next time on."
    asked = Asked("daily", Daily(request.POST, auto_id="daily_%s"), missed_changes.configure, told)
    return _ask(request, _salesforce(request, connection), asked)


def _ask(request: HttpRequest, found: Connection, asked: Asked) -> HttpResponse:
    form = asked.form
    if form.is_valid():
        try:
            asked.act(
                connection=found, actor=scope_of(request).actor, now=timezone.now(), **form.cleaned_data
            )
        except Unacceptable as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    if not form.is_valid():
        return _page(request, found, **{asked.name: form})
    return done(request, found, PAGE, asked.told)


def _salesforce(request: HttpRequest, public_id: str) -> Connection:
    return connection_of(request, public_id, system=Connection.System.SALESFORCE)


def _page(request: HttpRequest, found: Connection, **bound: forms.Form) -> HttpResponse:
    standing = missed_changes.standing(found, now=timezone.now())
    kept = {name: getattr(standing, name) for name in Daily.base_fields}
    context: dict[str, Any] = {
        "connection": found,
        "missed": standing,
        "compare": Records(auto_id="compare_%s"),
        "asking": Asking(auto_id="asking_%s"),
        "daily": Daily(initial=kept, auto_id="daily_%s"),
        **place_of(request),
        **bound,
    }
    return render(request, "flows/missed_changes.html", context, status=422 if bound else 200)
