"""This module shows how missed events are looked for at a connection, and lets people ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection
from flows import missed
from flows.forms import Created, Looking, Since
from flows.views.connection_pages import connection_of, done, place_of
from integrator.accounts.access import require, scope_of
from integrator.kernel.refusals import Unacceptable

PAGE = "flows:missed"


class Asked(NamedTuple):
    """What a person asks for: the form of that name on the page, what is done, and what is told then."""

    name: str
    form: Since
    act: Callable[..., object]
    told: str


@require("connections.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show what was looked for, when, and what was found."""
    return _page(request, _stripe(request, connection))


@require("events.catch_up")
@require_POST
def catch_up(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Have Stripe's list of events read, from a moment on or from where the last look ended."""
    told = "Stripe's list is read now. What was missed comes in by itself."
    asked = Asked("catch_up", Since(request.POST), missed.catch_up, told)
    return _ask(request, _stripe(request, connection), asked)


@require("events.catch_up")
@require_POST
def compare(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Have the objects themselves compared with what was handled."""
    told = "The objects are compared now. It may take a while."
    return _ask(
        request,
        _stripe(request, connection),
        Asked("compare", Created(request.POST), missed.compare, told),
    )


@require("connections.manage")
@require_POST
def configure(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Set how missed events are looked for."""
    found, form = _stripe(request, connection), Looking(request.POST)
    if not form.is_valid():
        return _page(request, found, looking=form)
    missed.configure(connection=found, actor=scope_of(request).actor, now=timezone.now(), **form.cleaned_data)
    return done(request, found, PAGE, "It is kept, and counts from the next look on.")


def _ask(request: HttpRequest, found: Connection, asked: Asked) -> HttpResponse:
    form = asked.form
    if form.is_valid():
        try:
            asked.act(
                connection=found,
                since=form.cleaned_data["since"],
                actor=scope_of(request).actor,
                now=timezone.now(),
            )
        except Unacceptable as refusal:
            form.add_error("since", str(refusal))
    if not form.is_valid():
        return _page(request, found, **{asked.name: form})
    return done(request, found, PAGE, asked.told)


def _stripe(request: HttpRequest, public_id: str) -> Connection:
    return connection_of(request, public_id, system=Connection.System.STRIPE)


def _page(request: HttpRequest, found: Connection, **bound: Since | Looking) -> HttpResponse:
    standing = missed.standing(found, now=timezone.now())
    kept = {name: getattr(standing, name) for name in Looking.base_fields}
    context = {
        "connection": found,
        "missed": standing,
        "catch_up": Since(auto_id="catch_up_%s"),
        "compare": Created(auto_id="compare_%s"),
        "looking": Looking(initial=kept),
        **place_of(request),
        **bound,
    }
    return render(request, "flows/missed.html", context, status=422 if bound else 200)
