"""This module shows dead letters in groups of one cause, and lets operators retry or discard them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows import causes, deadletters, error_catalogue, explanations, missing_parents, reruns
from flows.forms import Discard
from flows.models import Cause, DeadLetter
from flows.views import arranged, group_retries, run_acts
from flows.views.answers import done
from flows.views.trends import Chart
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text
from integrator.web import Page, refuse

MOST_GROUPS = 100
# What is wrong with an event before any flow sees it; the error catalogue explains the rest.
TITLES = {
    "unreadable": "An event that cannot be read",
    "sealed": "An event whose encryption key is missing",
}
WITH_ALL = ("event", "run__flow", "run__version")


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one cause, with the newest of them as the example."""

    fingerprint: str
    count: int
    first: datetime
    last: datetime
    newest: DeadLetter
    title: str
    message: str
    trend: Chart
    cause: Cause | None = None  # what people arranged, if anything

    @property
    def hopeless(self) -> bool:
        """Tell whether trying again cannot help, so that discarding is what to do."""
        return self.newest.code == "unreadable"


@require("runs.view")
@require_GET
def dead_letters(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Show what waits for a person, the cause with the newest letter first."""
    here, now = environment_of(request), timezone.now()
    wanted = arranged.wanted(request)
    letters = causes.narrowed(causes.open_letters(here), here, wanted, now=now)
    groups = _groups(letters, here, now)
    context = {
        "groups": groups,
        "left_out": _left_out(letters, len(groups)),
        "filters": arranged.filters(request, wanted, now=now),
        "now": now,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/letters.html", context)


@require("runs.view")
@require_GET
def group(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Show the letters of one cause, one by one."""
    here, now = environment_of(request), timezone.now()
    letters = causes.open_letters(here).filter(fingerprint=fingerprint)
    groups = _groups(letters, here, now)
    page = Page.of(letters.select_related(*WITH_ALL), request)
    context = {
        "group": groups[0] if groups else None,
        "parent": missing_parents.standing_of(groups[0].newest) if groups else None,
        **(explained(request, groups[0].newest) if groups else {}),
        "page": page,
        "fingerprint": fingerprint,
        "now": now,
        "workspace": scope_of(request).workspace,
        "environment": here,
        **arranged.choices(here),
        **group_retries.latest(here, fingerprint, now=now),
    }
    return render(request, "flows/letter_group.html", context)


def explained(request: HttpRequest, letter: DeadLetter) -> dict[str, Any]:
    """Return what a model has said of it, and what it would be sent; nothing where it may not be asked."""
    if letter.resolved_at is not None or not explanations.may_be_asked(letter):
        return {}
    asks = scope_of(request).can("deadletters.explain")
    return {"explanation": explanations.known(letter), "to_send": explanations.sent(letter) if asks else ""}


def _groups(letters: QuerySet[DeadLetter], environment: Environment, now: datetime) -> Sequence[Group]:
    found = (
        letters.order_by()
        .values("fingerprint")
        .annotate(count=Count("pk"), first=Min("created_at"), last=Max("created_at"), newest=Max("pk"))
        .order_by("-newest")[:MOST_GROUPS]
    )
    rows = list(found)
    newest = letters.select_related(*WITH_ALL).in_bulk([row["newest"] for row in rows])
    fingerprints = [row["fingerprint"] for row in rows]
    trends = causes.trends(environment, fingerprints, now=now)
    known = causes.known(environment, fingerprints)
    groups = [
        _group(
            row["count"],
            row["first"],
            row["last"],
            newest[row["newest"]],
            Chart.of(trends[row["fingerprint"]]),
        )
        for row in rows
        if row["newest"] in newest
    ]
    return [replace(group, cause=known.get(group.fingerprint)) for group in groups]


def _left_out(letters: QuerySet[DeadLetter], shown: int) -> int:
    """Return how many causes there are beyond those that are shown."""
    if shown < MOST_GROUPS:
        return 0
    return letters.order_by().values("fingerprint").distinct().count() - shown


def _group(count: int, first: datetime, last: datetime, newest: DeadLetter, trend: Chart) -> Group:
    told = error_catalogue.explain(
        error_class=newest.error_class, code=newest.code, field=newest.field, message=newest.message
    )
    title = TITLES.get(newest.code, told.title)
    return Group(newest.fingerprint, count, first, last, newest, title, redact_text(newest.message), trend)


# What a person decides


@require("deadletters.retry")
@require_POST
def retry(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Try one letter again."""
    found = get_object_or_404(_all(request), public_id=letter)
    by: dict[str, Any] = {"actor": scope_of(request).actor, "now": timezone.now()}
    back = _back(request)
    try:
        if request.POST.get("from") == reruns.FAILED_STEP and found.run is not None:
            doing = reruns.retry(run=found.run, start=reruns.FAILED_STEP, **by)
            told, back = "It goes on at the failed step.", run_acts.address_of(request, doing)
        else:
            deadletters.retry(letter=found, **by)
            told = "It is tried again. Its object is read first."
    except (deadletters.AlreadyHandled, reruns.Busy, reruns.NotPossible) as refusal:
        return refuse(request, str(refusal))
    return done(request, told, back=back)


@require("deadletters.retry")
@require_POST
def retry_group(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Try every open letter of one cause again."""
    letters = causes.open_letters(environment_of(request)).filter(fingerprint=fingerprint)
    count = deadletters.retry_all(letters=letters, actor=scope_of(request).actor, now=timezone.now())
    if not count:
        return refuse(request, "Nothing was left to retry: somebody was quicker.")
    return done(request, f"{count:,} {'is' if count == 1 else 'are'} tried again.", back=_back(request))


@require("deadletters.discard")
@require_http_methods(["GET", "POST"])
def discard(request: HttpRequest, workspace: str, environment: str, letter: str) -> HttpResponse:
    """Ask for the reason, then close the letter without doing what it was for."""
    found, form = get_object_or_404(_all(request), public_id=letter), _reason(request)
    if not form.is_valid():
        return _ask_for_reason(request, form, letter=found)
    try:
        deadletters.discard(
            letter=found,
            reason=form.cleaned_data["reason"],
            actor=scope_of(request).actor,
            now=timezone.now(),
        )
    except deadletters.AlreadyHandled as refusal:
        return refuse(request, str(refusal))
    return done(request, "Discarded. The reason stands in the audit trail.", back=_back(request))


@require("deadletters.discard")
@require_http_methods(["GET", "POST"])
def discard_group(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Ask for the reason, then close every open letter of one cause."""
    letters, form = (
        causes.open_letters(environment_of(request)).filter(fingerprint=fingerprint),
        _reason(request),
    )
    if not form.is_valid():
        return _ask_for_reason(request, form, fingerprint=fingerprint, count=letters.count())
    reason, actor = form.cleaned_data["reason"], scope_of(request).actor
    count = deadletters.discard_all(letters=letters, reason=reason, actor=actor, now=timezone.now())
    if not count:
        return refuse(request, "Nothing was left to discard: somebody was quicker.")
    told = f"{count:,} {'is' if count == 1 else 'are'} discarded. The reason stands in the audit trail."
    return done(request, told, back=_back(request))


def _reason(request: HttpRequest) -> Discard:
    production = environment_of(request).kind == Environment.Kind.PRODUCTION
    return Discard(request.POST or None, production=production)


def _ask_for_reason(request: HttpRequest, form: Discard, **about: object) -> HttpResponse:
    place = {"workspace": scope_of(request).workspace, "environment": environment_of(request)}
    template = "flows/_discard.html" if getattr(request, "htmx", False) else "flows/discard.html"
    return render(request, template, {"form": form, **about, **place}, status=422 if form.is_bound else 200)


def _all(request: HttpRequest) -> QuerySet[DeadLetter]:
    here = environment_of(request)
    return DeadLetter.objects.filter(event__connection__environment=here).select_related(*WITH_ALL)


def _back(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse("flows:dead_letters", kwargs={"workspace": scope.workspace.slug, "environment": here.slug})
