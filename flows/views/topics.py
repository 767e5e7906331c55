"""This module shows what a connection to Salesforce listens to, and lets people choose topics."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Connection, Topic
from flows import topics
from flows.forms import TopicName
from flows.views.connection_pages import back, connection_of, done, place_of
from integrator.accounts.access import require, scope_of
from integrator.kernel.refusals import Unacceptable

PAGE = "flows:topics"


@require("connections.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show what is listened to, and how far each topic was heard."""
    return _page(request, _salesforce(request, connection))


@require("connections.manage")
@require_POST
def choose(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Listen to one more topic, from now on."""
    found, form = _salesforce(request, connection), TopicName(request.POST)
    if form.is_valid():
        try:
            topics.choose(
                connection=found,
                name=form.cleaned_data["name"],
                actor=scope_of(request).actor,
                now=timezone.now(),
            )
        except Unacceptable as refusal:
            form.add_error("name", str(refusal))
    if not form.is_valid():
        return _page(request, found, form)
    return done(request, found, PAGE, "It is listened to from now on. What happened before is not fetched.")


@require("connections.manage")
@require_POST
def drop(request: HttpRequest, workspace: str, environment: str, connection: str, topic: int) -> HttpResponse:
    """Listen to a topic no more."""
    found = _salesforce(request, connection)
    topics.drop(topic=_topic(found, topic), actor=scope_of(request).actor, now=timezone.now())
    return done(request, found, PAGE, "It is listened to no more.")


@require("events.catch_up")
@require_POST
def go_on(
    request: HttpRequest, workspace: str, environment: str, connection: str, topic: int
) -> HttpResponse:
    """Let a topic that has stopped go on from the earliest event that Salesforce keeps."""
    found = _salesforce(request, connection)
    try:
        topics.go_on(topic=_topic(found, topic), actor=scope_of(request).actor, now=timezone.now())
    except Unacceptable as refusal:
        messages.warning(request, str(refusal))
        return back(request, found, PAGE)
    return done(request, found, PAGE, "It goes on from the earliest event that Salesforce still has.")


def _salesforce(request: HttpRequest, public_id: str) -> Connection:
    return connection_of(request, public_id, system=Connection.System.SALESFORCE)


def _topic(found: Connection, number: int) -> Topic:
    rows = Topic.objects.filter(connection=found).select_related("connection__environment__workspace")
    return get_object_or_404(rows, pk=number)


def _page(request: HttpRequest, found: Connection, bound: TopicName | None = None) -> HttpResponse:
    context = {
        "connection": found,
        "standings": topics.standing(found, now=timezone.now()),
        "form": bound or TopicName(),
        **place_of(request),
    }
    return render(request, "flows/topics.html", context, status=422 if bound else 200)
