"""This module lets people keep what a list is narrowed to under a name, and opens lists with it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from flows import saved_views
from flows.models import SavedView
from flows.narrowing import Filters
from flows.saved_views import Who
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

EVERY = "all"  # in an address in place of a view: the list opens as it is
REFUSALS = (saved_views.Refused, saved_views.NotYours)


class Save(forms.Form):
    """What a view is called, and who sees it."""

    list = forms.ChoiceField(choices=SavedView.List.choices)
    name = forms.CharField(max_length=60, label="Name")
    shared = forms.BooleanField(required=False)
    first = forms.BooleanField(required=False)
    query = forms.CharField(max_length=4_000, required=False)


def shown(request: HttpRequest, list_: str, filters: Filters) -> dict[str, Any]:
    """Return what a page shows of the saved views of its list."""
    who = Who.of(scope_of(request))
    views = saved_views.seen(who, list_)
    current = next((one for one in views if one.public_id == request.GET.get("view")), None)
    query, opens_with = filters.as_query(), saved_views.first(who, list_)
    return {
        "list": list_,
        "views": [(view, urlencode({**view.query, "view": view.public_id})) for view in views],
        "view": current,
        "view_changed": current is not None and query != current.query,
        "view_is_first": current is not None and current == opens_with,
        "may_change_view": current is not None and who.may_change(current),
        "query": urlencode(query),
        "opens_with": opens_with,
        "me": request.user,
        # An address without anything would lead back to the view with which the list opens.
        "every_view": request.GET.get("view") or (EVERY if opens_with else ""),
        "everything": f"{request.path}?view={EVERY}" if opens_with else request.path,
    }


def first_of(request: HttpRequest, list_: str) -> str:
    """Return the address of the view with which a list opens for this person; empty if it opens as it is."""
    if request.GET:
        return ""
    view = saved_views.first(Who.of(scope_of(request)), list_)
    return _address(request, view) if view is not None else ""


@require("views.save")
@require_POST
def save(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Keep what a list is narrowed to."""
    form, who, now = Save(request.POST), Who.of(scope_of(request)), timezone.now()
    if not form.is_valid():
        return refuse(request, _at_fault(form), status=422)
    given = form.cleaned_data
    try:
        view = saved_views.save(
            who=who, list_=given["list"], name=given["name"], query=_query(given["query"]),
            shared=given["shared"], now=now,
        )  # fmt: skip
        if given["first"]:
            saved_views.open_with(who=who, list_=view.list, view=view, now=now)
    except REFUSALS as refusal:
        return refuse(request, str(refusal), status=422)
    messages.success(request, f"“{view.name}” is saved.")
    return redirect(_address(request, view))


@require("views.save")
@require_POST
def change(request: HttpRequest, workspace: str, environment: str, view: str) -> HttpResponse:
    """Give a view another name or other filters, share it or not, or let the list open with it."""
    found, form, who = _view(request, view), Save(request.POST), Who.of(scope_of(request))
    if not form.is_valid():
        return refuse(request, _at_fault(form), status=422)
    given, now = form.cleaned_data, timezone.now()
    query = _query(given["query"]) if given["query"] else None
    try:
        if who.may_change(found):
            found = saved_views.change(
                who=who, view=found, name=given["name"], query=query, shared=given["shared"], now=now
            )
        opens_with = saved_views.first(who, found.list)
        if given["first"] != (opens_with == found):
            first = found if given["first"] else None
            saved_views.open_with(who=who, list_=found.list, view=first, now=now)
    except REFUSALS as refusal:
        return refuse(request, str(refusal), status=422)
    messages.success(request, f"“{found.name}” is changed.")
    return redirect(_address(request, found))


@require("views.save")
@require_POST
def delete(request: HttpRequest, workspace: str, environment: str, view: str) -> HttpResponse:
    """Forget a view."""
    found = _view(request, view)
    list_ = found.list
    try:
        saved_views.delete(who=Who.of(scope_of(request)), view=found, now=timezone.now())
    except REFUSALS as refusal:
        return refuse(request, str(refusal), status=403)
    messages.success(request, f"“{found.name}” is deleted.")
    return redirect(f"{_list(request, list_)}?view={EVERY}")


def _at_fault(form: Save) -> str:
    if "query" in form.errors:
        return "What the list is narrowed to is too long to be kept. Take a filter away first."
    return "Give the view a name of at most 60 characters."


def _query(text: str) -> dict[str, Any]:
    return QueryDict(text).dict()


def _view(request: HttpRequest, public_id: str) -> SavedView:
    who = Who.of(scope_of(request))
    mine = SavedView.objects.seen_by(who.person).filter(workspace=who.workspace)
    return get_object_or_404(mine, public_id=public_id)


def _list(request: HttpRequest, list_: str) -> str:
    if list_ not in SavedView.List.values:
        raise Http404
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse(f"flows:{list_}", kwargs=place)


def _address(request: HttpRequest, view: SavedView) -> str:
    return f"{_list(request, view.list)}?{urlencode({**view.query, 'view': view.public_id})}"
