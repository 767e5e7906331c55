"""This module makes, checks and revokes the API tokens of programs."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import get_digest_token
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from integrator.accounts import audit, limits
from integrator.accounts.access import memberships_of, roles_in
from integrator.accounts.models import ApiToken, User, Workspace
from integrator.accounts.roles import POLICY

log = structlog.get_logger(__name__)

LONGEST = timedelta(days=365)
# Last use is shown to the minute-or-so; writing it on every request would make each read a write.
USE_IS_NOTED_EVERY = timedelta(minutes=5)


class RoleTooHigh(Exception):
    """A token cannot do what its maker may not."""


class BadExpiry(Exception):
    """A token expires within a year of its making."""


def create(
    *,
    workspace: Workspace,
    user: User,
    name: str,
    role: str,
    expires_at: datetime,
    actor: str,
    now: datetime,
) -> tuple[ApiToken, str]:
    """
    Make a token and return it with its text, which nobody can ever read again.

    :raises RoleTooHigh: if `role` may do anything that `user` may not
    :raises BadExpiry: if `expires_at` is past or more than a year away
    """
    if not now < expires_at <= now + LONGEST:
        raise BadExpiry("The token must expire after now and within a year.")
    if not reaches(roles_in(memberships_of(user, workspace), None), role):
        raise RoleTooHigh("A token cannot have a role above yours.")
    with transaction.atomic():
        digest, text = get_digest_token()
        token = ApiToken.objects.create(
            digest=digest,
            token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH],
            user=user,
            expiry=expires_at,
            workspace=workspace,
            name=name,
            role=role,
        )
        audit.record(
            workspace=workspace,
            actor=actor,
            action="token.created",
            target=name,
            details={"role": role, "expires_at": expires_at},
            now=now,
        )
    return token, text


def revoke(*, token: ApiToken, actor: str, now: datetime) -> None:
    """End `token` at once."""
    with transaction.atomic():
        audit.record(
            workspace=token.workspace,
            actor=actor,
            action="token.revoked",
            target=token.name,
            details={"role": token.role},
            now=now,
        )
        token.delete()


def reaches(roles: frozenset[str], role: str) -> bool:
    """Tell whether `roles` together may do everything that `role` may."""
    return all(roles & holders for holders in POLICY.values() if role in holders)


class TokenAuthentication(KnoxAuthentication):  # type: ignore[misc]  # knox ships no types
    """
    Find out which token a request carries: `Authorization: Bearer igr_...`.

    Unlike knox's own this looks the token up by its hash alone, deletes no expired rows while reading, and
    notes the last use every few minutes.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """
        Return the person who made the token and the token, or None where the request carries none.

        :raises AuthenticationFailed: if it is unknown, revoked or expired
        :raises Throttled: if its address has shown too many of those
        """
        try:
            found: tuple[User, ApiToken] | None = super().authenticate(request)
        except AuthenticationFailed:
            if limits.refused(request._request):
                raise Throttled(wait=limits.WINDOW) from None
            raise
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """
        Return the person who made the token, and the token.

        :raises AuthenticationFailed: if it is unknown, revoked or expired, always in the same words
        """
        refused = AuthenticationFailed("This token is unknown, revoked or expired.")
        try:
            digest = hash_token(token.decode("ascii"))
        except UnicodeDecodeError:
            raise refused from None
        found = ApiToken.objects.select_related("user", "workspace").filter(digest=digest).first()
        now = timezone.now()
        if found is None or found.expiry is None or found.expiry <= now or not found.user.is_active:
            raise refused
        _note_use(found, now=now)
        return found.user, found


def _note_use(token: ApiToken, *, now: datetime) -> None:
    if token.last_used_at and now - token.last_used_at < USE_IS_NOTED_EVERY:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_IS_NOTED_EVERY)
    try:
        with transaction.atomic():
            ApiToken.objects.filter(stale, digest=token.digest).update(last_used_at=now)
    except OperationalError:
        # A busy database must not turn a read away for the sake of this mark.
        log.warning("the use of a token could not be noted", token_name=token.name)
