"""This module shows what must happen once, and lets operators decide what was left out or is in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import effects
from flows.forms import Found
from flows.models import Effect, Flow, Review, Run
from flows.views import filters as narrow
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import Page, refuse

State = Effect.State
_OPEN = Q(state__in=[State.PLANNED, State.SENT])
# A run that found the object by another way, such as by Stripe's own event, asks for the answer no more.
_ENDED = Q(run__state=Run.State.DONE)
TABS: tuple[narrow.Tab, ...] = (
    narrow.Tab("", "All", Q()),
    narrow.Tab("in_doubt", "In doubt", Q(state=State.IN_DOUBT), "warn"),
    narrow.Tab("skipped", "Left out", Q(state=State.SKIPPED), "warn"),
    narrow.Tab("done", "Done", Q(state=State.DONE)),
    narrow.Tab("refused", "Refused", Q(state=State.REFUSED), "err"),
    narrow.Tab("under_way", "Under way", _OPEN & ~_ENDED),
    narrow.Tab("unanswered", "Never answered", _OPEN & _ENDED),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One effect of the list, with the question about it that is open, if there is one."""

    effect: Effect
    question: Review | None


@require("runs.view")
@require_GET
def listed(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the effects of the environment, newest first, narrowed by state and flow."""
    here = environment_of(request)
    tab, flow = narrow.tab_of(TABS, request.GET.get("state", "")), request.GET.get("flow", "")
    found = _all(here)
    if flow:
        found = found.filter(flow__public_id=flow.replace("\0", ""))
    page = Page.of(found.filter(tab.condition).select_related("flow", "run__event"), request)
    asked = _questions(page.rows)
    context = {
        "page": page,
        "rows": [Row(effect, asked.get(effect.run.event_id)) for effect in page.rows],
        "tab": tab,
        "tabs": narrow.counts(found, TABS),
        "flow": flow,
        "flows": Flow.objects.filter(integration__pairs__environment=here),
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/effects.html", context)


@require("effects.decide")
@require_POST
def insist(request: HttpRequest, workspace: str, environment: str, effect: str) -> HttpResponse:
    """Do now what was left out."""
    found = get_object_or_404(_all(environment_of(request)), public_id=effect)
    try:
        effects.insist(effect=found, actor=scope_of(request).actor, now=timezone.now())
    except (effects.AlreadyHandled, effects.NotPossible) as refusal:
        return refuse(request, str(refusal))
    return done(request, "A run does it now. Its object is read first.", back=_back(request))


@require("effects.decide")
@require_POST
def settle(request: HttpRequest, workspace: str, environment: str, effect: str) -> HttpResponse:
    """Take down whether an effect in doubt happened."""
    found = get_object_or_404(_all(environment_of(request)), public_id=effect)
    form = Found(request.POST)
    if not form.is_valid():
        return refuse(request, "Say whether it happened.", status=422)
    happened = form.cleaned_data["happened"] == "true"
    try:
        effects.settle(effect=found, happened=happened, actor=scope_of(request).actor, now=timezone.now())
    except (effects.AlreadyHandled, effects.NotPossible) as refusal:
        return refuse(request, str(refusal))
    told = "It counts as done." if happened else "It counts as left out. You can have it done now."
    return done(request, told, back=_back(request))


def _all(here: Environment) -> QuerySet[Effect]:
    return Effect.objects.filter(pair__environment=here)


def _questions(rows: list[Effect]) -> dict[int, Review]:
    """Return the open question about effects in doubt, by the event that they belong to."""
    events = {effect.run.event_id for effect in rows if effect.state == State.IN_DOUBT}
    if not events:
        return {}
    asked = Review.objects.open().filter(kind=Review.Kind.IN_DOUBT, run__event__in=events)
    return {review.run.event_id: review for review in asked.select_related("run")}


def _back(request: HttpRequest) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:effects", kwargs=place)
