"""This module is the page on which people build a flow: its canvas, the forms of its steps, publishing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows import checking, designer, integrations, passages
from flows.designing import differences, edits, forms, starting
from flows.designing.applying import TRIGGER
from flows.designing.tree import Refused, walk
from flows.engine.definition import InvalidDocument
from flows.mapping.issues import errors_in
from flows.models import Deployment, Draft, Flow, Integration, Pair
from flows.passages import Traffic
from flows.steps import registry
from flows.views import cards, panels, summaries, trials
from flows.views.answers import done
from flows.views.beginning import begun
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

LARGEST_BODY = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Here:
    """A request about the draft of a flow."""

    request: HttpRequest
    draft: Draft

    @classmethod
    def of(cls, request: HttpRequest, public_id: str) -> Here:
        """Return it, with the draft opened."""
        flows = Flow.objects.select_related("integration__workspace")
        flow = get_object_or_404(
            flows, integration__workspace=scope_of(request).workspace, public_id=public_id
        )
        return cls(request, designer.open_draft(flow, actor=scope_of(request).actor, now=timezone.now()))

    def by(self) -> dict[str, Any]:
        """Return who acts and when."""
        return {"actor": scope_of(self.request).actor, "now": timezone.now()}

    def pairs(self) -> list[Pair]:
        """Return the connected systems of this environment, if there are any."""
        return checking.pairs_of(self.draft.flow, [environment_of(self.request)])

    def live(self) -> Deployment | None:
        """Return what is live of the flow in this environment."""
        live = Deployment.objects.filter(flow=self.draft.flow, ended_at__isnull=True)
        here = live.filter(pair__environment=environment_of(self.request))
        return here.select_related("version", "pair", "flow").first()

    def context(self, draft: Draft, *, focus: str = "") -> dict[str, Any]:
        """Return what the parts show of `draft`, with the form of the step that is asked for or in focus."""
        actor = scope_of(self.request).actor
        problems = designer.problems(draft)
        names, kinds = cards.names_of(draft.document), cards.kinds_of(draft.document)
        selected = self.request.GET.get("step") or focus
        live = self.live()
        traffic = _traffic(live)
        published = live.version.document if live else None
        return {
            "flow": draft.flow,
            "draft": draft,
            "start": starting.of(draft.document),
            "only_if": summaries.only_if(draft.document),
            "cards": cards.cards_of(draft.document, problems, traffic, published),
            "live": live,
            "traffic": traffic,
            "problems": [(one, names.get(one.step, one.step), cards.said(one, kinds)) for one in problems],
            "trigger_problems": [cards.said(found) for found in problems if not found.step],
            "undo": designer.undoable(draft, actor),
            "redo": designer.redoable(draft, actor),
            "panel": panels.of(draft, selected, problems),
            "differences": _differences(draft),
            "test_cases": trials.cases_of(self.request, draft.flow).count(),
            "pair": next(iter(self.pairs()), None),
            "newest": draft.flow.versions.order_by("-number").first(),
            "workspace": scope_of(self.request).workspace,
            "environment": environment_of(self.request),
        }

    def parts(self, draft: Draft, *, status: int = HTTPStatus.OK, **told: Any) -> HttpResponse:
        """Return the parts of the page as they are now, for the browser to change them where they stand."""
        made = told.get("made")
        context = self.context(draft, focus=made.focus if made else "") | told
        return render(self.request, "flows/design/parts.html", context, status=status)


@require("flows.edit")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Show the draft of a flow as a tree of steps that can be changed."""
    here = Here.of(request, flow)
    context = here.context(here.draft) | {"offers": cards.offers()}
    return render(request, "flows/design.html", context)


@require("flows.edit")
@require_GET
def parts(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """
    Return the parts of the page, or nothing if the browser has the newest revision of the same step.

    One that names the counts that it shows gets the parts as well once runs have come along since.
    """
    here, seen = Here.of(request, flow), request.GET.get("seen")
    if seen == str(here.draft.revision):
        traffic = _traffic(here.live()) if "passed" in request.GET else None
        if traffic is None or traffic.mark == request.GET["passed"]:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return here.parts(here.draft)
    newest = max(here.draft.edits.told(), key=lambda edit: edit.newest, default=None)
    return here.parts(here.draft, news=newest if seen else None)


@require("flows.edit")
@require_GET
def checks(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Say what is wrong with the draft in this environment's org, once nothing is wrong with it by itself."""
    here = Here.of(request, flow)
    pair = next(iter(here.pairs()), None)
    issues = None
    if pair is not None and not designer.problems(here.draft):
        issues = checking.check(here.draft.document, pair, now=timezone.now(), flow=here.draft.flow)
    names, kinds = cards.names_of(here.draft.document), cards.kinds_of(here.draft.document)
    told = [
        (one, names.get(one.step, one.step), cards.setting(kinds.get(one.step, ""), one.field))
        for one in issues or ()
    ]
    context = {
        "pair": pair,
        "issues": None if issues is None else told,
        "errors": len(errors_in(issues or ())),
        "environment": environment_of(request),
    }
    return render(request, "flows/design/checks.html", context)


@require("flows.edit")
@require_POST
def change(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Make typed edits, sent as JSON with the revision that they were made on."""
    here = Here.of(request, flow)
    try:
        sent = json.loads(request.body[:LARGEST_BODY])
        given = sent if isinstance(sent, dict) else {}
        changes = begun(here.draft, edits.read(given.get("edits")), next(iter(here.pairs()), None))
        revision, key = int(given.get("revision", 0)), str(given.get("key", ""))[:40]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return here.parts(here.draft, status=HTTPStatus.BAD_REQUEST, message="The change could not be read.")
    return _answer(here, lambda: designer.apply(here.draft, changes, revision=revision, key=key, **here.by()))


@require("flows.edit")
@require_POST
def settings(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Keep what somebody put into the form of a step, or of the trigger; it may be unfinished."""
    here = Here.of(request, flow)
    posted = request.POST
    try:
        changes = panels.edits_of(here.draft, step, {name: posted[name] for name in posted})
    except forms.Unreadable as unreadable:
        context = {"message": str(unreadable), "errors": unreadable.errors}
        return here.parts(here.draft, status=HTTPStatus.UNPROCESSABLE_ENTITY, **context)
    except Refused as refusal:
        return here.parts(here.draft, status=HTTPStatus.CONFLICT, message=str(refusal))
    if not changes:
        return here.parts(here.draft)
    revision, key = _revision(request), posted.get("@key", "")[:40]
    return _answer(here, lambda: designer.apply(here.draft, changes, revision=revision, key=key, **here.by()))


@require("flows.edit")
@require_POST
def turn(request: HttpRequest, workspace: str, environment: str, flow: str, way: str) -> HttpResponse:
    """Take the last change back, or make it again."""
    here = Here.of(request, flow)
    acts = {"undo": designer.undo, "redo": designer.redo}
    if way not in acts:
        raise Http404
    act, key = acts[way], request.POST.get("@key", "")[:40]
    return _answer(here, lambda: act(here.draft, key=key, **here.by()))


@require("flows.edit")
@require_POST
def discard(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Go back to the newest version."""
    here = Here.of(request, flow)
    revision, key = _revision(request), request.POST.get("@key", "")[:40]
    return _answer(here, lambda: designer.discard(here.draft, revision=revision, key=key, **here.by()))


@require("flows.edit")
@require_POST
def publish(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Freeze the draft as the next version, and lead to it."""
    here = Here.of(request, flow)
    note = request.POST.get("note", "")[:500]
    seen: dict[str, Any] = {"draft": here.draft, "revision": _revision(request)}
    pairs = checking.pair_to_publish_for(here.draft.flow, [environment_of(request)])
    try:
        version = checking.publish(pairs=pairs, note=note, **seen, **here.by())
    except InvalidDocument as invalid:
        return refuse(request, _unpublished(invalid, here.draft), status=422)
    except (designer.Conflict, ValueError) as refusal:
        return refuse(request, str(refusal))
    place = reverse("flows:flow", kwargs={**_place(request), "flow": here.draft.flow.public_id})
    answer = done(
        request, f"Version {version.number} is published. Deploy it when you are ready.", back=place
    )
    answer["HX-Redirect"] = f"{place}?version={version.number}"
    return answer


def _unpublished(invalid: InvalidDocument, draft: Draft) -> str:
    """Return the first thing in the way, at its step as the canvas calls it, and how many more there are."""
    first, *more = invalid.problems
    steps = {one.step["id"]: one.step for one in walk(draft.document["steps"])}
    title = str(steps.get(first.step, {}).get("title") or first.step)
    field = "" if first.field in first.message else first.field
    where = ", ".join([*([f"“{title}”"] if title else []), *([field] if field else [])])
    says = f"{where}: {first.message}" if where else first.message
    rest = f" {len(more)} more under Problems." if more else ""
    return f"It cannot be published yet. {says[:400]}{rest}"


@require("flows.edit")
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Make a new flow and lead to its empty canvas; whoever only opens the address is led to the flows."""
    if request.method == "GET":
        return redirect(reverse("flows:list", kwargs=_place(request)))
    scope = scope_of(request)
    chosen = request.POST.get("integration", "").replace("\x00", "")
    integration = get_object_or_404(Integration, workspace=scope.workspace, slug=chosen)
    name = request.POST.get("name", "").replace("\x00", "").strip()
    try:
        draft = designer.create_flow(
            integration=integration,
            name=name,
            starts=request.POST.get("starts", ""),
            actor=scope.actor,
            now=timezone.now(),
        )
    except (integrations.Taken, ValueError) as refusal:
        return refuse(request, str(refusal))
    place = reverse("flows:design", kwargs={**_place(request), "flow": draft.flow.public_id})
    return redirect(f"{place}?{urlencode({'step': TRIGGER})}")


def _answer(here: Here, act: Callable[[], Draft]) -> HttpResponse:
    """Do `act` and return the page's parts: what was done, or who was in the way and with what."""
    try:
        draft = act()
    except designer.NothingToTurn as nothing:
        return here.parts(_newest(here), status=HTTPStatus.CONFLICT, message=str(nothing), nothing=True)
    except designer.Conflict as conflict:
        return here.parts(_newest(here), status=HTTPStatus.CONFLICT, message=str(conflict))
    except Refused as refusal:
        return here.parts(
            _newest(here), status=HTTPStatus.UNPROCESSABLE_ENTITY, message=str(refusal), nothing=True
        )
    made = max(draft.edits.told(), key=lambda edit: edit.newest, default=None)
    return here.parts(draft, made=made)


def _traffic(live: Deployment | None) -> Traffic | None:
    """Return what ran along the steps of what is live in the last day."""
    return passages.of_flow(live.flow, live.pair, now=timezone.now()) if live else None


def _differences(draft: Draft) -> list[differences.Difference]:
    if draft.base_version is None:
        return []
    return differences.between(draft.base_version.document, draft.document, registry.load())


def _newest(here: Here) -> Draft:
    return Draft.objects.select_related("flow", "base_version").get(pk=here.draft.pk)


def _revision(request: HttpRequest) -> int:
    given = request.POST.get("@revision", "")  # no setting of a step is called so
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _place(request: HttpRequest) -> dict[str, str]:
    return {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
