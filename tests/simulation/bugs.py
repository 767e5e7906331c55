"""
This module plants bugs, one line each, that the rigs have to find: in the real code wherever it is played.

A rig that finds none of these tells nothing when it finds nothing. `worlds` is how many a rig may need, whose
flow goes one `way` where the mistake shows there alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest.mock import PropertyMock, patch

from flows.engine import once, order
from flows.engine.item import Item
from flows.engine.order import Verdict
from flows.engine.policy import Policy
from flows.steps import fetched, saving
from tests.simulation import database, kernel, worker
from tests.simulation.org import Org

Plant = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake that somebody might make."""

    name: str
    plant: Plant
    worlds: int
    way: str | None = None


def nothing(*_: Any, **__: Any) -> None:
    return None


def _yes(*_: Any) -> bool:
    return True


def _all_of_them(_holder: Any, _whose: Any, targets: Any) -> frozenset[str]:
    return frozenset(targets)


# Order


def newest_wins_always(source: Any, applied: Any, **_: Any) -> Verdict:
    return Verdict.APPLY


def _by_seconds(source: Any, applied: Any, **_: Any) -> Verdict:
    older = applied is not None and source.not_after < applied.not_before
    return Verdict.SUPERSEDED if older else Verdict.APPLY


_judge = order.judge


def _last_to_come_of_a_second(source: Any, applied: Any, **more: Any) -> Verdict:
    verdict = _judge(source, applied, **more)
    same_second = verdict is Verdict.IN_DOUBT and source.not_before == applied.not_after
    return Verdict.APPLY if same_second and source.id == applied.source else verdict


def _without_rank(source: Any, applied: Any, *, rank: int | None = None, **more: Any) -> Verdict:
    return _judge(source, applied, **more)


# Late writes


def _forgotten(db: Any, targets: Any, now: float) -> None:
    for target in targets:
        del db.leases[target]


def _as_if_nobody_else_wrote_it(item: Any, shared: str = "") -> None:
    item.unsettled = True


# Effects


def _whoever_was_asked(recorded: Any, intent: Any) -> Any:
    known = replace(recorded, sent_at=None)
    intent.item.memory.get(intent.item.key(intent.step), {}).pop(once._TRIED, None)
    return _as_a_person_said(known, intent)


_as_a_person_said = once._as_a_person_said


def _sent_again(*_: Any) -> once.Decision:
    return once.Send()


def _recent(run: Any) -> Any:
    made = _item(run)
    made.history = False
    return made


_item = worker._item


# The outside and the way in


def _created_each_time(org: Any, request: Any) -> Any:
    return _upsert(org, {**request, "external_id": f"{request['external_id']}/{org.calls}"})


_upsert = Org._upsert


def _cursor_first(world: Any, listed: list[Any], now: float) -> None:
    world.db.cursor = now + kernel._OVERLAP
    if not world.dice.chance(world.faults.walk_crash):
        world.db.keep(listed, now=now)


def _acknowledged_first() -> tuple[Any, ...]:
    return tuple(reversed(_receiving()))


_receiving = kernel.receiving


KERNEL: tuple[Bug, ...] = (
    Bug("any state may overwrite any other", lambda: patch.object(saving, "judge", newest_wins_always), 500),
    Bug("seconds alone tell what is newer", lambda: patch.object(saving, "judge", _by_seconds), 500),
    Bug(
        "of one second the last to come is applied",
        lambda: patch.object(saving, "judge", _last_to_come_of_a_second),
        2_000,
    ),
    Bug(
        "a reading counts as new as its answer",
        lambda: patch.multiple(fetched, BEFORE=timedelta(0), AFTER=timedelta(0)),
        6_000,
    ),
    Bug("the rank of a source is ignored", lambda: patch.object(saving, "judge", _without_rank), 2_000),
    Bug(
        "a write that was not answered is not confirmed",
        lambda: patch.object(saving, "UNSETTLED", frozenset()),
        1_000,
    ),
    Bug(
        "the lease is not checked before a call",
        lambda: patch.object(worker.ModelPorts, "_check_lease", nothing),
        6_000,
    ),
    Bug(
        "a batch is closed whoever holds the lanes",
        lambda: patch.object(database.Lane, "is_held_by", _yes),
        3_000,
    ),
    Bug(
        "a lane that is held can be claimed",
        lambda: patch.object(database.Lane, "is_free", PropertyMock(return_value=True)),
        1_000,
    ),
    Bug(
        "a record of several lanes is written without a lease",
        lambda: patch.object(database.Database, "lease", _all_of_them),
        4_000,
    ),
    Bug(
        "what a lost worker was writing to is forgotten",
        lambda: patch.object(database.Database, "_note_late", _forgotten),
        2_000,
        way="shared",
    ),
    Bug(
        "a write of a shared record that was not answered is not confirmed",
        lambda: patch.object(Item, "may_land_late", _as_if_nobody_else_wrote_it),
        1_000,
        way="shared",
    ),
    Bug(
        "a webhook is acknowledged before it is kept",
        lambda: patch.object(kernel, "receiving", _acknowledged_first),
        500,
    ),
    Bug(
        "the cursor moves before its page is kept", lambda: patch.object(kernel, "walk", _cursor_first), 1_500
    ),
    Bug(
        "a lost answer is followed by the same call",
        lambda: patch.object(once, "_about_a_lost_answer", _sent_again),
        2_000,
    ),
    Bug(
        "a lost answer counts as a refusal",
        lambda: patch.multiple(once, Uncertain=(), UNSETTLED=frozenset()),
        1_000,
    ),
    Bug(
        "an effect is not recorded before its call",
        lambda: patch.object(database.Database, "_mark_sent", nothing),
        2_000,
    ),
    Bug(
        "an answer counts for tries that were made since",
        lambda: patch.object(once, "_as_a_person_said", _whoever_was_asked),
        6_000,
    ),
    Bug("history sends letters", lambda: patch.object(worker, "_item", _recent), 500),
    Bug(
        "what may well pass ends as a dead letter",
        lambda: patch.object(worker, "POLICY", Policy(patience=timedelta(0))),
        200,
    ),
    Bug("a record is created by each call", lambda: patch.object(Org, "_upsert", _created_each_time), 200),
)
