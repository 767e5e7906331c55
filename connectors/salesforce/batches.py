"""
This module carries many requests in few calls and finds those for whose sake a whole call was refused.

A call that was refused as a whole did nothing, so it may be sent again in parts: without those who name the
field at fault, otherwise by halves, until the guilty stand alone or too many calls were spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from connectors.base import NO_TURN, Account, Params, Result
from connectors.salesforce import sessions
from connectors.salesforce.client import Org
from integrator.kernel import errors

MOST_RECORDS = 200  # in one collection call
MOST_EXTRA_CALLS = 36  # to find the guilty: one of 200 takes 17, of which each may count twice
PRICE_OF_DOUBT = 2  # what such a call costs while the org itself may be at fault

# Refusals of a whole call that are about what all its records share, so that halves fare no better.
_SHARED = frozenset({"INVALID_TYPE", "NOT_FOUND", "METHOD_NOT_ALLOWED"})
# Failures that pass, and of which a single record may be the cause all the same.
_OF_ONE = frozenset({"UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION"})


class Piece(Protocol):
    """One request on its way into a call."""

    @property
    def shared(self) -> Hashable:
        """Return what all pieces of one call have in common."""

    @property
    def target(self) -> Hashable:
        """Return what must stand only once in a call, or None if nothing forbids it."""

    @property
    def named(self) -> frozenset[str]:
        """Return the fields that the piece names, in lower case."""


P = TypeVar("P", bound=Piece)
Written = dict[int, Result]
Work = Callable[[Org, dict[int, P]], Written]


class RefusedWhole(Exception):
    """A call was refused as a whole. Never leaves this package."""

    def __init__(self, failure: errors.IntegrationError) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class _Part(Generic[P]):
    """The pieces of one call, by their places in what was asked."""

    pieces: dict[int, P]
    price: int = 1
    repeated: bool = False  # the same pieces were refused before, for a reason that may have passed


def prepared(parse: Callable[[Params], P], requests: Sequence[Params]) -> tuple[dict[int, P], Written]:
    """Return what `parse` makes of the requests, and the refusals of the others, by their places."""
    pieces: dict[int, P] = {}
    refusals: Written = {}
    for place, params in enumerate(requests):
        try:
            pieces[place] = parse(params)
        except errors.IntegrationError as refusal:
            refusals[place] = refusal
    return pieces, refusals


def carry(account: Account, pieces: Mapping[int, P], work: Work[P], *, deadline: float) -> Written:
    """
    Return what `work` makes of the pieces, by their places; it gets those of one call at a time.

    Pieces of one target go in their order, in separate calls. `work` raises `RefusedWhole` if nothing of its
    call was done.
    """
    ends = time.monotonic() + deadline
    written: Written = {}
    for turn in _turns(pieces):
        written |= _carry(account, turn, work, ends=ends)
    return written


def _turns(pieces: Mapping[int, P]) -> Iterator[dict[int, P]]:
    """Yield groups in which no target stands twice, keeping the order of those that do."""
    waiting = dict(pieces)
    while waiting:
        seen: set[Hashable] = set()
        turn: dict[int, P] = {}
        for place, piece in waiting.items():
            target = piece.target
            if target is None or target not in seen:
                seen.add(target)
                turn[place] = piece
        yield turn
        waiting = {place: piece for place, piece in waiting.items() if place not in turn}


def _carry(account: Account, turn: dict[int, P], work: Work[P], *, ends: float) -> Written:
    parts = _calls(turn)
    written: Written = {}
    purse = MOST_EXTRA_CALLS

    def failed(failure: errors.IntegrationError, part: _Part[P]) -> tuple[Written, list[_Part[P]]]:
        return dict.fromkeys(part.pieces, failure), []

    while parts:
        outcomes = sessions.run(
            account,
            lambda org, part: _tried(org, part, work),
            parts,
            failed=failed,
            deadline=ends - time.monotonic(),
        )
        for done, _ in outcomes:
            written |= done
        parts = [part for _, left in outcomes for part in left]
        purse -= sum(part.price for part in parts)
        if purse < 0:
            break
    return written


def _calls(turn: Mapping[int, P]) -> list[_Part[P]]:
    groups: dict[Hashable, list[int]] = {}
    for place, piece in turn.items():
        groups.setdefault(piece.shared, []).append(place)
    return [
        _Part({place: turn[place] for place in places[start : start + MOST_RECORDS]})
        for places in groups.values()
        for start in range(0, len(places), MOST_RECORDS)
    ]


def _tried(org: Org, part: _Part[P], work: Work[P]) -> tuple[Written, list[_Part[P]]]:
    """Return what is done, and what has to be sent again in parts."""
    try:
        return work(org, part.pieces), []
    except RefusedWhole as refusal:
        failure = refusal.failure
    parts = _parts_after(part, failure)
    # What stands for a piece whose part is not sent any more, because too many calls were refused.
    provisional = failure
    if isinstance(failure, errors.Refused):
        provisional = errors.Transient(f"Refused together with its neighbours: {failure}", code=NO_TURN)
    again = {place for each in parts for place in each.pieces}
    return {place: provisional if place in again else failure for place in part.pieces}, parts


def _parts_after(part: _Part[P], failure: errors.IntegrationError) -> list[_Part[P]]:
    if len(part.pieces) == 1 or failure.code in _SHARED:
        return []
    if isinstance(failure, errors.Transient) and failure.code in _OF_ONE:
        if failure.code == "UNKNOWN_EXCEPTION" and not part.repeated:
            return [_Part(part.pieces, PRICE_OF_DOUBT, repeated=True)]
        return _halves(part, PRICE_OF_DOUBT)
    if not isinstance(failure, errors.Refused):
        return []
    field = failure.field.lower()
    innocent = {place: piece for place, piece in part.pieces.items() if field not in piece.named}
    if field and len(innocent) < len(part.pieces):
        return [_Part(innocent)] if innocent else []
    return _halves(part, 1)


def _halves(part: _Part[P], price: int) -> list[_Part[P]]:
    places = list(part.pieces)
    middle = len(places) // 2
    return [
        _Part({place: part.pieces[place] for place in half}, price, repeated=True)
        for half in (places[:middle], places[middle:])
    ]
