"""This module shows one dead letter, with what would help it, and lets operators approve that or edit it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import (
    causes,
    deadletters,
    editing,
    error_catalogue,
    explanations,
    mending,
    missing_parents,
    remedies,
    resuming,
)
from flows.forms import Approve, EditObject
from flows.models import DeadLetter
from flows.views import group_retries
from flows.views.answers import done
from flows.views.letters import TITLES, explained
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.redact import redact_text
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse

WITH_ALL = ("event__connection", "run__flow", "run__version", "run__pair__salesforce")


@require("runs.view")
@require_GET
def letter(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Show one letter: why it is there, what would help, and its object."""
    return _page(request, _found(request, letter))


@require("deadletters.mend")
@require_POST
def approve(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Try it again with a change of what is written; or all of its cause, one of them first."""
    found, form = _found(request, letter), Approve(request.POST)
    if not form.is_valid():
        return _page(request, found, problem=form.errors.as_text(), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    given = form.cleaned_data
    approval = mending.Approval(given["way"], given["length"], given["value"], given["keep"])
    by: dict[str, Any] = {"approval": approval, "actor": scope_of(request).actor}
    try:
        if given["all"] and given["per_minute"] is None:
            return _ask_for_all(request, found, by)
        if given["all"]:
            cause: dict[str, Any] = {"environment": environment_of(request), "fingerprint": found.fingerprint}
            mending.approve_cause(**cause, **by, per_minute=given["per_minute"], now=timezone.now())
            told = "One is tried with this change first. The rest follows if it works."
        else:
            mending.approve(letter=found, **by, now=timezone.now())
            told = "It is tried again with this change."
    except deadletters.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    except (remedies.NoRemedy, Unacceptable) as refusal:
        if given["all"] and getattr(request, "htmx", False):
            return refuse(request, str(refusal))  # there is no room for the page in its dialog
        return _page(request, found, problem=str(refusal), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    kept = " It is kept as a saved fix." if given["keep"] else ""
    return done(request, f"{told}{kept}", back=_after(request, found))


def _ask_for_all(request: HttpRequest, found: DeadLetter, by: dict[str, Any]) -> HttpResponse:
    """Tell what approving a change for a whole cause means, and ask for the pace."""
    here = environment_of(request)
    approval: mending.Approval = by["approval"]
    entered = {"way": approval.way, "length": approval.length, "value": approval.value}
    carried = {name: value for name, value in entered.items() if value not in (None, "")}
    context = {
        **group_retries.meaning(here, found.fingerprint),
        "fix": mending.fix_of_cause(environment=here, fingerprint=found.fingerprint, **by),
        "carried": {**carried, "all": "on", **({"keep": "on"} if approval.keep else {})}.items(),
        "keep": approval.keep,
        "letter": found,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    asks_in_place = getattr(request, "htmx", False)
    return render(request, f"flows/{'_approve_all' if asks_in_place else 'approve_all'}.html", context)


@require("deadletters.mend")
@require_POST
def edit(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Show what was changed in the text of the object, or try the letter again with that."""
    found, form = _found(request, letter), EditObject(request.POST)
    if not form.is_valid():
        return _page(
            request, found, editing_problem=form.errors.as_text(), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    text, reason = form.cleaned_data["text"], form.cleaned_data["reason"]
    scope = scope_of(request)
    allowed = scope.can("deadletters.edit_money")
    edited: dict[str, Any] = {"text": text, "reason": reason}
    try:
        if "retry" not in request.POST:
            change = editing.edit_of(found, text, reason=reason or "not yet said", may_edit_money=allowed)
            return _page(request, found, **edited, changes=editing.differences(change.changes))
        mending.edit(
            letter=found,
            text=text,
            reason=reason,
            may_edit_money=allowed,
            actor=scope.actor,
            now=timezone.now(),
        )
    except deadletters.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    except (editing.NotEditable, Unacceptable) as refusal:
        return _page(
            request, found, **edited, editing_problem=str(refusal), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    return done(request, "It is tried again with your changes.", back=_after(request, found))


@require("deadletters.explain")
@require_POST
def explain(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Have a hosted model explain it, and show what it wrote, or why it did not."""
    found = _found(request, letter)
    try:
        explanations.explain(found, actor=scope_of(request).actor, now=timezone.now())
    except explanations.NotExplained as refusal:
        return _page(request, found, not_explained=str(refusal), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    # Elsewhere than here, so that the page can be loaded anew and goes on following what changes.
    place = {"workspace": workspace, "environment": environment, "letter": found.public_id}
    return redirect(f"{reverse('flows:letter', kwargs=place)}#explanation")


def _page(
    request: HttpRequest, found: DeadLetter, *, status: HTTPStatus = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    here, scope = environment_of(request), scope_of(request)
    same = causes.open_letters(here).filter(fingerprint=found.fingerprint)
    verdict = error_catalogue.of_failure(found, given_up=True)
    context: dict[str, Any] = {
        "letter": found,
        "title": TITLES.get(found.code, verdict.title),
        "message": redact_text(found.message),
        "many": same.count(),
        "parent": missing_parents.standing_of(found),
        **explained(request, found),
        "workspace": scope.workspace,
        "environment": here,
        "resume": _resume(found),
        **_help(found, may_read=scope.can("runs.payload")),
    }
    return render(request, "flows/letter.html", {**context, **more}, status=status)


def _resume(found: DeadLetter) -> resuming.Offer | None:
    """Return whether an open letter's run can go on at its failed step; an event without a run has none."""
    if found.resolved_at is not None or found.run is None:
        return None
    return resuming.offer(found.run, timezone.now())


def _help(found: DeadLetter, *, may_read: bool) -> dict[str, Any]:
    """Return what may be approved and edited, and why not where nothing may."""
    if found.resolved_at is not None or not may_read:
        return {}
    told: dict[str, Any] = {}
    try:
        remedy = remedies.of(found)
        usual = remedies.fix_of(remedy, actor="") if remedy.ways[0] in ("cut", "leave_out", "empty") else None
        told |= {
            "remedy": remedy,
            "ways": [(way, remedies.SAID[way]) for way in remedy.ways],
            "wants_value": any(way in ("replace", "default") for way in remedy.ways),
            "after": remedy.after(usual) if usual is not None else "",
            "cuts": remedy.ways[0] == "cut",
        }
    except (remedies.NoRemedy, Unacceptable) as refusal:
        told["no_remedy"] = str(refusal)
    try:
        known = editing.editable(found)
        told |= {"original": known.original, "text": known.text, "lines": min(24, known.text.count("\n") + 1)}
    except editing.NotEditable as refusal:
        told["not_editable"] = str(refusal)
    return told


def _found(request: HttpRequest, public_id: str) -> DeadLetter:
    rows = DeadLetter.objects.filter(event__connection__environment=environment_of(request))
    return get_object_or_404(rows.select_related(*WITH_ALL), public_id=public_id)


def _after(request: HttpRequest, found: DeadLetter) -> str:
    scope, here = scope_of(request), environment_of(request)
    place = {"workspace": scope.workspace.slug, "environment": here.slug}
    return reverse("flows:letter_group", kwargs={**place, "fingerprint": found.fingerprint})
