"""This module lets people arrange dead letters by cause: who sees to it, when it is shown again, its tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from flows import causes
from flows.causes import Wanted
from flows.error_catalogue import CLASSES
from flows.forms import Assign, Snooze, Tags
from flows.models import Cause, Flow
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment, User
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse

ME = "me"
LONGEST = 254


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to, as the address says it, and what it can be narrowed to."""

    assigned: str
    tag: str
    snoozed: bool
    q: str
    flow: str
    error_class: str
    people: Sequence[User]
    tags: Sequence[str]
    flows: Sequence[Flow]
    put_off: int  # letters that the list leaves out for a while

    @property
    def narrowed(self) -> bool:
        """Tell whether anything narrows the list."""
        return bool(self.assigned or self.tag or self.snoozed or self.q or self.flow or self.error_class)

    @property
    def is_elsewhere(self) -> bool:
        """Tell whether the list is narrowed to a flow that there is not here."""
        return bool(self.flow) and all(flow.public_id != self.flow for flow in self.flows)

    @property
    def classes(self) -> Sequence[tuple[str, str]]:
        """Return the classes of failures, and one that only the address knows."""
        other = {} if self.error_class in ("", *CLASSES) else {self.error_class: self.error_class}
        return list({**CLASSES, **other}.items())


def wanted(request: HttpRequest) -> Wanted:
    """Read the filters of a request's address; what cannot be read is as if it were not there."""
    assigned, tag = _text(request, "assigned"), _text(request, "tag")
    if assigned == ME:
        assigned = request.user.email if isinstance(request.user, User) else causes.NOBODY
    return Wanted(
        assigned=assigned,
        tag=tag,
        snoozed=request.GET.get("snoozed") == "yes",
        q=_text(request, "q"),
        flow=_text(request, "flow"),
        error_class=_text(request, "error_class"),
    )


def filters(request: HttpRequest, wanted: Wanted, *, now: datetime) -> Filters:
    """Return what the form of filters shows."""
    here = environment_of(request)
    put_off = causes.narrowed(causes.open_letters(here), here, Wanted(snoozed=True), now=now)
    return Filters(
        assigned=_text(request, "assigned"),
        tag=wanted.tag,
        snoozed=wanted.snoozed,
        q=wanted.q,
        flow=wanted.flow,
        error_class=wanted.error_class,
        people=causes.members(here),
        tags=causes.tags_in_use(here),
        flows=list(Flow.objects.filter(integration__pairs__environment=here).order_by("name").distinct()),
        put_off=put_off.count(),
    )


def choices(environment: Environment) -> dict[str, Any]:
    """Return what the forms of a cause offer."""
    spans = [(key, told) for key, (told, _) in Snooze.SPANS.items()]
    return {"people": causes.members(environment), "spans": spans}


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "").strip()[:LONGEST]


@require("deadletters.arrange")
@require_POST
def assign(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Say who sees to a cause."""
    form = Assign(request.POST)
    if not form.is_valid():
        return _unreadable(request, form)
    return _arrange(request, fingerprint, causes.assign, "It is kept who sees to it.", **form.cleaned_data)


@require("deadletters.arrange")
@require_POST
def snooze(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Leave a cause out of the list for a while, or show it again."""
    form = Snooze(request.POST)
    if not form.is_valid():
        return _unreadable(request, form)
    until = form.until(timezone.now())
    told = "Put off. It comes back by itself." if until else "It is shown again."
    return _arrange(request, fingerprint, causes.snooze, told, until=until)


@require("deadletters.arrange")
@require_POST
def tag(request: HttpRequest, workspace: str, environment: str, fingerprint: str) -> HttpResponse:
    """Give a cause the tags by which people find it."""
    form = Tags(request.POST)
    if not form.is_valid():
        return _unreadable(request, form)
    names = form.cleaned_data["tags"].split(",")
    return _arrange(request, fingerprint, causes.tag, "The tags are kept.", names=names)


def _unreadable(request: HttpRequest, form: forms.Form) -> HttpResponse:
    return refuse(request, form.errors.as_text(), HTTPStatus.UNPROCESSABLE_ENTITY)


def _arrange(
    request: HttpRequest, fingerprint: str, act: Callable[..., Cause], told: str, **given: object
) -> HttpResponse:
    here, scope = environment_of(request), scope_of(request)
    by = {"actor": scope.actor, "now": timezone.now()}
    try:
        act(environment=here, fingerprint=fingerprint, **given, **by)
    except Unacceptable as refusal:
        return refuse(request, str(refusal), HTTPStatus.UNPROCESSABLE_ENTITY)
    except Cause.DoesNotExist:
        raise Http404 from None
    place = {"workspace": scope.workspace.slug, "environment": here.slug, "fingerprint": fingerprint}
    return done(request, told, back=reverse("flows:letter_group", kwargs=place))
