"""This module answers the pages of alert channels, and the list of what was sent by them."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.refusals import Unacceptable
from integrator.web import Page, refuse
from monitoring import channels
from monitoring.channel_forms import FORMS, ChannelForm
from monitoring.models import AlertChannel, AlertDispatch

KINDS = {
    "email": "One or more addresses, each with a mail of its own.",
    "slack": "A channel of Slack, Mattermost or what else takes incoming webhooks.",
    "webhook": "Your own program: JSON with a signature that it can check.",
    "event": "A platform event, for a Salesforce Flow or whatever else listens there.",
}
STATES: dict[str, Callable[[QuerySet[AlertDispatch]], QuerySet[AlertDispatch]]] = {
    "waiting": lambda rows: rows.filter(AlertDispatch.WAITING),
    "sent": lambda rows: rows.filter(sent_at__isnull=False),
    "given_up": lambda rows: rows.filter(given_up_at__isnull=False),
}


def check_reach(request: HttpRequest) -> None:
    """
    Refuse whoever may do this in one environment only.

    :raises PermissionDenied: with what is missing
    """
    if not scope_of(request).at(None).can("alerts.route"):
        raise PermissionDenied(
            "Channels and rules hold in the whole workspace. To change them takes a role there, and yours "
            "holds in single environments only."
        )


def place(request: HttpRequest) -> dict[str, object]:
    """Return what every page of alerts shows of where it is."""
    scope = scope_of(request)
    return {
        "workspace": scope.workspace,
        "environment": environment_of(request),
        "may_route": scope.at(None).can("alerts.route"),
        "now": timezone.now(),
    }


def address(request: HttpRequest, view: str) -> str:
    """Return the address of a page of alerts in the same environment."""
    kwargs = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse(f"monitoring:{view}", kwargs=kwargs)


# Channels


@require("alerts.view")
@require_GET
def channel_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the channels of the workspace, each with how it fares and what was sent last."""
    rows = list(AlertChannel.objects.of(scope_of(request).workspace).select_related("connection"))
    for row in rows:
        row.last = row.dispatches.first()  # type: ignore[attr-defined]  # for the page alone
    return render(
        request,
        "monitoring/channels.html",
        {
            "channels": rows,
            "kinds": [(*one, KINDS[one[0]]) for one in AlertChannel.Kind.choices],
            **place(request),
        },
    )


@require("alerts.route")
@require_http_methods(["GET", "POST"])
def add_channel(request: HttpRequest, workspace: str, environment: str, kind: str) -> HttpResponse:
    """Take a new channel; the secret of a signed webhook is shown this once."""
    check_reach(request)
    if kind not in FORMS:
        raise Http404
    scope = scope_of(request)
    form = FORMS[kind](request.POST or None, workspace=scope.workspace)
    if form.is_valid():
        try:
            channel, secret = channels.add(
                workspace=scope.workspace,
                kind=kind,
                given=form.given(),
                actor=scope.actor,
                now=timezone.now(),
            )
        except Unacceptable as refusal:
            _blame(form, refusal)
        else:
            if secret:
                return _secret(request, channel, secret)
            return redirect(address(request, "channels"))
    return _form(request, form, AlertChannel(kind=kind))


@require("alerts.route")
@require_http_methods(["GET", "POST"])
def change_channel(request: HttpRequest, workspace: str, environment: str, channel: str) -> HttpResponse:
    """Change where a channel leads; what is left empty of its secrets stays."""
    found = _found(request, channel)
    scope = scope_of(request)
    form = FORMS[found.kind](request.POST or None, workspace=scope.workspace, channel=found)
    if form.is_valid():
        try:
            channels.change(channel=found, given=form.given(), actor=scope.actor, now=timezone.now())
        except Unacceptable as refusal:
            _blame(form, refusal)
        else:
            return redirect(address(request, "channels"))
    return _form(request, form, found)


@require("alerts.route")
@require_POST
def switch_channel(request: HttpRequest, workspace: str, environment: str, channel: str) -> HttpResponse:
    """Switch a channel on or off."""
    found, on = _found(request, channel), request.POST.get("on") == "1"
    channels.switch(channel=found, on=on, actor=scope_of(request).actor, now=timezone.now())
    return done(
        request, "It is told again." if on else "It is told nothing.", back=address(request, "channels")
    )


@require("alerts.route")
@require_POST
def delete_channel(request: HttpRequest, workspace: str, environment: str, channel: str) -> HttpResponse:
    """Delete a channel that no rule tells."""
    found = _found(request, channel)
    try:
        channels.delete(channel=found, actor=scope_of(request).actor, now=timezone.now())
    except channels.InUse as refusal:
        return refuse(request, str(refusal))
    return done(request, "It is deleted.", back=address(request, "channels"))


@require("alerts.route")
@require_POST
def test_channel(request: HttpRequest, workspace: str, environment: str, channel: str) -> HttpResponse:
    """Have a test sent; what is answered stands in the list a moment later."""
    found = _found(request, channel)
    try:
        channels.test(channel=found, actor=scope_of(request).actor, now=timezone.now())
    except Unacceptable as refusal:
        return refuse(request, str(refusal))
    return done(
        request,
        "A test is on its way. The answer is shown here in a moment.",
        back=address(request, "channels"),
    )


@require("alerts.route")
@require_POST
def renew_secret(request: HttpRequest, workspace: str, environment: str, channel: str) -> HttpResponse:
    """Make a new signing secret and show it this once."""
    found = _found(request, channel)
    try:
        secret = channels.renew_secret(channel=found, actor=scope_of(request).actor, now=timezone.now())
    except Unacceptable as refusal:
        return refuse(request, str(refusal))
    return _secret(request, found, secret, renewed=True)


# What was sent


@require("alerts.view")
@require_GET
def dispatch_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the messages that tell of this environment, newest first, with what the other side answered."""
    here = environment_of(request)
    rows: QuerySet[AlertDispatch] = AlertDispatch.objects.about(here).select_related(
        "channel__connection", "rule"
    )
    channel, state = request.GET.get("channel", "")[:24], request.GET.get("state", "")
    if channel:
        rows = rows.filter(channel__public_id=channel.replace("\0", ""))
    if state in STATES:
        rows = STATES[state](rows)
    context = {
        "page": Page.of(rows, request),
        "channels": AlertChannel.objects.of(here.workspace),
        "channel": channel,
        "state": state,
        "states": [("waiting", "Waiting"), ("sent", "Sent"), ("given_up", "Given up")],
        **place(request),
    }
    return render(request, "monitoring/deliveries.html", context)


# Helpers


def _found(request: HttpRequest, channel: str) -> AlertChannel:
    found = get_object_or_404(AlertChannel.objects.of(scope_of(request).workspace), public_id=channel)
    check_reach(request)
    return found


def _blame(form: ChannelForm, refusal: Unacceptable) -> None:
    name = {"fields": "field_id"}.get(refusal.field, refusal.field)
    form.add_error(name if name in form.fields else None, str(refusal))


def _form(request: HttpRequest, form: ChannelForm, channel: AlertChannel) -> HttpResponse:
    context = {"form": form, "channel": channel, "about": KINDS[channel.kind], **place(request)}
    return render(request, "monitoring/channel.html", context, status=422 if form.is_bound else 200)


def _secret(
    request: HttpRequest, channel: AlertChannel, secret: str, *, renewed: bool = False
) -> HttpResponse:
    context = {"channel": channel, "secret": secret, "renewed": renewed, **place(request)}
    return render(request, "monitoring/channel_secret.html", context)
