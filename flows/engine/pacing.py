"""This module says what a step that lets only some runs through has to know of the others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.engine.item import Item


@dataclass(frozen=True, slots=True)
class Pace:
    """So many turns in each period; beyond the running one, turns are given for `ahead` more."""

    limit: int
    period: timedelta
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Calm:
    """How long nobody with the same key must have come, and after which time one goes on all the same."""

    quiet: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Member:
    """
    A run that comes to where only the last of a burst goes on.

    `rank` sorts as the events happened, see `rank_of`. Who `joined` before and is not the last any more has
    been replaced, even if the last of them has gone on meanwhile.
    """

    key: str
    rank: str
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member stands: it is the last or not; the last goes on now, or may at `due`."""

    is_last: bool
    goes: bool
    due: datetime
    members: int = 1  # how many came in the burst


def rank_of(item: Item) -> str:
    """
    Return what is the greater the later the event of a run happened, of equal texts' length.

    Within one second of the sender's clock the later run counts for the later. Nothing but digits of base
    16 is in it, so that Python and every database sort it alike.
    """
    place = hashlib.sha256(item.place.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{max(item.event.created or 0, 0):012x}{item.run_id:016x}{place}"
