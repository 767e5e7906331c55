"""This module shows people, tokens and the audit trail, and lets administrators change the first two."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from integrator.accounts import people, tokens, told, workspaces
from integrator.accounts.access import require, scope_of
from integrator.accounts.forms import AuditFilter, NewPerson, NewRole, NewToken, WorkspaceSettings
from integrator.accounts.models import ApiToken, AuditEntry, Membership, User
from integrator.accounts.roles import Role
from integrator.web import Page, refuse


def _back(request: HttpRequest, name: str) -> HttpResponse:
    address = reverse(name, kwargs={"workspace": scope_of(request).workspace.slug})
    # htmx would follow a redirect itself and put the page into the form.
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)


# People


@require("people.view")
@require_GET
def people_list(request: HttpRequest, workspace: str) -> HttpResponse:
    """List who has which role where."""
    members = (
        Membership.objects.filter(workspace=scope_of(request).workspace)
        .select_related("user", "environment")
        .order_by("user__email", "environment__position")
    )
    return render(request, "accounts/people.html", {"members": members, "roles": Role.choices})


@require("people.manage")
@require_http_methods(["GET", "POST"])
def add_person(request: HttpRequest, workspace: str) -> HttpResponse:
    """Add a person and show the link at which somebody new chooses a password."""
    scope = scope_of(request)
    form = NewPerson(request.POST or None, workspace=scope.workspace)
    if not form.is_valid():
        return render(request, "accounts/person_new.html", {"form": form})
    try:
        membership = people.add(
            workspace=scope.workspace,
            email=form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            environment=form.cleaned_data["environment"],
            actor=scope.actor,
            now=timezone.now(),
        )
    except people.AlreadyMember as refusal:
        form.add_error("role", str(refusal))
        return render(request, "accounts/person_new.html", {"form": form})
    return _added(request, membership.user)


def _added(request: HttpRequest, user: User) -> HttpResponse:
    path = people.invitation(user=user)
    if path is None:
        messages.success(request, f"{user.email} has been added.")
        return _back(request, "accounts:people")
    context = {
        "person": user,
        "link": settings.PUBLIC_URL + path,
        "days": settings.PASSWORD_RESET_TIMEOUT // (24 * 60 * 60),
    }
    return render(request, "accounts/person_added.html", context)


@require("people.manage")
@require_POST
def change_role(request: HttpRequest, workspace: str, membership: int) -> HttpResponse:
    """Give somebody another role."""
    found = _membership(request, membership)
    form = NewRole(request.POST)
    if not form.is_valid():
        return refuse(request, "There is no such role.", status=422)
    try:
        people.change_role(
            membership=found,
            role=form.cleaned_data["role"],
            actor=scope_of(request).actor,
            now=timezone.now(),
        )
    except (people.AlreadyMember, people.LastAdministrator) as refusal:
        return refuse(request, str(refusal))
    messages.success(request, f"{found.user.email} is {found.get_role_display()} now.")
    return _back(request, "accounts:people")


@require("people.manage")
@require_POST
def remove_person(request: HttpRequest, workspace: str, membership: int) -> HttpResponse:
    """Take a role away from somebody."""
    found = _membership(request, membership)
    try:
        people.remove(membership=found, actor=scope_of(request).actor, now=timezone.now())
    except people.LastAdministrator as refusal:
        return refuse(request, str(refusal))
    messages.success(request, f"{found.user.email} has been removed.")
    return _back(request, "accounts:people")


def _membership(request: HttpRequest, pk: int) -> Membership:
    members = Membership.objects.filter(workspace=scope_of(request).workspace)
    return get_object_or_404(members.select_related("user", "workspace", "environment"), pk=pk)


# Tokens


@require("tokens.view")
@require_GET
def token_list(request: HttpRequest, workspace: str) -> HttpResponse:
    """List the tokens; what they read is never shown again."""
    found = ApiToken.objects.filter(workspace=scope_of(request).workspace).select_related("user")
    return render(request, "accounts/tokens.html", {"tokens": found, "now": timezone.now()})


@require("tokens.manage")
@require_http_methods(["GET", "POST"])
def make_token(request: HttpRequest, workspace: str) -> HttpResponse:
    """Make a token and show it this once."""
    scope = scope_of(request)
    form = NewToken(request.POST or None, roles=scope.roles)
    if not form.is_valid():
        return render(request, "accounts/token_new.html", {"form": form})
    now = timezone.now()
    try:
        token, text = tokens.create(
            workspace=scope.workspace,
            user=request.user,  # type: ignore[arg-type]  # `require` lets nobody anonymous in
            name=form.cleaned_data["name"],
            role=form.cleaned_data["role"],
            expires_at=now + timedelta(days=form.cleaned_data["days"]),
            actor=scope.actor,
            now=now,
        )
    except tokens.RoleTooHigh as refusal:
        form.add_error("role", str(refusal))
        return render(request, "accounts/token_new.html", {"form": form})
    return render(request, "accounts/token_made.html", {"token": token, "text": text})


@require("tokens.manage")
@require_POST
def revoke_token(request: HttpRequest, workspace: str, token: str) -> HttpResponse:
    """End a token at once."""
    scope = scope_of(request)
    found = get_object_or_404(ApiToken, workspace=scope.workspace, public_id=token)
    tokens.revoke(token=found, actor=scope.actor, now=timezone.now())
    messages.success(request, f"The token {found.name} has been revoked.")
    return _back(request, "accounts:tokens")


# Audit


@require("audit.view")
@require_GET
def audit_trail(request: HttpRequest, workspace: str) -> HttpResponse:
    """List what was done by whom, newest first."""
    entries = AuditEntry.objects.filter(workspace=scope_of(request).workspace)
    form = AuditFilter(request.GET)
    if form.is_valid():
        if actor := form.cleaned_data["actor"]:
            entries = entries.filter(actor__icontains=actor)
        if action := form.cleaned_data["action"]:
            entries = entries.filter(action__istartswith=action)
    page = Page.of(entries, request)
    context = {
        "page": page,
        "entries": [told.tell(entry) for entry in page.rows],
        "areas": told.AREAS.items(),
        "form": form,
        "filtered": bool(request.GET),
    }
    return render(request, "accounts/audit.html", context)


# The workspace


@require("workspace.view")
@require_GET
def settings_of_workspace(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show the time zone of the workspace, which administrators choose."""
    place, now = scope_of(request).workspace, timezone.now()
    form = WorkspaceSettings(initial={"time_zone": place.time_zone})
    return render(request, "accounts/settings.html", {"form": form, "local": now.astimezone(place.zone)})


@require("workspace.manage")
@require_POST
def choose_time_zone(request: HttpRequest, workspace: str) -> HttpResponse:
    """Choose by which clock hours and days are counted."""
    scope, form = scope_of(request), WorkspaceSettings(request.POST)
    if not form.is_valid():
        return refuse(request, "There is no such time zone.", status=422)
    zone = form.cleaned_data["time_zone"]
    workspaces.move(workspace=scope.workspace, time_zone=zone, actor=scope.actor, now=timezone.now())
    messages.success(request, f"Hours and days are those of {zone} now.")
    return _back(request, "accounts:settings")
