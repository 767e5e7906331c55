"""This module shows merges of records: what one would do, how far it is, and what became of everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from flows.forms import MergeGo
from flows.merging import undoing, working
from flows.merging.reading import name_of
from flows.models import Merge
from flows.survivors import Reason
from flows.views import filters as narrow
from flows.views.connection_pages import place_of
from flows.views.merge_desk import FIXED, REASONS, children_row, text_of
from integrator import vault
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable
from integrator.web import Page, refuse

State = Merge.State
TABS: tuple[narrow.Tab, ...] = (
    narrow.Tab("", "All", ~Q(state=State.CHECKED)),
    narrow.Tab("under_way", "Under way", Q(state__in=Merge.UNFINISHED)),
    narrow.Tab("failed", "To look at", Q(state=State.FAILED, seen_at=None), "err"),
    narrow.Tab("done", "Done", Q(state=State.DONE)),
    narrow.Tab("refused", "Refused", Q(state=State.REFUSED)),
    narrow.Tab("checked", "Only previewed", Q(state=State.CHECKED)),
)
SAID = {
    State.RUNNING: ("The records are being merged.", "info"),
    State.DOUBT: ("Salesforce's answer was lost. It is asked what became of the records.", "warn"),
    State.DONE: ("The records are one now, and everything is where it belongs.", "ok"),
    State.REFUSED: ("Nothing was merged.", "warn"),
    State.FAILED: ("Something is not as it should be.", "err"),
}


@require("runs.view")
@require_GET
def listed(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the merges of the environment, newest first."""
    here = environment_of(request)
    tab = narrow.tab_of(TABS, request.GET.get("state", ""))
    found = all_at(here)
    may_see_names = scope_of(request).can("runs.payload")  # they are contents of records
    bulky = [name for name in Merge.BULKY if not (may_see_names and name == "before")]
    page = Page.of(found.filter(tab.condition).defer(*bulky), request, size=25)
    context = {
        "page": page,
        "rows": [(one, *_named(one, may_see_names)) for one in page.rows],
        "tab": tab,
        "tabs": narrow.counts(found, TABS),
        **place_of(request),
    }
    return render(request, "flows/merges.html", context)


@require("records.merge")
@require_GET
def merge(request: HttpRequest, workspace: str, environment: str, merge: str) -> HttpResponse:
    """Show one merge: what it does, how far it is, what was found afterwards, and how to take it back."""
    return _page(request, _found(request, merge))


@require("records.merge")
@require_POST
def run(request: HttpRequest, workspace: str, environment: str, merge: str) -> HttpResponse:
    """Have done what was looked at."""
    found = _found(request, merge)
    form = MergeGo(request.POST, production=_is_production(found))
    if not form.is_valid():
        return _page(request, found, form)
    try:
        working.begin(merge=found, actor=scope_of(request).actor, now=timezone.now())
    except (working.AlreadyHandled, Unacceptable) as refusal:
        return refuse(request, str(refusal))
    return _back(request, found)


@require("records.merge")
@require_GET
def progress(request: HttpRequest, workspace: str, environment: str, merge: str) -> HttpResponse:
    """Show how far a merge is; the page asks for it every few seconds."""
    found = _found(request, merge)
    answer = render(request, "flows/_merge_progress.html", {"merge": found, **place_of(request)})
    if request.GET.get("seen") == found.state:
        return answer
    said, tone = SAID[State(found.state)]
    trigger_client_event(answer, "toast", {"message": said, "tone": tone})
    return trigger_client_event(answer, "refresh", {})


@require("records.merge")
@require_POST
def look_at(request: HttpRequest, workspace: str, environment: str, merge: str) -> HttpResponse:
    """Say that somebody has looked at what went wrong."""
    found = _found(request, merge)
    try:
        working.look_at(merge=found, actor=scope_of(request).actor, now=timezone.now())
    except working.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    messages.success(request, "It is noted, and nobody is told of it any more.")
    return _back(request, found)


@require("records.merge")
@require_GET
def before(request: HttpRequest, workspace: str, environment: str, merge: str) -> HttpResponse:
    """Give everything that is needed to take a merge back, as a file."""
    found = _found(request, merge)
    try:
        told = undoing.undo_of(found)
    except vault.Unreadable as reason:
        return refuse(request, str(reason))
    answer = JsonResponse(told, json_dumps_params={"indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="merge-{found.public_id}.json"'
    return answer


def all_at(here: Environment) -> QuerySet[Merge]:
    """Return the merges of an environment, those that were only looked at among them."""
    return Merge.objects.filter(connection__environment=here).select_related("connection__environment")


def _found(request: HttpRequest, public_id: str) -> Merge:
    rows = all_at(environment_of(request)).select_related("connection__environment__workspace")
    return get_object_or_404(rows, public_id=public_id)


def _is_production(merge: Merge) -> bool:
    return merge.connection.environment.kind == Environment.Kind.PRODUCTION


def _back(request: HttpRequest, found: Merge) -> HttpResponse:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return redirect(reverse("flows:merge", kwargs={**place, "merge": found.public_id}))


def _page(request: HttpRequest, found: Merge, form: MergeGo | None = None) -> HttpResponse:
    context: dict[str, Any] = {
        "merge": found,
        "form": form or MergeGo(production=_is_production(found)),
        "children": [children_row(one, found.ids) for one in found.children],
        "moves": sum(bool(one["moves"]) for one in found.links),
        "asks": [one for one in found.links if one.get("asks")],
        "wrong": [one for one in found.verified if not one["ok"]],
        "again": _again(found),
        **_contents(found),
        **place_of(request),
    }
    return render(request, "flows/merge.html", context, status=422 if form is not None else 200)


def _named(found: Merge, may_see_names: bool) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Return id and name of the record that stays, and of those merged into it; the name may be empty."""
    try:
        records = found.records() if may_see_names else {}
    except vault.Unreadable:
        records = {}
    kept, *given = [(one, name_of(records[one]) if one in records else "") for one in found.ids]
    return kept, given


def _contents(found: Merge) -> dict[str, Any]:
    """Return what only who may see records is shown; if it cannot be opened, why."""
    try:
        records, undo = found.records(), undoing.undo_of(found)
    except vault.Unreadable as reason:
        return {"unreadable": str(reason)}
    names = {one: name_of(records.get(one, {"Id": one})) for one in found.ids}
    sent = found.values()
    return {
        "names": names,
        "changes": sorted(
            (_change(line, records, names, found, sent) for line in found.survivors),
            key=lambda change: not change["changes"],
        ),
        "undo": undo,
        "undo_values": [{**one, "before": text_of(one["before"])} for one in undo["values"]],
    }


def _change(
    line: Mapping[str, Any],
    records: Mapping[str, Any],
    names: Mapping[str, str],
    found: Merge,
    sent: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a field that differed: what the kept record has, what it gets, and what is given up."""
    name = str(line["field"])
    has = {one: text_of(records.get(one, {}).get(name)) for one in found.ids}
    gets = text_of(sent[name]) if name in sent else has[found.master]
    return {
        "name": name,
        "label": line["label"],
        "has": has[found.master],
        "gets": gets,
        "changes": name in sent,
        "source": names.get(str(line["record"]), ""),
        "lost": [{"of": names[one], "text": text} for one, text in has.items() if text and text != gets],
        "why": FIXED.get(str(line["fixed"])) or REASONS.get(Reason(line["reason"]), ""),
    }


def _again(found: Merge) -> str:
    """Return the query of the page that compares the same records anew."""
    ids = ",".join(found.ids)
    return f"connection={found.connection.public_id}&object={found.object}&ids={ids}&preset={found.preset}"
