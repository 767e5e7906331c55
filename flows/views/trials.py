"""This module lets people try a flow out, keep trials as test cases, and compare with the live version."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from flows.engine.definition import InvalidDocument
from flows.models import Draft, Event, Flow, Pair, TestCase
from flows.models.cases import TestCaseQuerySet
from flows.trials import cases, desk, shadows
from flows.trials.desk import Served, Source, Wish
from flows.trials.occasions import LARGEST
from flows.trials.running import Ready, Untriable, ready
from flows.trials.tape import TooMuch
from flows.trials.unusable import Unusable
from flows.trials.world import NOT_READ
from flows.views import cards, traces
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import refuse

VERSIONS = 50  # that can be chosen
SHADOWED = (20, 50, 100, 200)
DRAFT = "draft"
PASTED = "pasted"
RECORD = "record"
_ANSWER = "answer."

# How a trial may end: in words, with tone and icon.
ENDINGS: dict[str, tuple[str, tuple[str, str]]] = {
    "done": ("Went to the end", ("ok", "check")),
    "ended": ("Ended on the way", ("", "minus")),
    "question": ("Would ask a person", ("warn", "hand")),
    "waits": ("Would wait or be tried again", ("warn", "clock")),
    "not_read": ("Stopped where something was to be read", ("warn", "eye")),
    "failed": ("Would become a dead letter", ("err", "circle-x")),
    "out_of_time": ("Took too long", ("err", "clock")),
}

REFUSALS = (Unusable, Untriable, InvalidDocument, desk.NoSuch, cases.TooMany, TooMuch)


class Try(forms.Form):
    """What is tried, on which event."""

    source = forms.CharField(max_length=20, required=False)  # draft, or the number of a version
    on = forms.CharField(max_length=140, required=False)  # event:<row>, sample:<name>, record, pasted
    record = forms.CharField(max_length=255, required=False)  # its id or its name
    body = forms.CharField(max_length=LARGEST, required=False, strip=False)
    live = forms.BooleanField(required=False)

    def wish(self) -> Wish:
        """Return what is meant, with what people would answer."""
        kind, _, name = self.cleaned_data["on"].partition(":")
        return Wish(
            source=source_of(self.cleaned_data["source"]),
            event=int(name) if kind == "event" and re.fullmatch(r"[0-9]{1,18}", name) else None,
            sample=name if kind == "sample" else "",
            record=self.cleaned_data["record"] if kind == RECORD else "",
            body=self.cleaned_data["body"] if kind == PASTED else None,
            live=self.cleaned_data["live"],
            answers={
                key.removeprefix(_ANSWER): str(value)
                for key, value in self.data.items()
                if key.startswith(_ANSWER)
            },
        )


class Save(Try):
    """What is tried, and what the test case is called."""

    name = forms.CharField(max_length=100)


class Compare(forms.Form):
    """What is compared with the live version, on which events."""

    source = forms.CharField(max_length=20, required=False)
    place = forms.SlugField(max_length=50, required=False)  # the environment whose events they are
    events = forms.IntegerField(min_value=1, max_value=shadows.MOST, required=False)
    next = forms.CharField(max_length=1_000_000, required=False)


def source_of(text: str) -> Source:
    """Return the document that `text` names: the draft, the version of that number, or the newest."""
    if text == DRAFT:
        return Source(draft=True)
    return Source(version=int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None)


@require("runs.payload")
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Show what a flow can be tried on, and try it."""
    found = _flow(request, flow)
    if request.method == "GET":
        return render(request, "flows/try.html", _context(request, found, request.GET.get("version", "")))
    form = Try(request.POST)
    context = _tried(request, found, form)
    status = 422 if "trouble" in context else 200
    if getattr(request, "htmx", False):
        return render(request, "flows/_try_result.html", {**_place(request, found), **context}, status=status)
    whole = _context(request, found, str(form.data.get("source", ""))[:20])
    return render(request, "flows/try.html", {**whole, **context}, status=status)


@require("flows.edit")
@require_POST
def save(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Try a flow out, and keep what came of it as a test case."""
    found, form = _flow(request, flow), Save(request.POST)
    if not form.is_valid() or not scope_of(request).can("runs.payload"):
        return refuse(request, "Give the test case a name of at most 100 characters.", status=422)
    here, actor = environment_of(request), scope_of(request).actor
    try:
        made = desk.save(
            flow=found,
            wish=form.wish(),
            name=form.cleaned_data["name"],
            environment=here,
            actor=actor,
            now=timezone.now(),
        )
    except REFUSALS as refusal:
        return refuse(request, str(refusal), status=422)
    return done(request, f"“{made.name}” is a test case now.", back=_back(request, found))


@require("flows.edit")
@require_POST
def delete(request: HttpRequest, workspace: str, environment: str, flow: str, case: str) -> HttpResponse:
    """Delete a test case with the event in it."""
    found = _flow(request, flow)
    wanted = get_object_or_404(
        cases_of(request, found).select_related("flow__integration__workspace"), public_id=case
    )
    cases.delete(case=wanted, actor=scope_of(request).actor, now=timezone.now())
    return done(request, f"“{wanted.name}” is deleted.", back=_back(request, found))


@require("runs.payload")
@require_POST
def run_cases(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Run every test case of a flow, and show what differs."""
    found = _flow(request, flow)
    source = str(request.POST.get("source", ""))[:20]
    try:
        prepared = ready(desk.document_of(found, source_of(source)))
    except REFUSALS as refusal:
        return refuse(request, str(refusal), status=422)
    rows = cases_of(request, found).select_related("flow__integration__workspace").order_by("name")
    ran = cases.run_all(cases=list(rows), flow=prepared)
    context = {"ran": ran, "failed": sum(not one.passed for one in ran), "of": _name_of(source)}
    template = "flows/_try_ran.html" if getattr(request, "htmx", False) else "flows/try.html"
    return render(request, template, {**_context(request, found, source), **context})


@require("runs.payload")
@require_POST
def shadow(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Compare a document with the live version, a slice at a time; the page asks for the next by itself."""
    found, form = _flow(request, flow), Compare(request.POST)
    if not form.is_valid():
        return refuse(request, "Choose how many events to compare.", status=422)
    place = next((one for one in _places(request) if one.slug == form.cleaned_data["place"]), None)
    pair = desk.pair_of(found, place or environment_of(request))
    if pair is None:
        return refuse(request, "The flow is not connected there.", status=422)
    try:
        told = _compared(request, found, pair, form)
    except (*REFUSALS, shadows.NothingLive, ValueError) as refusal:
        return refuse(request, str(refusal), status=422)
    template = "flows/_try_shadow.html" if getattr(request, "htmx", False) else "flows/try.html"
    return render(request, template, {**_context(request, found, told["source"]), **told})


def _compared(request: HttpRequest, found: Flow, pair: Pair, form: Compare) -> dict[str, Any]:
    """
    Return how far a comparison has come, after another slice.

    :raises ValueError: if what the page carries is not of this comparison; and what else cannot be compared
    """
    source = form.cleaned_data["source"]
    owner = f"{found.public_id}:{pair.pk}:{source}:{scope_of(request).actor}"
    live = shadows.live_version(flow=found, pair=pair)
    document = ready(desk.document_of(found, source_of(source)))
    state = (
        shadows.of_token(form.cleaned_data["next"], owner=owner)
        if form.cleaned_data["next"]
        else shadows.begin(pair=pair, flow=document, events=form.cleaned_data["events"] or SHADOWED[1])
    )
    state = shadows.go_on(state, flow=document, live=ready(live.document), pair=pair)
    return {
        "shadow": state,
        "live": live,
        "pair": pair,
        "source": source,
        "of": _name_of(source),
        "next": shadows.as_token(state, owner=owner) if state.left else "",
    }


# What the pages show


def _tried(request: HttpRequest, found: Flow, form: Try) -> dict[str, Any]:
    """Return what came of a trial, or in `trouble` and `problems` why there was none."""
    if not form.is_valid():
        return {"trouble": f"An event has at most {LARGEST // 1024} KiB, in characters that can be read."}
    wish, here = form.wish(), environment_of(request)
    try:
        served = desk.serve(
            flow=found, wish=wish, environment=here, actor=scope_of(request).actor, now=timezone.now()
        )
    except InvalidDocument as failure:
        told = cards.told(failure.problems, desk.document_of(found, wish.source))
        return {"trouble": "The flow is not finished, so it cannot be tried.", "problems": told}
    except REFUSALS as refusal:
        return {"trouble": str(refusal)}
    trial = served.tried.trial
    ending, look = ENDINGS[trial.ending]
    shown = {"served": served, "steps": steps_of(served), "wish": wish, "trial": trial}
    return {**shown, "ending": ending, "look": look}


def steps_of(served: Served) -> list[traces.Step]:
    """Return the steps that a trial took, with everything that they saw and gave."""
    return [_explained(step) for step in traces.steps_of(served.tried.trial.entries, values=True)]


def _explained(step: traces.Step) -> traces.Step:
    """Return a step whose failure is only that it was not read as what it is."""
    if step.error is None or step.error.code != NOT_READ:
        return step
    error = replace(
        step.error,
        title="Not read in a trial",
        explanation="",
        suggestion="Let it read from the connected systems, or choose an event that was handled before.",
        code="",
    )
    return replace(step, error=error)


def _context(request: HttpRequest, found: Flow, source: str) -> dict[str, Any]:
    here = environment_of(request)
    pair = desk.pair_of(found, here)
    prepared, problems = _prepared(found, source)
    return {
        **_place(request, found),
        "source": source or _first_choice(found),
        "versions": list(found.versions.order_by("-number").values_list("number", flat=True)[:VERSIONS]),
        "draft": Draft.objects.filter(flow=found).exists(),
        "pair": pair,
        "problems": problems,
        "recent": _recent(request, prepared, pair) if prepared else [],
        "samples": desk.samples(prepared) if prepared else [],
        "start": prepared.start if prepared else None,
        "cases": cases_of(request, found).order_by("name").defer("given", "expected"),
        "places": _places(request),
        "shadowed": SHADOWED,
        "largest": LARGEST,
    }


def _recent(request: HttpRequest, prepared: Ready, pair: Pair | None) -> list[Event]:
    """Return the events that are offered, the one that the address names first."""
    recent, chosen = desk.recent(prepared, pair), request.GET.get("event", "")
    return desk.with_chosen(recent, prepared.start, pair, chosen)


def _first_choice(found: Flow) -> str:
    newest = found.versions.order_by("-number").values_list("number", flat=True).first()
    return DRAFT if newest is None else str(newest)


def _prepared(found: Flow, source: str) -> tuple[Ready | None, list[str]]:
    """Return what is to be tried, or in words why it cannot be."""
    try:
        document = desk.document_of(found, source_of(source or _first_choice(found)))
    except desk.NoSuch as failure:
        return None, [str(failure)]
    try:
        return ready(document), []
    except InvalidDocument as failure:
        return None, cards.told(failure.problems, document)
    except Untriable as failure:
        return None, [str(failure)]


def cases_of(request: HttpRequest, found: Flow) -> TestCaseQuerySet:
    """Return the test cases of the flow, of environments whose events the reader may see."""
    return TestCase.objects.shown_in(_places(request)).filter(flow=found)


def _places(request: HttpRequest) -> list[Environment]:
    """Return the environments whose events the reader may see, production first."""
    scope = scope_of(request)
    every = Environment.objects.filter(workspace=scope.workspace).order_by("-position")
    return [one for one in every if scope.at(one).can("runs.payload")]


def _name_of(source: str) -> str:
    return (
        "the draft" if source == DRAFT else f"version {source}" if source.isdigit() else "the newest version"
    )


def _place(request: HttpRequest, found: Flow) -> dict[str, Any]:
    return {"flow": found, "workspace": scope_of(request).workspace, "environment": environment_of(request)}


def _flow(request: HttpRequest, public_id: str) -> Flow:
    return get_object_or_404(
        Flow.objects.select_related("integration__workspace"),
        integration__workspace=scope_of(request).workspace,
        public_id=public_id,
    )


def _back(request: HttpRequest, found: Flow) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:try", kwargs={**place, "flow": found.public_id})
