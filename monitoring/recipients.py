"""This module says who is mailed about an alert, and whether any mail is sent at all."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from integrator.accounts.models import Environment, User
from integrator.accounts.roles import Role

NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"


def mail_is_sent() -> bool:
    """Tell whether this installation knows a mail server."""
    return bool(settings.MAIL_BACKEND != NO_MAIL)


def of(workspace_id: int, environment_id: int | None) -> list[str]:
    """Return the addresses of the administrators of an environment, or of a whole workspace."""
    everywhere = Q(memberships__environment=None)
    there = everywhere if environment_id is None else everywhere | Q(memberships__environment=environment_id)
    administrators = User.objects.filter(
        there, is_active=True, memberships__workspace=workspace_id, memberships__role=Role.ADMIN
    )
    return sorted(set(administrators.values_list("email", flat=True)) - {""})


def of_page(environment: Environment) -> int:
    """Return how many people are mailed about the alerts of `environment`."""
    return len(of(environment.workspace_id, environment.pk))
