"""This module shows dead letters in groups of one cause, and lets operators retry or discard them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows import (
    causes,
    deadletters,
    error_catalogue,
    explanations,
    grouping,
    missing_parents,
    reruns,
    stepping,
)
from flows.forms import Discard
from flows.models import Cause, DeadLetter
from flows.views import arranged, group_retries, run_acts
from flows.views.answers import done
from flows.views.trends import Chart
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text
from integrator.web import Page, refuse

CAUSES = 50  # on a page
FEW = 5  # letters that a click retries at once, without telling first what that means
# What is wrong with an event before any flow sees it; the error catalogue explains the rest.
TITLES = {
    "unreadable": "An event that cannot be read",
    "sealed": "An event whose encryption key is missing",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one cause, with the newest of them as the example."""

    fingerprint: str
    count: int
    number: str  # the count for people
    first: datetime
    last: datetime
    newest: DeadLetter
    title: str
    message: str
    trend: Chart
    cause: Cause | None  # what people arranged, if anything

    @classmethod
    def of(cls, found: grouping.Group) -> Group:
        """Return what the pages show of a cause."""
        newest = found.newest
        told = error_catalogue.explain(
            error_class=newest.error_class, code=newest.code, field=newest.field, message=newest.message
        )
        return cls(
            fingerprint=newest.fingerprint,
            count=found.count,
            number=found.number,
            first=found.first,
            last=found.last,
            newest=newest,
            title=TITLES.get(newest.code, told.title),
            message=redact_text(newest.message),
            trend=Chart.of(found.trend),
            cause=found.cause,
        )

    @property
    def few(self) -> bool:
        """Tell whether all of them may be retried by one click."""
        return self.count <= FEW

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
    narrowed = grouping.newest(here, wanted, now=now)
    read = stepping.reader(narrowed, indexed=False)
    page = Page.of(narrowed.rows, request, size=CAUSES, read=read)
    context = {
        "page": page,
        "groups": [Group.of(one) for one in grouping.groups(here, page.rows, now=now)],
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
    found = grouping.group_of(here, fingerprint, now=now)
    context = {
        "group": None if found is None else Group.of(found),
        "parent": None if found is None else missing_parents.standing_of(found.newest),
        **({} if found is None else explained(request, found.newest)),
        "page": Page.of(letters.select_related(*grouping.WITH_ALL), request),
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
    """Try every open letter of one cause again, if they are few; for many there is the retry at a pace."""
    letters = causes.open_letters(environment_of(request)).filter(fingerprint=fingerprint)
    if letters.order_by()[: FEW + 1].count() > FEW:
        return refuse(request, f"There are more than {FEW}. See first what retrying all of them means.")
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
    return DeadLetter.objects.filter(event__connection__environment=here).select_related(*grouping.WITH_ALL)


def _back(request: HttpRequest) -> str:
    scope, here = scope_of(request), environment_of(request)
    return reverse("flows:dead_letters", kwargs={"workspace": scope.workspace.slug, "environment": here.slug})
