"""This module words the mails about alerts, and says when several become one. It is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from monitoring.words import counted

# More than FEW within a MINUTE are one mail.
FEW = 5
MINUTE = timedelta(minutes=1)
LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class Item:
    """One alert, as it is told to one person."""

    title: str
    text: str
    address: str  # of the page that helps
    where: str
    opened_at: datetime
    closed_at: datetime | None = None
    critical: bool = False
    acknowledge_address: str = ""  # of the page where one can say that one sees to it; empty: not told


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent."""

    subject: str
    body: str


class Plan(Enum):
    """What to do with the alerts that wait to be mailed to one person."""

    EACH = "a mail for each"
    TOGETHER = "one mail for all"
    LATER = "nothing yet"


def plan(*, waiting: int, sent_lately: int) -> Plan:
    """Say what to do with `waiting` alerts for one who got `sent_lately` mails within the last minute."""
    if waiting + sent_lately <= FEW:
        return Plan.EACH
    return Plan.LATER if sent_lately else Plan.TOGETHER


def about_one(item: Item, *, workspace: str) -> Mail:
    """Word a mail about one alert."""
    over = "Over: " if item.closed_at else ""
    return Mail(subject=_subject(workspace, over + item.title), body=_body([_told(item)], workspace))


def about_many(items: Sequence[Item], *, workspace: str) -> Mail:
    """Word one mail about several alerts, the critical ones first."""
    ordered = sorted(items, key=lambda item: (item.closed_at is not None, not item.critical))
    going_on = sum(item.closed_at is None for item in items)
    said = counted(going_on, "alert") if going_on else f"{counted(len(items), 'alert')} are over"
    return Mail(subject=_subject(workspace, said), body=_body([_told(item) for item in ordered], workspace))


def about(items: Sequence[Item], *, workspace: str, subject: str, why: str) -> Mail:
    """Word a mail about `items` to whom a rule names; `why` says at its end why it was sent."""
    parts = [_told(item) for item in items] or [_line(subject)]
    text = "\n\n----\n\n".join(parts)
    return Mail(subject=_subject(workspace, subject), body=f"{text}\n\n-- \n{why}\n")


def _told(item: Item) -> str:
    since = f"{_when(item.opened_at)} in {_line(item.where)}"
    if item.closed_at:
        until = f"This is over: from {since} until {_when(item.closed_at)}."
        return f"{_line(item.title)}\n\n{until}\n{item.address}"
    told = f"{_line(item.title)}\n\n{item.text.strip()}\n\nSince {since}.\n{item.address}"
    return f"{told}\nAcknowledge: {item.acknowledge_address}" if item.acknowledge_address else told


def _body(parts: Sequence[str], workspace: str) -> str:
    text = "\n\n----\n\n".join(parts)
    return (
        f"{text}\n\n-- \nYou get this because you are an administrator of {_line(workspace)} in Integrator.\n"
        "One mail is sent for each incident. On the page you can mute it.\n"
    )


def _subject(workspace: str, said: str) -> str:
    return _line(f"[{workspace}] {said}")[:LONGEST_SUBJECT]


def _line(text: str) -> str:
    """Return `text` as one line that can be printed: people write names, and a header ends with a line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _when(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M} UTC"
