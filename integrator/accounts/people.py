"""This module adds people to a workspace, changes their roles and removes them."""

from __future__ import annotations

from datetime import datetime

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.db import transaction
from django.urls import reverse

from integrator.accounts import audit
from integrator.accounts.access import memberships_of, roles_in
from integrator.accounts.models import ApiToken, Environment, Membership, User, Workspace
from integrator.accounts.roles import Role
from integrator.accounts.tokens import reaches


class AlreadyMember(Exception):
    """The person has this role there already."""


class LastAdministrator(Exception):
    """A workspace keeps at least one administrator, or nobody could ever add one."""


def add(
    *,
    workspace: Workspace,
    email: str,
    role: str,
    environment: Environment | None = None,
    password: str | None = None,
    actor: str,
    now: datetime,
) -> Membership:
    """
    Give the person with `email` a role in the workspace, or in one environment of it.

    Somebody new is made without a password unless one is given; `invitation` leads them to choose one. An
    existing person keeps theirs.

    :raises AlreadyMember: if they have that role there already
    """
    email = User.objects.normalize_email(email).lower()
    with transaction.atomic():
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email=email, password=password)
        membership, made = Membership.objects.get_or_create(
            user=user, workspace=workspace, environment=environment, role=role
        )
        if not made:
            raise AlreadyMember(f"{email} is {membership.get_role_display()} there already.")
        audit.record(
            workspace=workspace,
            actor=actor,
            action="person.added",
            target=email,
            details=_said(membership),
            now=now,
        )
    return membership


def change_role(*, membership: Membership, role: str, actor: str, now: datetime) -> Membership:
    """
    Give `membership` another role, end the person's sessions and whatever token now reaches too far.

    :raises AlreadyMember: if the person has that role there already
    :raises LastAdministrator: if nobody else administers the workspace
    """
    with transaction.atomic():
        _lock(membership.workspace)
        before = membership.role
        if role == before or _has(membership, role):
            raise AlreadyMember(f"{membership.user.email} is {Role(role).label} there already.")
        _keep_an_administrator(membership)
        membership.give(role)
        _withdraw(membership)
        audit.record(
            workspace=membership.workspace,
            actor=actor,
            action="person.role_changed",
            target=membership.user.email,
            details={"from": before, **_said(membership)},
            now=now,
        )
    return membership


def remove(*, membership: Membership, actor: str, now: datetime) -> None:
    """
    Take a role away, end the person's sessions and whatever token now reaches too far.

    :raises LastAdministrator: if nobody else administers the workspace
    """
    with transaction.atomic():
        _lock(membership.workspace)
        _keep_an_administrator(membership)
        audit.record(
            workspace=membership.workspace,
            actor=actor,
            action="person.removed",
            target=membership.user.email,
            details=_said(membership),
            now=now,
        )
        membership.delete()
        _withdraw(membership)


def invitation(*, user: User) -> str | None:
    """
    Return the path at which a person without a password chooses one; None for somebody who has one.

    It works once and for as long as the PASSWORD_RESET_TIMEOUT setting says. Nobody gets one for a person
    who already signs in somewhere, because that would hand over their other workspaces.
    """
    if user.has_usable_password():
        return None
    key = default_token_generator.make_token(user)
    return reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": key})


def _said(membership: Membership) -> dict[str, str]:
    place = membership.environment.slug if membership.environment else "everywhere"
    return {"role": membership.role, "where": place}


def _lock(workspace: Workspace) -> None:
    # Two administrators who demote each other at the same moment must not both succeed.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)


def _has(membership: Membership, role: str) -> bool:
    return Membership.objects.filter(
        user=membership.user, workspace=membership.workspace, environment=membership.environment, role=role
    ).exists()


def _keep_an_administrator(membership: Membership) -> None:
    if membership.role != Role.ADMIN or membership.environment_id is not None:
        return
    others = Membership.objects.filter(
        workspace=membership.workspace, environment=None, role=Role.ADMIN, user__is_active=True
    ).exclude(user=membership.user)
    if not others.exists():
        raise LastAdministrator("Make somebody else an administrator first.")


def _withdraw(membership: Membership) -> None:
    """End what the old roles opened: sessions, and tokens that now reach further than their maker."""
    user, workspace = membership.user, membership.workspace
    user.end_sessions()
    roles = roles_in(memberships_of(user, workspace), None)
    for token in ApiToken.objects.filter(user=user, workspace=workspace):
        if not reaches(roles, token.role):
            token.delete()
