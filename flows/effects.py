"""
This module keeps the rows of effects: written before their calls are made, and told how those ended.

What was left out, or is in doubt with no question about it, is decided here by a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db import transaction

from flows import bulk, signals
from flows.engine import once
from flows.engine.item import EffectEnd
from flows.engine.ports import Intent
from flows.models import Change, Effect, Event, Fate, Lane, Review, Run
from flows.models.runs import REASON_LENGTH, AlreadyHandled
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import public_id
from integrator.kernel import canonical

__all__ = [
    "AlreadyHandled", "NotPossible", "Prepared", "insist", "keep", "opened", "prepare", "question_about",
    "settle",
]  # fmt: skip

INSISTED = "A person wants done what was left out"


class NotPossible(Exception):
    """What the effect was for cannot be done any more, or is to be decided elsewhere."""


_COLUMNS = (
    "public_id", "pair_id", "key", "kind", "purpose", "flow_id", "step", "run_id", "record", "occurrence",
    "slot", "action", "generation", "request", "result", "state", "reason", "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """An intent whose row is committed, with what is to be done about it."""

    intent: Intent
    effect_id: int
    decision: once.Decision
    action: str  # by which it is sent, if it is
    request: Mapping[str, Any]
    generation: int
    look_up: tuple[str, Mapping[str, Any]] | None = None  # what finds it, if that is asked for


def prepare(
    intents: Sequence[Intent],
    *,
    flow_id: int,
    pair_id: int,
    now: datetime,
    absent: Mapping[int, int] = MappingProxyType({}),
) -> list[Prepared]:
    """
    Record `intents` and say what is to be done about each, in order.

    Whatever is to be sent is marked as sent when this returns, so that a crash from here on leaves a
    doubt and never a second call. `absent` says of which effects, by id, the other system was asked and has
    none, and which generation that was: another worker may have made it since.
    """
    keys = [once.key_of(intent, flow_id) for intent in intents]
    with transaction.atomic():
        rows = [_row(intent, key, flow_id, pair_id, now) for intent, key in zip(intents, keys, strict=True)]
        bulk.insert(Effect, _COLUMNS, rows, conflict="(pair_id, key) DO NOTHING", order_by=("pair_id", "key"))
        locked = Effect.objects.filter(pair=pair_id, key__in=keys).order_by("key").select_for_update()
        known = {effect.key: effect for effect in locked}
        prepared = [
            _prepared(intent, known[key], now, absent.get(known[key].pk))
            for intent, key in zip(intents, keys, strict=True)
        ]
        _mark_sent([one for one in prepared if isinstance(one.decision, once.Send)], known, now)
    return prepared


def _row(intent: Intent, key: str, flow_id: int, pair_id: int, now: datetime) -> tuple[Any, ...]:
    name = public_id()
    return (
        name, pair_id, key, intent.kind, bulk.storable(intent.purpose)[:200], flow_id, intent.step,
        intent.item.run_id, bulk.storable(intent.record)[:255], bulk.storable(intent.occurrence)[:255],
        intent.slot, intent.action, 1, _sealed(once.filled(intent.request, name), pair_id), b"", "planned",
        "", now,
    )  # fmt: skip


def _prepared(intent: Intent, effect: Effect, now: datetime, absent: int | None) -> Prepared:
    recorded = once.Recorded(
        effect_id=effect.pk,
        state=effect.state,  # type: ignore[arg-type]  # the model's choices are the same words
        sent_at=effect.sent_at,
        result=opened(effect.result, pair_id=effect.pair_id),
        reason=effect.reason,
    )
    is_absent = effect.state == Effect.State.SENT and effect.generation == absent
    decision = once.Send(raised=True) if is_absent else once.decide(recorded, intent, now=now)
    generation = effect.generation + _raised(decision)
    if isinstance(decision, once.Send) and (decision.raised or effect.state == Effect.State.SKIPPED):
        request: Mapping[str, Any] = once.filled(intent.request, effect.public_id, generation=generation)
        action = intent.action
    else:
        # The same generation sends the same request, whatever the flow would make of it by now.
        request, action = opened(effect.request, pair_id=effect.pair_id) or {}, effect.action
    look_up = _look_up(intent, effect)
    return Prepared(intent, effect.pk, decision, action, request, effect.generation, look_up)


def _look_up(intent: Intent, effect: Effect) -> tuple[str, Mapping[str, Any]] | None:
    if intent.look_up is None:
        return None
    action, request = intent.look_up
    filled = once.filled(request, effect.public_id, first_sent=effect.sent_at)
    if "params" in filled:
        # It is where it was sent to, whatever the flow would make of it by now.
        filled["params"] = (opened(effect.request, pair_id=effect.pair_id) or {}).get("params")
    return action, filled


def _mark_sent(prepared: Iterable[Prepared], known: Mapping[str, Effect], now: datetime) -> None:
    by_id = {effect.pk: effect for effect in known.values()}
    rows = {
        one.effect_id: (
            one.effect_id,
            "sent",
            # The time from which a key lasts is that of the first try.
            by_id[one.effect_id].sent_at or now if _is_again(one.decision) else now,
            by_id[one.effect_id].generation + _raised(one.decision),
            one.action,
            _sealed(one.request, by_id[one.effect_id].pair_id),
            "",  # what was known of the try before says nothing of this one
        )
        for one in prepared
    }
    columns = ("id", "state", "sent_at", "generation", "action", "request", "reason")
    bulk.update(Effect, columns, list(rows.values()))


def _raised(decision: once.Decision) -> int:
    return int(isinstance(decision, once.Send) and decision.raised)


def _is_again(decision: once.Decision) -> bool:
    return isinstance(decision, once.Send) and decision.again


def keep(ends: Sequence[tuple[int, EffectEnd]], *, now: datetime) -> None:
    """
    Write how effects of pairs ended, in the caller's transaction; the last word about one counts.

    What was done stays so: whoever asked while it was under way may close later, and know less.
    """
    last = {end.effect_id: (pair, end) for pair, end in ends}
    # Locked in the order in which `prepare` locks them, so that none wait in a circle.
    known = Effect.objects.filter(id__in=list(last)).order_by("pair_id", "key").select_for_update()
    for effect_id, state in known.values_list("id", "state") if last else ():
        if state == Effect.State.DONE:
            del last[effect_id]
    plain, with_result = [], []
    for effect_id, (pair, end) in sorted(last.items()):
        ended_at = now if end.state in {"done", "skipped", "refused"} else None
        row = (effect_id, end.state, bulk.storable(end.reason)[:REASON_LENGTH], ended_at)
        if end.result is None:
            plain.append(row)
        else:
            with_result.append((*row, _sealed(end.result, pair)))
    bulk.update(Effect, ("id", "state", "reason", "ended_at"), plain)
    bulk.update(Effect, ("id", "state", "reason", "ended_at", "result"), with_result)


# What a person decides


def insist(*, effect: Effect, actor: str, now: datetime) -> Run:
    """
    Do now what was left out: return a new run of the effect's event, which reads its object first.

    Whatever else was left out of that event as history is done by the run as well.

    :raises AlreadyHandled: if it was not left out after all, or is being done
    :raises NotPossible: if the content of the event is deleted
    """
    with transaction.atomic():
        locked = _locked(effect)
        if locked.state != Effect.State.SKIPPED:
            raise AlreadyHandled(f"This was not left out. Its state is: {locked.get_state_display()}.")
        again = _again(locked.run, now)
        if locked.reason == once.LEFT_OUT:  # which would hold for this run, too
            locked.decide(Effect.State.SKIPPED, reason=INSISTED, now=now)
        Run.objects.bulk_create([again])
        Lane.objects.set_ready([again.lane_id])
        Event.objects.settle([again.event_id])
        _tell(again, now)
        _audit(locked, actor, now, {"decision": "do it now", "run": again.public_id})
    return again


def settle(*, effect: Effect, happened: bool, actor: str, now: datetime) -> Effect:
    """
    Say whether an effect in doubt happened. What did not happen counts as left out, and can be insisted on.

    :raises AlreadyHandled: if it is not in doubt any more
    :raises NotPossible: if a run still asks about it, so that the answer belongs there
    """
    with transaction.atomic():
        locked = _locked(effect)
        if locked.state != Effect.State.IN_DOUBT:
            raise AlreadyHandled(f"This is not in doubt. Its state is: {locked.get_state_display()}.")
        if question_about(locked) is not None:
            raise NotPossible("A question about it is open. Answer that, so that its run goes on.")
        found = "that it happened" if happened else "that it did not happen"
        state = Effect.State.DONE if happened else Effect.State.SKIPPED
        locked.decide(state, reason=f"{actor} found {found}", now=now)
        _audit(locked, actor, now, {"decision": "it happened" if happened else "it did not happen"})
    return locked


def question_about(effect: Effect) -> Review | None:
    """Return the open question of a run of the effect's event whether it happened, if there is one."""
    asked = Review.objects.open().filter(kind=Review.Kind.IN_DOUBT, run__pair=effect.pair_id)
    return asked.filter(run__event=effect.run.event_id).first()


def _locked(effect: Effect) -> Effect:
    """Return the effect with its lane locked before it, in the order that a closing worker takes."""
    list(Lane.objects.filter(runs=effect.run_id).order_by().select_for_update(of=("self",)))
    known = Effect.objects.select_related("run__event", "pair__environment__workspace")
    return known.select_for_update(of=("self",)).get(pk=effect.pk)


def _again(run: Run, now: datetime) -> Run:
    if run.event.purged_at is not None:
        raise NotPossible("The content of its event was deleted when its time was over.")
    same = Run.objects.filter(flow=run.flow_id, pair=run.pair_id, event=run.event_id, subject=run.subject)
    if same.filter(insisted=True, state__in=(Run.State.READY, Run.State.RETRYING)).exists():
        raise AlreadyHandled("It is being done already.")
    again = same.latest("replay").again(reason=INSISTED, now=now)
    again.insisted = True
    return again


def _tell(again: Run, now: datetime) -> None:
    summary = {"fates": {Fate.QUEUED.value: 1}, "runs": [again.public_id]}
    environment = again.pair.environment_id
    Change.objects.record(environment_id=environment, kind="closed", summary=summary, now=now)
    transaction.on_commit(lambda: signals.work_arrived.send(sender=Effect))


def _audit(effect: Effect, actor: str, now: datetime, details: Mapping[str, str]) -> None:
    audit.record(
        workspace=effect.pair.environment.workspace,
        actor=actor,
        action="effect.decided",
        target=effect.public_id,
        details={"purpose": effect.purpose, "record": effect.record, **details},
        now=now,
    )


# Sealed JSON


def _sealed(value: Mapping[str, Any], pair_id: int) -> bytes:
    return vault.seal(canonical.dumps(value), owner=f"effect:{pair_id}")


def opened(sealed: bytes | memoryview, *, pair_id: int) -> dict[str, Any] | None:
    """
    Return what an effect's request or result says, or nothing if there is none.

    :raises vault.Unreadable: if its key is lost
    """
    if not sealed:
        return None
    text = vault.unseal(sealed, owner=f"effect:{pair_id}").decode()
    value: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return value
