"""This module shows whom flows recognise customers among, and where the lines are drawn."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from flows import directories
from flows.matching.telling import chance
from flows.models import Directory, MatchPolicy, Review
from flows.recognising import judging, keeping, rules
from integrator.accounts.access import environment_of, require, scope_of

_BITS: dict[str, Any] = {
    "min_value": -rules.MOST_BITS,
    "max_value": rules.MOST_BITS,
    "widget": forms.NumberInput(attrs={"step": "0.25"}),
}


class Lines(forms.Form):
    """Where the lines are drawn."""

    automatic = forms.BooleanField(
        required=False,
        label="Take a sure likeness without asking a person",
        help_text="Off, only an id, a link or an earlier decision is taken without asking.",
    )
    auto = forms.FloatField(
        label="Sure from (points)", help_text="The least score of a sure likeness.", **_BITS
    )
    margin = forms.FloatField(
        label="Ahead of the next by (points)",
        help_text="So far the best record has to be ahead of the next one to be sure.",
        **_BITS,
    )
    review = forms.FloatField(
        label="Ask a person from (points)",
        help_text="Below it, a customer is new. Lower finds more duplicates, and asks more.",
        **_BITS,
    )


@require("runs.view")
@require_http_methods(["GET"])
def shown(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show what is known of an org's customers, the lines, and what past decisions say about them."""
    row = rules.row_of(environment_of(request))
    return _page(request, row, Lines(initial={name: getattr(row, name) for name in rules.LINES}))


@require("match_rules.manage")
@require_POST
def draw(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Draw the lines anew."""
    here, form = environment_of(request), Lines(request.POST)
    if form.is_valid():
        actor, now = scope_of(request).actor, timezone.now()
        try:
            rules.draw(environment=here, lines=form.cleaned_data, actor=actor, now=now)
        except rules.NoSuchLine as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, "Saved. Runs that come from now on go by it.")
            return redirect(_here(request))
    return _page(request, rules.row_of(here), form, status=422)


@require("match_rules.manage")
@require_POST
def learn(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Weigh by what people have decided, now instead of at night."""
    actor = scope_of(request).actor
    learned = rules.learn(environment_of(request), actor=actor, now=timezone.now())
    said = (
        "The weights are as people's decisions teach." if learned else "There are not enough decisions yet."
    )
    messages.success(request, said)
    return redirect(_here(request))


@require("runs.view")
@require_http_methods(["GET"])
def wrong(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show the pairs that count as sure, and of which people said that they are not one customer."""
    here = environment_of(request)
    row = rules.row_of(here)
    past = judging.past(here, row)
    pairs = past.wrong
    asked = Review.objects.filter(
        pair__environment=here, public_id__in=[one.question for one in pairs if one.question]
    )
    there = set(asked.values_list("public_id", flat=True))
    orgs = {one.pk: one for one in here.connections.all()}
    context: dict[str, Any] = {
        "pairs": [(one, orgs[one.connection_id], one.question in there) for one in pairs],
        "past": past,
        "rules": row,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/match_wrong.html", context)


@require("events.catch_up")
@require_POST
def read_again(request: HttpRequest, workspace: str, environment: str, directory: int) -> HttpResponse:
    """Have the records of an object read from the beginning."""
    found = get_object_or_404(_directories(request), pk=directory)
    directories.read_again(found, actor=scope_of(request).actor, now=timezone.now())
    messages.success(request, "Everything is read once more. What is known stays known meanwhile.")
    return redirect(_here(request))


def _page(request: HttpRequest, row: MatchPolicy, form: Lines, status: int = 200) -> HttpResponse:
    here = environment_of(request)
    place = {"workspace": scope_of(request).workspace, "environment": here}
    past = judging.past(here, row)
    # It is told with the switch, to whoever reads the page by ear as well.
    switch = form.fields["automatic"]
    record = render_to_string("flows/_match_record.html", {"past": past, **place})
    switch.help_text = format_html("{} {}", switch.help_text, record)
    context: dict[str, Any] = {
        "form": form,
        "rules": row,
        "chances": {name: round(100 * chance(getattr(row, name)), 1) for name in ("auto", "review")},
        "past": past,
        "directories": [
            (one, keeping.counted(one), directories.is_leaving(one, timezone.now()))
            for one in _directories(request).select_related("connection")
        ],
        **place,
    }
    return render(request, "flows/match_rules.html", context, status=status)


def _directories(request: HttpRequest) -> QuerySet[Directory]:
    found: QuerySet[Directory] = Directory.objects.filter(connection__environment=environment_of(request))
    return found.order_by("connection__name", "object")


def _here(request: HttpRequest) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:match_rules", kwargs=place)
