"""This module is what pages about one connection share: finding it, and going back after an act."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from connectors.models import Connection
from integrator.accounts.access import environment_of, scope_of


def connection_of(request: HttpRequest, public_id: str, *, system: str) -> Connection:
    """
    Return the connection to `system` of that name, in the request's environment.

    :raises Http404: if there is none
    """
    there = Connection.objects.filter(environment=environment_of(request), system=system)
    return get_object_or_404(there.select_related("environment__workspace"), public_id=public_id)


def place_of(request: HttpRequest) -> dict[str, Any]:
    """Return what every page of an environment is drawn with."""
    return {"workspace": scope_of(request).workspace, "environment": environment_of(request)}


def back(request: HttpRequest, found: Connection, page: str) -> HttpResponse:
    """Go back to the connection's page of that name, such as `flows:topics`."""
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return redirect(reverse(page, kwargs={**place, "connection": found.public_id}))


def done(request: HttpRequest, found: Connection, page: str, message: str) -> HttpResponse:
    """Say on the connection's page of that name that something was done."""
    messages.success(request, message)
    return back(request, found, page)
