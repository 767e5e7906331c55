"""This module tries a draft from its canvas: up to one of its steps, and on the test cases of the flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from flows import designer
from flows.designing import cutting, starting, tree
from flows.engine.definition import InvalidDocument
from flows.steps import registry
from flows.trials import cases, desk
from flows.trials.desk import Served, Source
from flows.trials.occasions import LARGEST
from flows.trials.running import ready
from flows.views import cards, trials, walked
from flows.views.canvas import Here
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

UNSEEN = "Your role does not let you see the content of events."
_FEW = 10  # events that are offered; the page on which flows are tried has more


@require("flows.edit")
@require_GET
def choose(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Show on which events the draft can be run."""
    if not scope_of(request).can("runs.payload"):
        return refuse(request, UNSEEN, status=403)
    here = Here.of(request, flow)
    pair = desk.pair_of(here.draft.flow, environment_of(request))
    start = starting.of(here.draft.document)
    context = {
        "start": start,
        "recent": desk.with_chosen(
            desk.recent_of(start, pair)[:_FEW], start, pair, request.GET.get("event", "")
        ),
        "samples": desk.samples_of(start.types),
        "pair": pair,
        "environment": environment_of(request),
        "largest": LARGEST,
    }
    return render(request, "flows/design/run_choices.html", context)


@require("flows.edit")
@require_POST
def run_to(request: HttpRequest, workspace: str, environment: str, flow: str, step: str) -> HttpResponse:
    """Run the draft as it stands up to a step, and say what became of each step on the way."""
    if not scope_of(request).can("runs.payload"):
        return refuse(request, UNSEEN, status=403)
    here, form = Here.of(request, flow), trials.Try(request.POST)
    if not form.is_valid():
        return _trouble(request, "Choose an event first.")
    wish = replace(form.wish(), source=Source(document=here.draft.document), to=step)
    try:
        served = desk.serve(flow=here.draft.flow, wish=wish, environment=environment_of(request), **here.by())
    except InvalidDocument as failure:
        told = cards.told(failure.problems, here.draft.document)
        return _trouble(request, "It cannot be run as far as that yet.", told)
    except trials.REFUSALS as refusal:
        return _trouble(request, str(refusal))
    return render(request, "flows/design/run.html", _came_of(here, served, step))


def _trouble(request: HttpRequest, trouble: str, problems: Any = ()) -> HttpResponse:
    context = {"trouble": trouble, "problems": problems}
    return render(request, "flows/design/run.html", context, status=422)


def _came_of(here: Here, served: Served, step: str) -> dict[str, Any]:
    document, trial = here.draft.document, served.tried.trial
    rows = walked.of(served, cutting.up_to(document, step, registry.load())["steps"])
    name = cards.name_of(tree.find(document, step).step)
    target = next(row for row in rows if row.step == step)
    ending, look = trials.ENDINGS[trial.ending]
    if target.state == "done":
        ending, look = f"Ran to “{name}”", ("ok", "check")
    elif trial.ending == "done" and target.state == "not_reached":
        ending, look = f"Did not come to “{name}”", ("", "minus")
    return {
        "draft": here.draft,
        "served": served,
        "trial": trial,
        "walked": rows,
        "step": step,
        "ending": ending,
        "look": look,
    }


@require("flows.edit")
@require_POST
def run_cases(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Run the test cases of the flow on the draft, for who is about to publish it."""
    here = Here.of(request, flow)
    mine = trials.cases_of(request, here.draft.flow)
    rows = list(mine.select_related("flow__integration__workspace").order_by("name"))
    context: dict[str, Any] = {}
    if rows and not designer.problems(here.draft):
        try:
            ran = cases.run_all(cases=rows, flow=ready(here.draft.document))
        except trials.REFUSALS as refusal:
            context["trouble"] = str(refusal)
        else:
            context |= {"ran": ran, "failed": sum(not one.passed for one in ran)}
    return render(request, "flows/design/run_cases.html", context)
