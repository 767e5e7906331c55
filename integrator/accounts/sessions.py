"""
This module keeps sessions: for how long they last, used or not, and who may end them.

It is what `SESSION_ENGINE` names. A session ends a fixed time after somebody signed in, however much it is
used, and sooner if nobody uses it. A page that stands open and asks for news by itself uses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from integrator.accounts.models import Session, User

log = structlog.get_logger(__name__)

BROWSER = "browser"  # where a session holds what the browser calls itself
BY_ITSELF = "X-By-Itself"  # the header of what a page reads without anybody having done something
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class SessionStore(db.SessionStore):
    """Django's sessions in the database, which know whose they are and when they were used."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.row: Session | None = None  # as it was read or written last

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model in whose table they are."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row of a session that holds `data`: a new one for a new key, or the same as before."""
        row = cast(Session, super().create_model_instance(data))  # of the model above
        before, now = self.row, timezone.now()
        if before is not None and before.session_key == row.session_key:
            row.public_id, row.opened_at = before.public_id, before.opened_at
        else:
            row.opened_at = now
        row.used_at = now
        row.expire_date = min(row.expire_date, _latest_end(row))
        row.user_id = data.get(SESSION_KEY)
        row.browser = str(data.get(BROWSER, ""))[:200]
        self.row = row
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the same where nobody may be held up."""
        return await sync_to_async(self.create_model_instance)(data)

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing if it is over, or if there is none."""
        row = Session.objects.filter(session_key=self.session_key).first() if self.session_key else None
        if row is not None and _is_over(row, now=timezone.now()):
            row.delete()
            row = None
        self.row = row
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    async def aload(self) -> dict[str, Any]:
        """Return the same where nobody may be held up."""
        return await sync_to_async(self.load)()


def begin(request: HttpRequest) -> None:
    """Let the session of somebody who has just signed in know its browser; what is over is forgotten."""
    request.session[BROWSER] = request.headers.get("User-Agent", "")[:200]
    Session.objects.filter(expire_date__lte=timezone.now()).delete()


class NotesUse:
    """Note that a session is used, once a minute at most."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        row: Session | None = getattr(request.session, "row", None)
        by_itself = request.method == "GET" and BY_ITSELF in request.headers
        if row is not None and row.session_key == request.session.session_key and not by_itself:
            _note(row, now=timezone.now())
        return response


def _note(row: Session, *, now: datetime) -> None:
    if row.user_id is None or now - row.used_at < USE_IS_NOTED_EVERY:
        return
    try:
        Session.objects.filter(session_key=row.session_key).update(used_at=now)
    except OperationalError:
        # A busy database must not turn a page away for the sake of this mark.
        log.warning("the use of a session could not be noted")


def _latest_end(row: Session) -> datetime:
    return row.opened_at + timedelta(seconds=settings.SESSION_COOKIE_AGE)


def _is_over(row: Session, *, now: datetime) -> bool:
    idle_from = row.used_at + timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    return now >= min(idle_from, row.expire_date, _latest_end(row))


# What a person sees of their own


def of(user: User, *, now: datetime) -> QuerySet[Session]:
    """Return the sessions of `user` that are not over, the one used last first."""
    idle = timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    lasting = Session.objects.filter(user=user, expire_date__gt=now, used_at__gt=now - idle)
    return lasting.order_by("-used_at")


def end(session: Session) -> None:
    """Sign the browser out whose session it is, with its next request."""
    session.delete()
    log.info("session ended", person=session.user.email if session.user else "", browser=session.browser_name)


def end_others(user: User, *, but: str) -> None:
    """Sign `user` out of every browser except the one whose session has the key `but`."""
    ended, _ = Session.objects.filter(user=user).exclude(session_key=but).delete()
    log.info("other sessions ended", person=user.email, ended=ended)
