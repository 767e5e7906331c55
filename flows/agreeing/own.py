"""
This module remembers what a flow wrote to one record because of our own writes, and sees loops in it.

Flows that start each other, or themselves, never come to rest where each write brings another value, or the
same one to a field that something else sets back. Every single write of them succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from flows.agreeing.agreement import Written
from flows.agreeing.sameness import alike, mark, same
from flows.agreeing.swinging import swings

MOST = 6  # writes of one field, with values that come back
MOST_AT_ALL = 60  # writes of one record, whatever their values
WITHIN = timedelta(minutes=10)
_MOST_FIELDS = 400  # times a few writes: what is kept of a record
_ANY = ""  # under which each write as a whole is counted


@dataclass(frozen=True, slots=True)
class Past:
    """
    The last writes of a flow to a record that our own writes have caused.

    `held_by` is the run that asks a person whether they may go on; `answered` says that it goes on itself.
    """

    writes: Sequence[Written] = ()
    held_by: int = 0
    answered: bool = False

    def recent(self, now: datetime) -> bool:
        """Tell whether there was one within the time in which writes are counted."""
        return any(one.at > now - WITHIN for one in self.writes)

    def left_to_write(self, wanted: Mapping[str, Any], there: Mapping[str, Any], now: datetime) -> list[str]:
        """
        Return the fields of which a write would change what is `there`.

        A value that was sent by the last write, and that now stands there as systems store such a value, is
        not sent again: a number that was rounded, a phone number that was given another form.
        """
        sent = {one.about: one.mark for one in self.writes if one.at > now - WITHIN}
        return [
            name
            for name, value in wanted.items()
            if name not in there
            or not (same(value, there[name]) or (sent.get(name) == mark(value) and alike(value, there[name])))
        ]

    def loops(self, wanted: Mapping[str, Any], now: datetime) -> list[str]:
        """Return the fields whose values came back too often; all of them after too many writes of any."""
        if sum(one.about == _ANY and one.at > now - WITHIN for one in self.writes) >= MOST_AT_ALL:
            return list(wanted)
        return [
            name
            for name, value in wanted.items()
            if swings(self.writes, name, mark(value), most=MOST, within=WITHIN, now=now)
        ]

    def with_write(self, wanted: Mapping[str, Any], now: datetime) -> Self:
        """Return the same with one more write of what differed, and without those that count no more."""
        new = [Written(now, name, mark(value)) for name, value in wanted.items()]
        kept = [one for one in self.writes if one.at > now - WITHIN]
        whole = [one for one in kept if one.about == _ANY][1 - MOST_AT_ALL :]
        fields = [*(one for one in kept if one.about != _ANY), *new][-_MOST_FIELDS:]
        return type(self)((*whole, Written(now, _ANY, ""), *fields))

    def as_data(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        writes = [[one.at.isoformat(), one.about, one.mark] for one in self.writes]
        return {"writes": writes, "held_by": self.held_by}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Return what `as_data` gave."""
        writes = (Written(datetime.fromisoformat(at), about, sign) for at, about, sign in data["writes"])
        return cls(tuple(writes), int(data["held_by"]))
