"""This module decides what a person or a program may see and do, by the policy table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from integrator.accounts.models import ApiToken, Environment, Membership, User, Workspace
from integrator.accounts.roles import MEANING, POLICY, Role

View = TypeVar("View", bound=Callable[..., Any])

SIGNED_IN = "signed-in"  # what a view declares that needs a person but no workspace


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a request is and who is behind it; `scope_of` finds it on the request."""

    workspace: Workspace
    environment: Environment | None
    roles: frozenset[str]
    actor: str
    held: tuple[Membership, ...] = ()  # every role of the person in the workspace, wherever it holds

    @property
    def is_person(self) -> bool:
        """Tell whether a person is behind it, and not a program with a token."""
        return any(one.user_id is not None for one in self.held)

    def at(self, environment: Environment | None) -> Scope:
        """Return the scope of the same person in `environment`, or on the pages of the whole workspace."""
        return replace(self, environment=environment, roles=roles_in(self.held, environment))

    def can(self, permission: str) -> bool:
        """
        Tell whether any of the roles has `permission`.

        :raises KeyError: if the policy table knows no such permission
        """
        return bool(self.roles & POLICY[permission])

    def environments(self) -> QuerySet[Environment]:
        """Return the environments that this request may reach into: the one it is about, or all."""
        if self.environment is not None:
            return Environment.objects.filter(pk=self.environment.pk)
        return Environment.objects.filter(workspace=self.workspace)


# Who has which role where


def memberships_of(user: User, workspace: Workspace) -> list[Membership]:
    """Return every role that `user` has in `workspace`, everywhere or in one environment."""
    return list(Membership.objects.filter(user=user, workspace=workspace).select_related("environment"))


def roles_in(memberships: Iterable[Membership], environment: Environment | None) -> frozenset[str]:
    """Return the roles that hold in `environment`; without one, those that hold in the whole workspace."""
    here = None if environment is None else environment.pk
    return frozenset(found.role for found in memberships if found.environment_id in (None, here))


def visible_environments(user: User, workspace: Workspace) -> list[Environment]:
    """Return the environments of `workspace` in which `user` has any role, in promotion order."""
    held = memberships_of(user, workspace)
    every = Environment.objects.filter(workspace=workspace).order_by("position")
    return [environment for environment in every if roles_in(held, environment)]


# Pages


def require(permission: str) -> Callable[[View], View]:
    """
    Let only people in who have `permission` at the address's workspace and environment.

    Everybody else is sent to the sign-in page, told that there is nothing (no membership), or refused.

    :raises KeyError: at import, if the policy table knows no such permission
    """
    POLICY[permission]

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            if any("\x00" in str(part) for part in kwargs.values()):
                raise Http404  # no name or id holds one, and PostgreSQL refuses to even look for it
            scope = _scope_of_page(
                request, workspace=str(kwargs.get("workspace", "")), environment=kwargs.get("environment")
            )
            request.granted = scope  # type: ignore[attr-defined]  # ours, read by `scope_of`
            if not scope.can(permission):
                raise PermissionDenied(_refusal(scope, permission))  # in the frame that `scope` gives
            return cast(HttpResponse, view(request, *args, **kwargs))

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the test of all routes
        return cast(View, guarded)

    return decorate


def _refusal(scope: Scope, permission: str) -> str:
    """Say what is missing, and who can give it."""
    meaning = MEANING[permission]
    if not scope.roles:
        places = ", ".join(sorted({str(role.environment) for role in scope.held}))
        return (
            f"To {meaning} takes a role in the whole workspace. Yours holds in {places} only. "
            f"An administrator of {scope.workspace} can change that."
        )
    names = ", ".join(sorted(Role(role).label for role in scope.roles))
    return (
        f"Your role in {scope.environment or scope.workspace} ({names}) does not let you {meaning}. "
        f"An administrator of {scope.workspace} can give you one that does."
    )


def scope_of(request: HttpRequest) -> Scope:
    """Return where `request` is and who is behind it, as `require` or `HasPermission` found out."""
    return request.granted  # type: ignore[attr-defined,no-any-return]  # set by `require`


def environment_of(request: HttpRequest) -> Environment:
    """
    Return the environment that a page of one environment is about.

    :raises Http404: if the address names none
    """
    environment = scope_of(request).environment
    if environment is None:
        raise Http404
    return environment


def signed_in(view: View) -> View:
    """Let only people in who are signed in; the view is about no workspace."""
    guarded = login_required(view)
    guarded.permission = SIGNED_IN  # type: ignore[attr-defined]  # read by the test of all routes
    return guarded


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if getattr(request, "htmx", False):
        # A redirect would be followed by htmx itself and land inside the page.
        return HttpResponseClientRedirect(resolve_url("account_login"))
    return redirect_to_login(request.get_full_path())


def _scope_of_page(request: HttpRequest, *, workspace: str, environment: str | None) -> Scope:
    user = cast(User, request.user)
    place = Workspace.objects.filter(slug=workspace, memberships__user=user).distinct().first()
    if place is None:
        raise Http404
    held = memberships_of(user, place)
    within = _environment(place, environment) if environment is not None else None
    roles = roles_in(held, within)
    if within is not None and not roles:
        raise Http404
    return Scope(workspace=place, environment=within, roles=roles, actor=user.email, held=tuple(held))


def _environment(workspace: Workspace, slug: str) -> Environment:
    found = Environment.objects.filter(workspace=workspace, slug=slug).first()
    if found is None:
        raise Http404
    return found


def context(request: HttpRequest) -> dict[str, Any]:
    """
    Give templates `scope`, `environments` and `can`.

    `can` answers to the whole name from Python, and in templates, where a dot descends, to
    `can.people.manage`.
    """
    scope = getattr(request, "granted", None)
    if not isinstance(scope, Scope):
        return {}
    can: dict[str, Any] = {}
    for permission in POLICY:
        area, verb = permission.split(".")
        can[permission] = can.setdefault(area, {})[verb] = scope.can(permission)
    return {
        "scope": scope,
        "environments": visible_environments(cast(User, request.user), scope.workspace),
        "can": can,
    }


@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """Lead a person to the dashboard of the first environment that they may see."""
    user = cast(User, request.user)
    for workspace in Workspace.objects.filter(memberships__user=user).distinct().order_by("id"):
        for environment in visible_environments(user, workspace):
            return redirect("monitoring:dashboard", workspace=workspace.slug, environment=environment.slug)
    return render(request, "accounts/nowhere.html")


# REST


class HasPermission(BasePermission):
    """
    Check the permission that a REST view declares for its action or method, and keep the scope.

    `?environment=<slug>` narrows a request to one environment of its workspace.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """
        Tell whether the caller may do this; a view that declares nothing is closed.

        :raises NotFound: if the environment is not there for the caller
        """
        if not request.user or not request.user.is_authenticated:
            return False
        if not hasattr(view, str(request.method).lower()):
            return True  # no handler: the answer is 405
        permission = permission_of(view, str(request.method))
        if permission is None:
            return False
        if permission == SIGNED_IN:
            return True
        scope = _scope_of_program(request)
        request._request.granted = scope  # type: ignore[attr-defined]  # ours, read by `scope_of`
        return scope.can(permission)


def permission_of(view: object, method: str) -> str | None:
    """Return the permission that `view` declares for its action, or else for `method`."""
    declared: Mapping[str, str] = getattr(view, "permissions", {})
    verb = "get" if method == "HEAD" else method.lower()
    return declared.get(str(getattr(view, "action", None) or verb))


def _scope_of_program(request: Request) -> Scope:
    if isinstance(request.auth, ApiToken):
        place, actor = request.auth.workspace, f"token {request.auth.name}"
        held = [Membership(workspace=place, role=request.auth.role)]
    else:
        user = cast(User, request.user)
        place, actor = _workspace_of_session(request, user), user.email
        held = memberships_of(user, place)
    within: Environment | None = None
    if slug := request.query_params.get("environment"):
        within = Environment.objects.filter(workspace=place, slug=_plain(slug)).first()
        if within is None or not roles_in(held, within):
            raise NotFound("There is no such environment here.")
    return Scope(
        workspace=place,
        environment=within,
        roles=roles_in(held, within),
        actor=actor,
        held=tuple(held),
    )


def _plain(text: str) -> str:
    # No slug holds one, and PostgreSQL refuses to even look for it.
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _workspace_of_session(request: Request, user: User) -> Workspace:
    """Return the workspace that a signed-in person's browser means: named, or the only one."""
    places = Workspace.objects.filter(memberships__user=user).distinct()
    if slug := request.query_params.get("workspace"):
        places = places.filter(slug=_plain(slug))
    found = list(places[:2])
    if not found:
        raise NotFound("There is no such workspace here.")
    if len(found) > 1:
        raise ValidationError({"workspace": "You belong to several workspaces: name one."})
    return found[0]
