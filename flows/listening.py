"""
This module is the listener: it hears every topic that somebody chose, each in a thread of its own.

Several listeners may run. Who hears a topic holds a lease in its row; a listener that is gone is followed by
another within half a minute, and within seconds where the other can see that its process is gone.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from connectors.models import Connection, Topic
from flows import hearing, presence
from flows.hearing import Held
from flows.patience import LEASE

log = structlog.get_logger(__name__)

EVERY = 2.0  # seconds between two looks at what is to be heard
RENEW_BELOW = timedelta(seconds=14)
PATIENCE = 10.0  # seconds that an orderly stop waits for what is being kept

_BOOT = presence.boot_id()[:8]  # pids mean something since this host was started, and no longer


class Listener:
    """The topics that this process hears."""

    def __init__(self, *, hear: Callable[[Held], None] = hearing.hear) -> None:
        self._hear = hear
        self._held: dict[int, tuple[Held, threading.Thread]] = {}
        self._name = f"{presence.host()}:{presence.this_process().pid}"

    def run(self, stop: threading.Event) -> None:
        """Listen until asked to stop; then let every topic go, so that another listener has it at once."""
        while not stop.is_set():
            try:
                self.turn()
            except (DatabaseError, InterfaceError) as failure:
                log.warning("listener.database_away", error=type(failure).__name__)
                connection.close()
            stop.wait(EVERY)
        self.stop()

    def turn(self) -> None:
        """Hold what is heard, give up what is not to be heard any more, and take up what nobody hears."""
        self._held = {pk: (held, thread) for pk, (held, thread) in self._held.items() if thread.is_alive()}
        rows = {topic.pk: topic for topic in _chosen()}
        _free([topic for topic in rows.values() if topic.pk not in self._held])
        for pk, (held, _) in self._held.items():
            self._look_after(held, rows.get(pk))
        for topic in rows.values():
            if topic.pk not in self._held:
                self._take(topic)

    def stop(self) -> None:
        """Let every topic go."""
        for held, _ in self._held.values():
            held.give_up()
        for _, thread in self._held.values():
            thread.join(PATIENCE)

    def hears(self) -> set[int]:
        """Return the ids of the topics that are heard here."""
        return {pk for pk, (_, thread) in self._held.items() if thread.is_alive()}

    def _look_after(self, held: Held, row: Topic | None) -> None:
        ours = row is not None and row.lease_owner == held.owner
        if row is None or not ours or hearing.place_of(row.connection) != held.place:
            held.give_up()
        elif held.hearing is not None and held.hearing.is_silent():
            log.warning("topic.silent", topic=row.pk)
            held.give_up()
        else:
            mine = Topic.objects.filter(pk=row.pk).held(held.owner)
            mine.filter(lease_until__lt=Now() + RENEW_BELOW).update(lease_until=Now() + LEASE)

    def _take(self, topic: Topic) -> None:
        owner = f"{_BOOT}:{secrets.token_hex(8)}"
        rows = Topic.objects.filter(pk=topic.pk)
        if not rows.take(owner=owner, listener=self._name, lease=LEASE):
            return
        taken = rows.select_related("connection").first()
        if taken is None:  # somebody has dropped it just now
            return
        held = Held(taken, owner)
        thread = threading.Thread(target=self._hear, args=(held,), name=f"topic-{topic.pk}", daemon=True)
        self._held[topic.pk] = (held, thread)
        thread.start()


def _free(topics: Iterable[Topic]) -> None:
    """Take the leases of those that were heard by a process of this host which is gone."""
    for topic in topics:
        host, _, pid = topic.listener.rpartition(":")
        ours = (
            _BOOT and host == presence.host() and topic.lease_owner.startswith(f"{_BOOT}:") and pid.isdigit()
        )
        if ours and not presence.is_alive(presence.Process(host, _BOOT, int(pid), "")):
            log.warning("topic.orphaned", topic=topic.pk)
            Topic.objects.filter(pk=topic.pk).held(topic.lease_owner).update(lease_until=None)


def _chosen() -> list[Topic]:
    """
    Return the topics to be heard now, with those that are heard already.

    One that failed waits for its turn, and so does a connection that a person has paused or that rests.
    """
    now = timezone.now()
    rested = Q(connection__state=Connection.State.RESTING, connection__paused_until__lte=now)
    awake = Q(connection__state=Connection.State.ACTIVE) | rested
    due = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
    heard = Q(lease_until__gt=Now())
    usable = Topic.objects.filter(stopped=False, connection__system=Connection.System.SALESFORCE)
    found = usable.exclude(connection__pinned_account="").filter((awake & due) | heard)
    return list(found.select_related("connection"))
