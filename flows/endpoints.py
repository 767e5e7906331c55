"""
This module keeps the webhook endpoints and their signing secrets in memory, for seconds.

All of them are read at once. So an address that a stranger made up costs no query of its own, and cannot
stand in the way of those that are known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from django.db import Error, close_old_connections, connection

from connectors.models import WebhookEndpoint, WebhookSecret
from integrator import vault

log = structlog.get_logger(__name__)

KEEP_FOR = 2.0  # seconds that a deleted secret or a disabled endpoint may still be served
LONGEST_KEPT = 30.0  # the same, while the database does not answer
PATIENCE = 1.0  # seconds that a known endpoint waits for a reading before it is served as it is
ASK_AGAIN_AFTER = 0.2  # seconds until what is not known, or fits no known secret, may cause another reading
USE_SHOWN_EVERY = 60.0  # seconds: "last used" need not be more exact, and an update costs a commit


class Unavailable(Exception):
    """Whether the endpoint exists, or with what it is signed, cannot be found out now."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, opened."""

    pk: int
    value: bytes = field(repr=False)
    expires_at: float | None  # Unix time


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An enabled endpoint: its connection and all its secrets, expired ones included."""

    connection_id: int
    secrets: tuple[Secret, ...]
    sealed: bool = False  # it has secrets, and none of them can be opened with the keys that we have

    def active(self, now: float) -> list[Secret]:
        """Return the secrets that count at `now`."""
        return [secret for secret in self.secrets if secret.expires_at is None or secret.expires_at > now]


class Table:
    """Reads all enabled endpoints in one query. Belongs to one thread."""

    def __init__(self) -> None:
        self._opened: dict[int, tuple[bytes, Secret | None]] = {}  # by secret; opened once, not every time

    def __call__(self) -> dict[str, Endpoint]:
        """Return every enabled endpoint by its public id."""
        close_old_connections()
        rows = WebhookEndpoint.objects.filter(enabled=True).values_list(
            "public_id", "pk", "connection_id", "secrets__pk", "secrets__ciphertext", "secrets__expires_at"
        )
        connections: dict[str, int] = {}
        secrets: dict[str, list[Secret | None]] = {}
        before, self._opened = self._opened, {}
        for public_id, endpoint, connection_id, pk, ciphertext, expires_at in rows:
            connections[public_id] = connection_id
            if pk is not None:  # else an endpoint without secrets
                found = _open(endpoint, pk, bytes(ciphertext), expires_at, before.get(pk))
                self._opened[pk] = (bytes(ciphertext), found)
                secrets.setdefault(public_id, []).append(found)
        return {
            public_id: _endpoint(connection_id, secrets.get(public_id, ()))
            for public_id, connection_id in connections.items()
        }


def _endpoint(connection_id: int, found: Sequence[Secret | None]) -> Endpoint:
    opened = tuple(secret for secret in found if secret is not None)
    return Endpoint(connection_id, opened, sealed=bool(found) and not opened)


def _open(
    endpoint: int,
    pk: int,
    ciphertext: bytes,
    expires_at: datetime | None,
    before: tuple[bytes, Secret | None] | None,
) -> Secret | None:
    ends = expires_at.timestamp() if expires_at else None
    if before is not None and before[0] == ciphertext:
        return before[1] and replace(before[1], expires_at=ends)
    try:
        value = vault.unseal(ciphertext, owner=f"webhook:{endpoint}")
    except vault.Unreadable as failure:
        log.error("webhook_secret.unreadable", secret=pk, error=str(failure))
        return None
    return Secret(pk, value, ends)


def show_use(secret: int, at: datetime) -> None:
    """Note when `secret` was last used; best effort, since it is only shown."""
    try:
        WebhookSecret.objects.filter(pk=secret).update(last_used_at=at)
    except Error as failure:
        log.warning("webhook_secret.use_not_noted", secret=secret, error=type(failure).__name__)


class Endpoints:
    """All endpoints as they were lately. All methods belong to the event loop."""

    def __init__(
        self,
        *,
        load: Callable[[], Mapping[str, Endpoint]] | None = None,
        show_use: Callable[[int, datetime], None] = show_use,
    ) -> None:
        self._load = load or Table()
        self._show_use = show_use
        self._known: Mapping[str, Endpoint] = {}
        self._read_at = self._tried_at = float("-inf")  # when the reading began
        self._reading: asyncio.Future[Mapping[str, Endpoint]] | None = None
        self._shown: dict[int, float] = {}
        # One thread, so one connection, whatever the number of strangers who try addresses.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="endpoints")

    def remembered(self, public_id: str) -> Endpoint | None:
        """Return the endpoint if it is known and nothing has to be read."""
        endpoint = self._known.get(public_id)
        fresh = time.monotonic() - self._read_at < KEEP_FOR
        return endpoint if fresh and endpoint is not None and not endpoint.sealed else None

    async def get(self, public_id: str, *, anew: bool = False) -> Endpoint | None:
        """
        Return the endpoint at `public_id`, or None if there is none.

        One that is known is served for a while although the database is slow or away; but not `anew`, which
        asks for what has happened in the last moment, such as a secret that was rolled.

        :raises Unavailable: if it cannot be found out now
        """
        if not anew and public_id in self._known and time.monotonic() - self._read_at < LONGEST_KEPT:
            await self._read_if_due()
            if public_id in self._known:
                return _usable(self._known[public_id])
        await self._read_since(time.monotonic() - ASK_AGAIN_AFTER)
        return _usable(self._known.get(public_id))

    async def _read_if_due(self) -> None:
        """Read again what is no longer fresh, and wait for it a moment, whatever comes of it."""
        now = time.monotonic()
        due = now - self._read_at >= KEEP_FOR
        if due and self._reading is None and not self._just_failed(now):
            self._read()
        if due and self._reading is not None:
            reading = self._reading
            await asyncio.wait([reading], timeout=max(0.0, self._tried_at + PATIENCE - now))
            self._learn(reading)

    async def _read_since(self, moment: float) -> None:
        while self._read_at < moment:
            if self._reading is None and self._just_failed(time.monotonic()):
                raise Unavailable("The endpoints could not be read a moment ago.")
            reading = self._reading or self._read()
            try:
                # One request that gives up must not cancel the reading for the others.
                await asyncio.shield(reading)
            except Error as failure:
                raise Unavailable(type(failure).__name__) from failure
            finally:
                self._learn(reading)

    def _just_failed(self, now: float) -> bool:
        return self._read_at < self._tried_at and now - self._tried_at < ASK_AGAIN_AFTER

    def _read(self) -> asyncio.Future[Mapping[str, Endpoint]]:
        self._tried_at = time.monotonic()
        self._reading = asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        self._reading.add_done_callback(self._learn)
        return self._reading

    def _learn(self, read: asyncio.Future[Mapping[str, Endpoint]]) -> None:
        # Also called by who waited: one may see that a reading is over before its callback has run.
        if self._reading is not read or not read.done():
            return
        self._reading = None
        if not read.cancelled() and read.exception() is None:
            self._known, self._read_at = read.result(), self._tried_at

    def used(self, secret: Secret, *, now: float) -> None:
        """Note that `secret` signed something, without waiting and at most once a minute."""
        if now - self._shown.get(secret.pk, -USE_SHOWN_EVERY) < USE_SHOWN_EVERY:
            return
        self._shown[secret.pk] = now
        self._thread.submit(self._show_use, secret.pk, datetime.fromtimestamp(now, UTC))

    def close(self) -> None:
        """End the thread and close its connection."""
        self._thread.submit(_hang_up)
        self._thread.shutdown(wait=True)


def _usable(endpoint: Endpoint | None) -> Endpoint | None:
    if endpoint is not None and endpoint.sealed:
        raise Unavailable("No signing secret of the endpoint can be opened.")
    return endpoint


def _hang_up() -> None:
    # Called in the thread: `connection.close` taken elsewhere would be another thread's connection.
    connection.close()
