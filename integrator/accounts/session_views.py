"""This module shows people where they are signed in, and lets them end that."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from integrator.accounts import sessions
from integrator.accounts.access import signed_in
from integrator.accounts.models import User


@signed_in
@require_GET
def own(request: HttpRequest) -> HttpResponse:
    """List the sessions of the person who asks, this one first."""
    here = request.session.session_key
    found = sessions.of(cast(User, request.user), now=timezone.now())
    context = {
        "sessions": sorted(found, key=lambda one: one.session_key != here),
        "here": here,
        "unused": timedelta(minutes=settings.SESSION_IDLE_MINUTES),
        "hours": settings.SESSION_COOKIE_AGE // 3600,
    }
    return render(request, "account/sessions.html", context)


@signed_in
@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]  # the library ships no types
def end(request: HttpRequest, session: str) -> HttpResponse:
    """End another session of the person who asks, once they have just proved themselves."""
    found = sessions.of(cast(User, request.user), now=timezone.now())
    others = found.exclude(session_key=request.session.session_key)
    sessions.end(get_object_or_404(others, public_id=session))
    messages.success(request, "That browser is signed out.")
    return redirect("account_sessions")


@signed_in
@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]  # as above
def end_others(request: HttpRequest) -> HttpResponse:
    """End every other session of the person who asks, once they have just proved themselves."""
    sessions.end_others(cast(User, request.user), but=str(request.session.session_key))
    messages.success(request, "Every other browser is signed out.")
    return redirect("account_sessions")
