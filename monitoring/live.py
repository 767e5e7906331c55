"""This module is the socket of an open page: it tells what changed to people, as long as they may see it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.urls import path
from django.utils.module_loading import import_string

from integrator.accounts.access import memberships_of, roles_in
from integrator.accounts.models import Environment, User
from integrator.accounts.roles import allowed
from monitoring import cursor
from monitoring.follow import audience, render
from monitoring.fragments import News, Reader

# A socket lives on when its session ends, so it is asked again who is behind it. Within 60 s is promised.
CHECK_EVERY = 30.0
SIGNED_OUT = 4401  # ours; a browser that is told this does not come back
LONGEST_HELLO = 16_384
MOST_ROWS = 200


class Live(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels ships no types
    """One open page. It says what it shows, and from where on it wants the news."""

    # News comes from the change rows that this process follows, so no layer is asked: one that Redis is
    # behind would refuse every socket while Redis is away.
    channel_layer_alias = "none"

    environment_id: int
    reader = Reader()
    position = cursor.START
    _catching_up = _missed = False

    async def connect(self) -> None:
        """Let in who may see the dashboard of the environment; refuse everybody else before the handshake."""
        kwargs = self.scope["url_route"]["kwargs"]
        admitted = await self._admitted(kwargs["workspace"], kwargs["environment"])
        if admitted is None:
            await self.close()
            return
        self.environment_id = admitted
        self._last = ""
        await self.accept()
        self._guard = asyncio.create_task(self._keep_checking())

    async def disconnect(self, code: int) -> None:
        """Forget the page."""
        if hasattr(self, "_guard"):
            self._guard.cancel()
            audience.leave(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take in what the page shows; with a position, tell what it has missed since."""
        try:
            hello = json.loads(text_data or "") if len(text_data or "") <= LONGEST_HELLO else None
        except ValueError:
            hello = None
        if not isinstance(hello, dict):
            await self.close(code=1008)
            return
        self.reader = Reader(topics=_names(hello.get("topics")), rows=_names(hello.get("rows")))
        audience.join(self)  # first, so that nothing falls between the catching up and the following
        if "after" in hello:
            self.position = str(hello["after"])[:40]
            await self._catch_up()

    async def tell(self, html: str, *, position: str) -> None:
        """Send what changed, unless it is what was sent last; while the page catches up, it does so again."""
        if self._catching_up:
            self._missed = True
            return
        await self._send(html, position)

    async def _catch_up(self) -> None:
        """Tell what happened behind the page's position, and again what happens meanwhile."""
        self._catching_up = self._missed = True
        while self._missed:
            self._missed = False
            news = await database_sync_to_async(News.since)(self.position, environment_id=self.environment_id)
            (html,) = await database_sync_to_async(render)(self.environment_id, news, [self.reader])
            await self._send(html, news.position)
        self._catching_up = False

    async def _send(self, html: str, position: str) -> None:
        self.position = position or self.position
        if html == self._last:
            return
        self._last = html
        try:
            await self.send(text_data=html)
        except (OSError, RuntimeError):  # the page was closed between the telling and the sending
            audience.leave(self)

    async def _keep_checking(self) -> None:
        kwargs = self.scope["url_route"]["kwargs"]
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if await self._admitted(kwargs["workspace"], kwargs["environment"]) is None:
                await self.close(code=SIGNED_OUT)
                return

    @database_sync_to_async  # type: ignore[untyped-decorator]  # as above
    def _admitted(self, workspace: str, environment: str) -> int | None:
        """Return the environment's id if the session still is a person's who may see it."""
        user = _person_of(self.scope["session"].session_key)
        if user is None:
            return None
        place = (
            Environment.objects.filter(workspace__slug=workspace, slug=environment)
            .select_related("workspace")
            .first()
        )
        if place is None:
            return None
        roles = roles_in(memberships_of(user, place.workspace), place)
        return place.pk if any(allowed(role, "dashboard.view") for role in roles) else None


def _person_of(session_key: str | None) -> User | None:
    """Return whose session this is, read anew: one that ended, or a changed password, is nobody's."""
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    found = get_user(SimpleNamespace(session=store(session_key)))  # type: ignore[arg-type]  # reads no more
    return found if isinstance(found, User) and found.is_active else None


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    return frozenset(str(name)[:40] for name in value[:MOST_ROWS])


websocket_urlpatterns = [path("ws/w/<slug:workspace>/<slug:environment>/live/", Live.as_asgi())]
