"""This module shows questions that wait for a person, with what helps to answer them, and takes answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from connectors.salesforce.merging import MERGEABLE
from flows import evidence, overwriting, reviews
from flows.engine import approving
from flows.finding import Place
from flows.forms import Answer, Discard
from flows.models import Review
from flows.questions import about, likeliest
from flows.views.answers import done
from integrator.accounts.access import Scope, environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import Page, refuse

LONGEST_WANTED = 255
LIKELIEST = "likely"
WITH_ALL = ("run__event", "run__flow", "run__version", "pair__salesforce")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which questions a list shows: of one kind or of all, about something or all, open or closed ones."""

    of_kind: Any
    kind: str
    past: bool
    text: str

    @property
    def rows(self) -> QuerySet[Review]:
        """Return what the list shows, newest first."""
        found: QuerySet[Review] = self.of_kind.filter(closed_at__isnull=not self.past)
        return found


def wanted(request: HttpRequest) -> Wanted:
    """Read which questions are asked for; what cannot be read is as if it were not there."""
    here, kind = environment_of(request), request.GET.get("kind", "")
    kind = kind if kind in Review.Kind.values else ""
    text = request.GET.get("q", "").strip()[:LONGEST_WANTED]
    found = _all(here).filter(**({"kind": kind} if kind else {}))
    if text:
        found = about(found, text, Place.of(here), values=scope_of(request).can("runs.payload"))
    return Wanted(found, kind, past=request.GET.get("show") == "closed", text=text)


@require("runs.view")
@require_GET
def questions(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the questions of the environment: those that are open, or those that are closed."""
    found, scope = wanted(request), scope_of(request)
    values = scope.can("runs.payload")
    shown = found.rows.select_related(*WITH_ALL)
    by_likelihood = values and request.GET.get("sort") == LIKELIEST
    page = Page(likeliest(shown, most=50), "", "") if by_likelihood else Page.of(shown, request)
    told = evidence.summaries_of(page.rows) if values else {}
    context = {
        "page": page,
        "rows": [(one, told.get(one.pk)) for one in page.rows],
        "past": found.past,
        "open_count": found.of_kind.open().count(),
        "closed_count": found.of_kind.filter(closed_at__isnull=False).count(),
        "kind": found.kind,
        "kinds": Review.Kind.choices,
        "wanted": found.text,
        "may_sort": values,
        "by_likelihood": by_likelihood,
        "workspace": scope.workspace,
        "environment": environment_of(request),
    }
    return render(request, "flows/questions.html", context)


@require("runs.view")
@require_GET
def question(request: HttpRequest, workspace: str, environment: str, review: str) -> HttpResponse:
    """Show one question with its evidence and its answers."""
    return render(request, "flows/question.html", _shown(request, _one(request, review)))


@require("runs.payload")
@require_POST
def foretell(request: HttpRequest, workspace: str, environment: str, review: str) -> HttpResponse:
    """Say of each record that may be answered what the run would then write; that asks the live systems."""
    found = _one(request, review)
    if not overwriting.is_asked_about_records(found):
        return _too_late(request, "This question is no longer open.")
    try:
        told = overwriting.foretell(review=found, actor=scope_of(request).actor, now=timezone.now())
        context: dict[str, Any] = {"foretold": told}
    except overwriting.NotTold as refusal:
        context = {"not_foretold": str(refusal)}
    if getattr(request, "htmx", False):
        return render(request, "flows/_foretold.html", context)
    return render(request, "flows/question.html", _shown(request, found) | context)


def _shown(request: HttpRequest, found: Review) -> dict[str, Any]:
    """Return what the page of a question shows."""
    here, scope = environment_of(request), scope_of(request)
    asked = evidence.of(found, values=scope.can("runs.payload") or reviews.is_asked(found, who(scope)))
    place = {"workspace": scope.workspace.slug, "environment": here.slug}
    return {
        "review": found,
        "run": found.run,
        "asked": asked,
        "merge_url": _merge_url(found, asked, place),
        "foretells": scope.can("runs.payload") and overwriting.is_asked_about_records(found),
        "saves_over": overwriting.saves_over(found),
        "approval": approval_of(found, scope),
        "next": _all(here).open().exclude(pk=found.pk).order_by("id").first(),
        "workspace": scope.workspace,
        "environment": here,
    }


def _merge_url(review: Review, asked: evidence.Asked, place: dict[str, str]) -> str:
    """Return where records that are shown beside each other are merged; nothing with fewer than two."""
    if asked.beside is None or len(asked.beside.columns) < 2 or review.closed_at is not None:
        return ""
    if asked.beside.object not in MERGEABLE:
        return ""
    told = {
        "connection": review.pair.salesforce.public_id,
        "object": asked.beside.object,
        "ids": asked.beside.ids,
    }
    return f"{reverse('flows:merge_records', kwargs=place)}?{urlencode(told)}"


@require("reviews.answer")
@require_POST
def answer(request: HttpRequest, workspace: str, environment: str, review: str) -> HttpResponse:
    """Take the answer, so that the run goes on with it."""
    return _take(request, _one(request, review), "The run goes on with your answer.")


@require("approvals.decide")
@require_POST
def decide(request: HttpRequest, workspace: str, environment: str, review: str) -> HttpResponse:
    """Take what somebody decided about an approval; whom it is asked of says the approval itself."""
    found = get_object_or_404(_all(environment_of(request)), public_id=review, terms__isnull=False)
    return _take(request, found, "Decided. The run goes on accordingly.")


def _take(request: HttpRequest, found: Review, said: str) -> HttpResponse:
    form, scope = Answer(request.POST), scope_of(request)
    if not form.is_valid():
        return refuse(request, "Choose one of the answers.", status=422)
    value = form.cleaned_data["value"]
    fields = _chosen(request) if value == reviews.EACH else {}
    try:
        reviews.answer(
            review=found,
            value=value,
            fields=fields,
            comment=form.cleaned_data["comment"],
            actor=scope.actor,
            who=who(scope),
            now=timezone.now(),
        )
    except reviews.NotYours as refusal:
        return refuse(request, str(refusal), status=403)
    except reviews.Unexplained as refusal:
        return refuse(request, str(refusal), status=422)
    except reviews.AlreadyHandled as refusal:
        return _too_late(request, str(refusal))
    except reviews.NotAnOption as refusal:
        return refuse(request, str(refusal), status=422) if fields else _too_late(request, str(refusal))
    return done(request, said, back=_back(request))


@dataclass(frozen=True, slots=True)
class ApprovalShown:
    """Whom an approval is asked of, and what keeps this reader from deciding."""

    asked: str
    not_approve: str  # why the reader may not approve; empty if they may
    not_decline: str
    comment: str  # when something has to be said: never, declining, always


def approval_of(review: Review, scope: Scope) -> ApprovalShown | None:
    """Return what the page says of an approval to whoever is behind `scope`; nothing of other questions."""
    terms = reviews.terms_of(review)
    if terms is None:
        return None
    reader = who(scope)
    if not scope.can("approvals.decide"):
        reader = reviews.Who(reader.name, frozenset(), is_person=False)
    return ApprovalShown(
        asked=approving.asked_of(terms),
        not_approve=approving.refusal(terms, reader, approving.APPROVED),
        not_decline=approving.refusal(terms, reader, approving.DECLINED),
        comment=terms.comment,
    )


def who(scope: Scope) -> reviews.Who:
    """Return whoever is behind `scope`."""
    return reviews.Who(scope.actor, scope.roles, is_person=scope.is_person)


@require("reviews.answer")
@require_http_methods(["GET", "POST"])
def discard(request: HttpRequest, workspace: str, environment: str, review: str) -> HttpResponse:
    """Ask for the reason, then end the run without doing what it was for."""
    found, here = _one(request, review), environment_of(request)
    form = Discard(request.POST or None, production=here.kind == Environment.Kind.PRODUCTION)
    if not form.is_valid():
        context = {
            "form": form,
            "review": found,
            "workspace": scope_of(request).workspace,
            "environment": here,
        }
        template = "flows/_discard.html" if getattr(request, "htmx", False) else "flows/discard.html"
        return render(request, template, context, status=422 if form.is_bound else 200)
    reason, actor = form.cleaned_data["reason"], scope_of(request).actor
    try:
        reviews.discard(review=found, reason=reason, actor=actor, now=timezone.now())
    except reviews.AlreadyHandled as refusal:
        return _too_late(request, str(refusal))
    return done(request, "Discarded. The reason stands in the audit trail.", back=_back(request))


def _chosen(request: HttpRequest) -> dict[str, reviews.Choice]:
    """Return what is right for each field, as the form of a conflict says it."""
    chosen: dict[str, reviews.Choice] = {}
    for name, field in request.POST.items():
        if name.startswith("field."):
            number = name.removeprefix("field.")
            take, typed = (request.POST.get(f"{part}.{number}", "") for part in ("take", "typed"))
            chosen[str(field)[:200]] = reviews.Choice(take or ("value" if typed else ""), typed)
    return chosen


def _too_late(request: HttpRequest, message: str) -> HttpResponse:
    """Say that somebody was quicker, and let an open page show what they did."""
    answer = refuse(request, message)
    return trigger_client_event(answer, "refresh", {}) if getattr(request, "htmx", False) else answer


def _all(here: Environment) -> Any:
    return Review.objects.filter(pair__environment=here)


def _one(request: HttpRequest, public_id: str) -> Review:
    found: QuerySet[Review] = _all(environment_of(request)).select_related(*WITH_ALL)
    return get_object_or_404(found, public_id=public_id)


def _back(request: HttpRequest) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:questions", kwargs=place)
