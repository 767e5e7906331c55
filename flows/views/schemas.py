"""This module shows what objects at the other side of a connection consist of, and what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors import schemas
from connectors.models import Connection
from connectors.stripe import schema as stripe
from flows import captures, drift, seen, subjects
from flows.mapping.record_types import types_in
from flows.views import field_rows
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

ON_A_PAGE = 100
LONGEST = 100
SHOWS = {
    "": "Every field",
    "required": "Required",
    "writable": "Can be written",
    "key": "External ids",
    "changed": "Changed",
}


@dataclass(frozen=True, slots=True)
class Row:
    """An object in the list, and how many live flows use it."""

    name: str
    label: str
    custom: bool
    flows: int


@require("connections.view")
@require_GET
def objects(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """List the objects that can be seen through the connection, those that flows use first."""
    found = _connection(request, connection)
    query = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    known, problem = _known(request, found, schemas.EVERY)
    used = drift.used_objects(found)
    rows = list(_rows(known.content["objects"] if known else (), used, query))
    context = {
        **_place(request),
        "connection": found,
        "schema": known,
        "problem": problem,
        "q": query,
        "page": Paginator(sorted(rows, key=lambda row: -row.flows), ON_A_PAGE).get_page(
            request.GET.get("page")
        ),
    }
    return render(request, "flows/objects.html", context)


@require("connections.view")
@require_GET
def fields(
    request: HttpRequest,
    workspace: str,
    environment: str,
    connection: str,
    object: str,
) -> HttpResponse:
    """Show the fields of an object, since when they have been so, and what flows have to do with it."""
    return _page(request, _connection(request, connection), object)


@require("schemas.refresh")
@require_POST
def ask(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Ask the other side again: for one object, or for the list of all."""
    found, name = _connection(request, connection), request.POST.get("object") or schemas.EVERY
    before = schemas.kept(connection=found, object=name)
    try:
        told = schemas.of(connection=found, object=name, now=timezone.now(), in_full=True)
    except schemas.Unavailable as problem:
        return refuse(request, str(problem))
    if told.failure:
        messages.warning(request, f"{found.get_system_display()} did not answer. What was known stays.")
    elif before is not None and told.number == before.number:
        messages.success(request, "Nothing has changed.")
    else:
        messages.success(request, "It was read anew.")
    place = _names(request, found)
    if name == schemas.EVERY:
        return redirect(reverse("flows:objects", kwargs=place))
    return redirect(reverse("flows:fields", kwargs={**place, "object": name}))


def _page(request: HttpRequest, found: Connection, name: str) -> HttpResponse:
    known, problem = _known(request, found, name)
    query = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    show = request.GET.get("show", "")
    show = show if show in SHOWS else ""
    changes = schemas.changes(connection=found, object=name) if known else []
    rows: Sequence[field_rows.FieldRow] = ()
    if known is not None:
        sightings = _sightings(request, found, name)
        rows = field_rows.of(known, changes, sightings, values=scope_of(request).can("runs.payload"))
    drifts = drift.of(connection=found, object=name) if known else []
    inside = request.GET.get("in", "").replace("\0", "")[:500]
    context = {
        **_place(request),
        "connection": found,
        "object": name,
        "schema": known,
        "problem": problem,
        "rows": field_rows.narrowed(rows, query=query, show=show, inside=inside),
        "total": len(rows),
        "changes": [change for change in changes if change.differences],
        "drifts": drifts,
        "concerned": any(one.differences for one in drifts),
        "q": query,
        "show": show,
        "shows": SHOWS,
        "inside": inside,
        "stripe": found.system == Connection.System.STRIPE,
        "record_types": types_in(known.content) if known else [],
    }
    return render(request, "flows/fields.html", context, status=404 if problem and known is None else 200)


def _known(request: HttpRequest, found: Connection, name: str) -> tuple[schemas.Schema | None, str]:
    """Return what is known of an object, or why nothing is; it is asked for where the reader's role may."""
    known = schemas.kept(connection=found, object=name)
    if known is not None:
        return known, ""
    if not scope_of(request).can("schemas.refresh"):
        return None, "It has not been read yet. Somebody who may change flows can have it read."
    try:
        return schemas.of(connection=found, object=name, now=timezone.now()), ""
    except schemas.Unavailable as problem:
        return None, str(problem)


def _sightings(request: HttpRequest, found: Connection, name: str) -> seen.Sightings | None:
    """Return what the newest events say of a type of Stripe's objects."""
    if found.system != Connection.System.STRIPE:
        return None
    types = [kind for kind in stripe.event_types() if subjects.object_of(kind) == name]
    return seen.look([found.pk], types)


def _rows(told: Iterable[dict[str, Any]], used: dict[str, int], query: str) -> Iterator[Row]:
    wanted = query.casefold()
    for one in told:
        name, label = str(one["name"]), str(one.get("label", ""))
        if captures.is_event(name):
            continue
        if wanted in name.casefold() or wanted in label.casefold():
            yield Row(name, label, bool(one.get("custom")), used.get(name, 0))


def _connection(request: HttpRequest, public_id: str) -> Connection:
    return get_object_or_404(Connection, environment=environment_of(request), public_id=public_id)


def _names(request: HttpRequest, found: Connection) -> dict[str, str]:
    return {
        "workspace": scope_of(request).workspace.slug,
        "environment": environment_of(request).slug,
        "connection": found.public_id,
    }


def _place(request: HttpRequest) -> dict[str, object]:
    return {"workspace": scope_of(request).workspace, "environment": environment_of(request)}
