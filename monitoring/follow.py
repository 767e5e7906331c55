"""
This module follows the `Change` table in every web process and tells the pages that are open there.

The table is the truth. A message through the channel layer only wakes the follower early; without it the
follower looks twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error
from django.utils import timezone

from integrator.accounts.models import Environment
from monitoring import cursor, waking
from monitoring.fragments import Edition, News, Reader

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5  # seconds between two looks at the table
LOOK_ALONE_EVERY = 5.0  # the same while no page is open, so that a quiet installation costs little
TELL_EVERY = 1.0  # seconds between two tellings of one environment, at least
REFRESH_EVERY = 5.0  # seconds until figures that age (the oldest waiting, the minutes) are told anew


class Listener(Protocol):
    """An open page."""

    environment_id: int
    reader: Reader
    position: str  # how far the page has been told

    async def tell(self, html: str, *, position: str) -> None:
        """Send `html`; the page then knows everything up to `position` (empty: no more than before)."""
        ...


class Audience:
    """The pages that are open in this process, by environment."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[Listener]] = defaultdict(set)
        self.arrived: Callable[[], None] = lambda: None  # called when a page is opened

    def join(self, listener: Listener) -> None:
        """Tell `listener` the news from now on."""
        self._listeners[listener.environment_id].add(listener)
        self.arrived()

    def leave(self, listener: Listener) -> None:
        """Tell `listener` nothing more."""
        here = self._listeners.get(listener.environment_id, set())
        here.discard(listener)
        if not here:
            self._listeners.pop(listener.environment_id, None)

    def of(self, environment_id: int) -> list[Listener]:
        """Return the listeners of an environment."""
        return list(self._listeners.get(environment_id, ()))

    def environments(self) -> list[int]:
        """Return the environments that somebody looks at."""
        return list(self._listeners)


audience = Audience()


class Follower:
    """The task of a web process that carries changes to its open pages."""

    def __init__(self, audience: Audience = audience) -> None:
        self.audience = audience
        self._tasks: list[asyncio.Task[None]] = []
        self._awake = asyncio.Event()
        self._news: dict[int, News] = {}
        self._told: dict[int, float] = {}
        self._position = cursor.START

    async def start(self) -> None:
        """Begin to follow from the present end of the table."""
        with contextlib.suppress(Error):  # a database that is not there yet is found by the first look
            self._position = await database_sync_to_async(cursor.latest)()
        self.audience.arrived = self._awake.set
        self._tasks = [asyncio.create_task(self._follow())]
        if settings.REDIS_URL:  # or nobody would be heard
            from monitoring import wakeups  # noqa: PLC0415  # it brings Redis's client

            ear = wakeups.Ear(get_channel_layer(), waking.GROUP, self._awake.set)
            self._tasks.append(asyncio.create_task(ear.listen()))

    async def stop(self) -> None:
        """Stop following."""
        self.audience.arrived = lambda: None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            pause = LOOK_EVERY if self.audience.environments() else LOOK_ALONE_EVERY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), pause)
            self._awake.clear()
            try:
                await self._look()
                await self._tell()
            except Exception as failure:  # whatever happened to one telling, the next look must come
                log.warning("follower.stumbled", error=type(failure).__name__, exc_info=True)
                await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        while changes := await database_sync_to_async(cursor.after)(self._position):
            for change in changes:
                self._position = cursor.position_of(change)
                if self.audience.of(change.environment_id):
                    news = self._news.setdefault(change.environment_id, News(position=self._position))
                    news.add(change)
            if len(changes) < cursor.MOST:
                return

    async def _tell(self) -> None:
        now = time.monotonic()
        watched = self.audience.environments()
        # A page that was just opened knows how things stand: news are told at once, a refresh is not due.
        self._told = {place: self._told.get(place, now - TELL_EVERY) for place in watched}
        for environment_id in watched:
            since = now - self._told[environment_id]
            due = TELL_EVERY if environment_id in self._news else REFRESH_EVERY
            if since < due:
                continue
            self._told[environment_id] = now
            news = self._news.pop(environment_id, None) or News(position="")
            try:
                await tell(environment_id, news, self.audience.of(environment_id))
            except Error:  # the database was away for a moment: what happened is told once it is back
                if news.changed:
                    self._news[environment_id] = news
                raise


async def tell(environment_id: int, news: News, listeners: Sequence[Listener]) -> None:
    """Render the news once and send each listener its part, except who has heard all of it."""
    place = cursor.key(news.position)
    behind = [one for one in listeners if not news.changed or cursor.key(one.position) < place]
    readers = [listener.reader for listener in behind]
    told = await database_sync_to_async(render)(environment_id, news, readers)
    for listener, html in zip(behind, told, strict=True):
        await listener.tell(html, position=news.position)


def render(environment_id: int, news: News, readers: list[Reader]) -> list[str]:
    """Return what each of `readers` has to learn from the news of an environment."""
    environment = Environment.objects.select_related("workspace").get(pk=environment_id)
    return Edition(environment, news, now=timezone.now()).for_readers(readers)
