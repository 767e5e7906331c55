"""This module shows connections and lets administrators set them up, test, pause and rotate them."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from connectors import connections, readiness
from connectors.forms import NEW, NewConnection, Pause, Rotate, WebhookSecretForm
from connectors.models import Connection
from connectors.salesforce.package import archive
from integrator.accounts.access import environment_of, require, scope_of
from integrator.kernel.errors import IntegrationError
from integrator.kernel.refusals import Unacceptable
from integrator.web import refuse

# Deliveries signed with the old secret are still under way while Stripe learns the new one.
OVERLAP = timedelta(hours=24)


@require("connections.view")
@require_GET
def connection_list(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the connections of the environment with their health."""
    here = environment_of(request)
    found = list(Connection.objects.filter(environment=here).prefetch_related("webhook_endpoints"))
    present = {one.system for one in found}
    context = {
        "connections": found,
        "missing": [choice for choice in Connection.System if choice.value not in present],
        "systems": list(Connection.System),
        **_place(request),
    }
    return render(request, "connectors/list.html", context)


@require("connections.view")
@require_GET
def detail(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Show one connection: where it leads, how it is, its webhook addresses; never a secret."""
    return _page(request, _connection(request, connection))


@require("connections.manage")
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, workspace: str, environment: str, system: str) -> HttpResponse:
    """Set up a connection, test it, and show it with what the test found."""
    if system not in NEW:
        raise Http404
    form = NEW[system](request.POST or None)
    made = _create(request, form) if form.is_valid() else None
    if made is None:
        context = {"form": form, "system": Connection.System(system), **_place(request)}
        return render(request, "connectors/create.html", context, status=422 if form.is_bound else 200)
    told = connections.test(connection=made, actor=scope_of(request).actor, now=timezone.now())
    if told.ok:
        messages.success(request, f"{made.name} is kept. {told.title}.")
    else:
        messages.warning(request, f"{made.name} is kept, but the test failed: {told.title}. {told.remedy}")
    return redirect(_address(request, made))


def _create(request: HttpRequest, form: NewConnection) -> Connection | None:
    """Make the connection, or add to the form why it cannot be made."""
    try:
        return connections.create(
            environment=environment_of(request),
            system=form.system,
            name=form.cleaned_data["name"],
            base_url=form.cleaned_data["base_url"],
            settings=form.settings(),
            secrets=form.secrets(),
            actor=scope_of(request).actor,
            now=timezone.now(),
        )
    except Unacceptable as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return None


@require("connections.manage")
@require_POST
def test(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Try the credential now and say precisely what was found."""
    found = _connection(request, connection)
    told = connections.test(connection=found, actor=scope_of(request).actor, now=timezone.now())
    context = {"diagnosis": told, "connection": found, **_place(request)}
    if getattr(request, "htmx", False):
        answer = render(request, "connectors/_diagnosis.html", context)
        return trigger_client_event(answer, "refresh", {})  # health and state may have changed
    return _page(request, found, diagnosis=told)


@require("connections.manage")
@require_POST
def examine(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Look at everything that the product needs at the other side, and say what to do about each."""
    found = _connection(request, connection)
    told = readiness.examine(
        connection=found,
        public_url=settings.PUBLIC_URL,
        actor=scope_of(request).actor,
        now=timezone.now(),
    )
    if getattr(request, "htmx", False):
        answer = render(request, "connectors/_readiness.html", {"readiness": told, "connection": found})
        return trigger_client_event(answer, "refresh", {})  # health and state may have changed
    return _page(request, found, readiness=told)


@require("connections.view")
@require_GET
def package(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """Hand out the zip with everything that an org needs to have of ours."""
    disposition = f'attachment; filename="{archive.FILE_NAME}"'
    return HttpResponse(
        archive.archive(), content_type="application/zip", headers={"Content-Disposition": disposition}
    )


@require("connections.pause")
@require_POST
def pause(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Stop every call through the connection; what arrives meanwhile waits."""
    found, form = _connection(request, connection), Pause(request.POST)
    if not form.is_valid():
        return refuse(request, "Say why the connection is to rest.")
    connections.pause(
        connection=found,
        reason=form.cleaned_data["reason"],
        actor=scope_of(request).actor,
        now=timezone.now(),
    )
    return _done(request, found, f"{found.name} is paused. What arrives meanwhile waits.")


@require("connections.pause")
@require_POST
def resume(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Let calls through again; what has waited is handled in order."""
    found = _connection(request, connection)
    connections.resume(connection=found, actor=scope_of(request).actor, now=timezone.now())
    return _done(request, found, f"{found.name} is active again. What has waited is handled in order.")


@require("connections.manage")
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Put new secrets in place of the old ones."""
    found = _connection(request, connection)
    form = Rotate(request.POST or None, connection=found)
    if not form.is_valid():
        context = {"form": form, "connection": found, **_place(request)}
        return render(request, "connectors/rotate.html", context, status=422 if form.is_bound else 200)
    actor, now = scope_of(request).actor, timezone.now()
    try:
        connections.rotate(connection=found, secrets=form.secrets(), actor=actor, now=now)
    except Unacceptable as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        context = {"form": form, "connection": found, **_place(request)}
        return render(request, "connectors/rotate.html", context, status=422)
    told = connections.test(connection=found, actor=actor, now=now)
    if told.ok:
        messages.success(request, f"The secrets were exchanged. {told.title}.")
        return redirect(_address(request, found))
    messages.warning(request, "The secrets were exchanged, but the test failed.")
    return _page(request, found, diagnosis=told)


# Webhook addresses


@require("connections.manage")
@require_http_methods(["GET", "POST"])
def add_webhook(request: HttpRequest, workspace: str, environment: str, connection: str) -> HttpResponse:
    """Create the webhook address: at Stripe through its API, or here for one that was entered by hand."""
    found = _stripe(request, connection)
    form = WebhookSecretForm(request.POST if request.POST.get("by") == "hand" else None)
    actor, now = scope_of(request).actor, timezone.now()
    if request.POST.get("by") == "api":
        try:
            connections.register_webhook(
                connection=found,
                public_url=settings.PUBLIC_URL,
                events=list(readiness.event_types_of(found)),
                actor=actor,
                now=now,
            )
        except IntegrationError as failure:
            return refuse(request, f"Stripe did not create the endpoint: {failure}")
        return _done(request, found, "Stripe sends its events here from now on.")
    if form.is_valid():
        try:
            connections.add_webhook_endpoint(
                connection=found, secret=form.cleaned_data["secret"], actor=actor, now=now
            )
        except Unacceptable as refusal:
            form.add_error("secret", str(refusal))
        else:
            messages.success(request, "Enter the address below at Stripe, if you have not yet.")
            return redirect(_address(request, found))
    context = {"form": form, "connection": found, **_place(request)}
    return render(request, "connectors/webhook.html", context, status=422 if form.is_bound else 200)


@require("connections.manage")
@require_http_methods(["GET", "POST"])
def roll_webhook(
    request: HttpRequest, workspace: str, environment: str, connection: str, endpoint: str
) -> HttpResponse:
    """Take a new signing secret; the old one counts for another day."""
    found = _stripe(request, connection)
    target = get_object_or_404(found.webhook_endpoints, public_id=endpoint)
    form = WebhookSecretForm(request.POST or None)
    if form.is_valid():
        try:
            connections.roll_webhook_secret(
                endpoint=target,
                secret=form.cleaned_data["secret"],
                overlap=OVERLAP,
                actor=scope_of(request).actor,
                now=timezone.now(),
            )
        except Unacceptable as refusal:
            form.add_error("secret", str(refusal))
        else:
            messages.success(request, "The new signing secret counts now, the old one for another 24 hours.")
            return redirect(_address(request, found))
    context = {"form": form, "connection": found, "endpoint": target, **_place(request)}
    return render(request, "connectors/roll.html", context, status=422 if form.is_bound else 200)


# What the views share


def _place(request: HttpRequest) -> dict[str, object]:
    return {"workspace": scope_of(request).workspace, "environment": environment_of(request)}


def _connection(request: HttpRequest, public_id: str) -> Connection:
    return get_object_or_404(Connection, environment=environment_of(request), public_id=public_id)


def _stripe(request: HttpRequest, public_id: str) -> Connection:
    found = _connection(request, public_id)
    if found.system != Connection.System.STRIPE:
        raise Http404
    return found


def _page(request: HttpRequest, found: Connection, **more: object) -> HttpResponse:
    context = {
        "connection": found,
        "credentials": found.credentials.order_by("field"),
        "endpoints": found.webhook_endpoints.prefetch_related("secrets").order_by("id"),
        "public_url": settings.PUBLIC_URL,
        "package_name": archive.FILE_NAME,
        "used": min(100, round(100 * found.api_used / found.api_limit))
        if found.api_limit and found.api_used is not None
        else None,
        **_place(request),
        **more,
    }
    return render(request, "connectors/detail.html", context)


def _address(request: HttpRequest, found: Connection) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("connectors:detail", kwargs={**place, "connection": found.public_id})


def _done(request: HttpRequest, found: Connection, message: str) -> HttpResponse:
    messages.success(request, message)
    address = _address(request, found)
    # htmx would follow a redirect itself and swap the page into the form.
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)
