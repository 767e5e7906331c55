"""This module lets operators have a run done once more, and cancel one that has not ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from flows import reruns
from flows.forms import Discard
from flows.models import Deployment, Run
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import refuse

REFUSALS = (reruns.Busy, reruns.NotPossible)


@dataclass(frozen=True, slots=True)
class Acts:
    """What can be done with a run now, whoever may do it."""

    retry: str = ""  # what the button says; empty where it cannot be done
    own: bool = False  # whether its own version can do it, too: what is queued comes by itself
    live: Deployment | None = None  # another version that can do it in place of the run's own
    cancel: bool = False
    hint: str = ""


SOON = "It is tried at once instead of at its next turn. What a step waits for is waited for still."
RETRY = {
    Run.State.READY: ("Run", "A new run does it in place of this one."),
    Run.State.DONE: ("Run again", "A new run reads the object first and does the flow from the top."),
    Run.State.RETRYING: ("Try now", SOON),
    Run.State.DEAD: ("Retry", "It reads the object first and does the flow from the top."),
}
ONCE = "What must happen once, such as creating a record or telling somebody, is not done a second time."


def acts_of(run: Run, now: datetime) -> Acts:
    """Return what can be done with `run` at `now`."""
    is_open = run.state in Run.UNFINISHED
    if run.event.purged_at is not None:
        return Acts(cancel=is_open, hint="The content of its event was deleted when its time was over.")
    own = run.state in (Run.State.DONE, Run.State.DEAD) or reruns.can_be_hastened(run, now)
    state = Run.State.RETRYING if own and run.state == Run.State.READY else Run.State(run.state)
    retry, hint = RETRY.get(state, ("", ""))
    live = reruns.live_version(run) if retry else None
    other = live if live is not None and live.version_id != run.version_id else None
    if not own and other is None:
        return Acts(cancel=is_open)
    return Acts(retry, own, other, is_open, f"{hint} {ONCE}" if hint else "")


@require("runs.retry")
@require_POST
def retry(request: HttpRequest, workspace: str, environment: str, run: str) -> HttpResponse:
    """Do what a run is for once more, and show the run that does it."""
    found = _run(request, run)
    version: reruns.Choice = "live" if request.POST.get("version") == "live" else "own"
    try:
        doing = reruns.retry(run=found, version=version, actor=scope_of(request).actor, now=timezone.now())
    except REFUSALS as refusal:
        return refuse(request, str(refusal))
    told = (
        "It is done once more." if doing.pk == found.pk else f"The run {doing.public_id} does it once more."
    )
    return done(request, f"{told} Its object is read first.", back=address_of(request, doing))


@require("runs.cancel")
@require_http_methods(["GET", "POST"])
def cancel(request: HttpRequest, workspace: str, environment: str, run: str) -> HttpResponse:
    """Ask for the reason, then end a run without doing the rest of what it is for."""
    found, here = _run(request, run), environment_of(request)
    form = Discard(request.POST or None, production=here.kind == Environment.Kind.PRODUCTION)
    if not form.is_valid():
        template = "flows/_run_cancel.html" if getattr(request, "htmx", False) else "flows/run_cancel.html"
        context = {"form": form, "run": found, "workspace": scope_of(request).workspace, "environment": here}
        return render(request, template, context, status=422 if form.is_bound else 200)
    reason, actor = form.cleaned_data["reason"], scope_of(request).actor
    try:
        reruns.cancel(run=found, reason=reason, actor=actor, now=timezone.now())
    except REFUSALS as refusal:
        return refuse(request, str(refusal))
    return done(
        request, "It is cancelled. What it has done already stays done.", back=address_of(request, found)
    )


def _run(request: HttpRequest, public_id: str) -> Run:
    return get_object_or_404(Run, pair__environment=environment_of(request), public_id=public_id)


def address_of(request: HttpRequest, run: Run) -> str:
    """Return where a run of the environment is shown."""
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:run", kwargs={**place, "run": run.public_id})
