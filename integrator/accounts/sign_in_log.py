"""This module writes down who signs in, who signs out and who tries in vain."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from integrator.accounts import sessions
from integrator.accounts.models import User

log = structlog.get_logger(__name__)


def connect() -> None:
    """Listen to Django's signals from now on; called once, when the app is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="accounts.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="accounts.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="accounts.sign_in_failed")


def _signed_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    if request is not None:
        sessions.begin(request)
    log.info("signed in", person=user.email, address=_address(request))


def _signed_out(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    log.info("signed out", person=user.email if user else "", address=_address(request))


def _failed(request: HttpRequest | None, credentials: dict[str, Any], **kwargs: Any) -> None:
    # Django has masked the password in it already.
    log.warning("sign-in failed", person=str(credentials.get("email", ""))[:254], address=_address(request))


def _address(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request else ""
