"""
This module judges from facts what is wrong with the installation, which every workspace is told. It is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from monitoring.conditions import Condition, Severity
from monitoring.facts import Facts
from monitoring.words import moment

# The same judgement as the watchdog's: work lies ready for this long and nobody takes anything.
OVERDUE = timedelta(seconds=15)

FEED_OVERDUE = timedelta(minutes=1)


def _standstill(facts: Facts, now: datetime) -> Iterator[Condition]:
    waiting, moved = facts.standstill.waiting_since, facts.standstill.moved_at
    if waiting is None or now - waiting < OVERDUE or (moved is not None and now - moved < OVERDUE):
        return
    for place in facts.everywhere:
        yield Condition.at(
            place, kind="standstill", about="workers", severity=Severity.CRITICAL, title="Work stands still",
            text=f"Events have been waiting since {moment(waiting, now=now)} and no worker takes them. What "
            "was received is safe. Make sure that `manage.py work` runs, and look at its log.",
        )  # fmt: skip


def _feed(facts: Facts, now: datetime) -> Iterator[Condition]:
    since = facts.feed_since
    if since is None or now - since < FEED_OVERDUE:
        return
    for place in facts.everywhere:
        yield Condition.at(
            place, kind="feed", about="changes", severity=Severity.WARNING, title="Live pages stand still",
            text=f"An old transaction of the database has held them up since {moment(since, now=now)}. "
            "Events are still handled; pages show them when reloaded. End the transaction: pg_stat_activity "
            "names it.",
        )  # fmt: skip


def _disk(facts: Facts, now: datetime) -> Iterator[Condition]:
    disk = facts.disk
    if disk is None or not disk.short:
        return
    where = (
        "where the database stands. When it is full, events are turned away until there is room again; "
        "Stripe delivers those again for three days, and what was received is safe."
        if disk.embedded
        else "where the workers run; that of the PostgreSQL server is not looked at from here."
    )
    for place in facts.everywhere:
        yield Condition.at(
            place, kind="disk", about="room",
            severity=Severity.CRITICAL if disk.nearly_full else Severity.WARNING,
            title="The disk is nearly full" if disk.nearly_full else "Room on the disk is getting short",
            text=f"{disk.in_words} {where} Make room: take away what else is there, or take a larger disk.",
        )  # fmt: skip


def _failing(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.duties:
        yield Condition.at(
            one.place, kind="duty", about=one.about, severity=Severity.WARNING,
            title=f"The watching process fails: {one.name}",
            text=f"It said: {one.failure} It is tried again by itself; the log of `watch` has more.",
        )  # fmt: skip
    for one in facts.mail:
        yield Condition.at(
            one.place, kind="mail", about="server", severity=Severity.WARNING, title="Mail cannot be sent",
            text=f"The mail server said: {one.failure} Alerts are shown here meanwhile, and mails wait. "
            "Check EMAIL_URL.", page=one.page,
        )  # fmt: skip
    for one in facts.channels:
        yield Condition.at(
            one.place, kind="channel", about=one.about, severity=Severity.WARNING,
            title=f"Alerts do not arrive by {one.name}", page=one.page,
            text=f"The last try ended so: {one.failure} Alerts are shown here meanwhile, and other channels "
            "are told. What waits for this one is tried for a day.",
        )  # fmt: skip


INSTALLATION: tuple[Callable[[Facts, datetime], Iterator[Condition]], ...] = (
    _standstill, _feed, _disk, _failing,
)  # fmt: skip
