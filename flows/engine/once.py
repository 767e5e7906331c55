"""
This module decides about calls that must happen once: whether one is made, and what its answer means.

It is pure. The row of an effect is committed before its call, so that whoever comes after a crash finds
what was planned, and whether it may have been sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from flows.engine.item import EffectEnd
from flows.engine.ports import Doubtful, EffectResult, Happened, Intent, LeftOut, NotYet, Result
from integrator.kernel import canonical
from integrator.kernel.errors import (
    Forbidden,
    IntegrationError,
    Misdirected,
    RateLimited,
    Transient,
    Unauthorized,
    Uncertain,
)

# How long a call that was sent may still be under way, somebody else's included: a call's own deadline
# is far below.
SETTLES_WITHIN = timedelta(seconds=30)

# The longest that a call which nobody waits for any more may take to land: Salesforce ends transactions after
# ten minutes (https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta).
LANDS_WITHIN = timedelta(minutes=11)

# How long the same request is sent again under its idempotency key: Stripe keeps keys for a day at least
# (https://docs.stripe.com/api/idempotent_requests). After that it would be done a second time.
KEY_LASTS = timedelta(hours=23)

# Code of the failure, and reason of the effect, whose key brings no other answer any more.
KEY_SPENT = "idempotency_key_spent"

# Texts of a request that stand for the key of one generation, and for when that was first sent (Unix time).
ONCE_KEY, FIRST_SENT = "{effect}.{generation}", "{first_sent}"

# Codes of failures after which the other side may still be working on what was asked.
UNSETTLED = frozenset({"timeout", "unanswered", "unavailable"})

HISTORY = "It is history: the event was received long after it had happened, or came from an import"

# What a person left out who was asked whether it happened. It may have happened, so that no retry may do it.
LEFT_OUT = "A person decided to leave it out"

State = Literal["planned", "sent", "done", "refused", "in_doubt", "skipped"]

# What a person may answer to the question whether an effect happened.
HAPPENED, REPEAT, SKIP = "happened", "repeat", "skip"

# Under this name a step keeps which try of the effect it knows of. Several runs, such as a replay, may ask
# about one effect: what a person said to one of them is no answer about a try that another made since.
_TRIED = "tried_at"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the row of an effect says before this try."""

    effect_id: int
    state: State
    sent_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """
    The call is made now. A raised generation is a new request; otherwise it is the recorded one.

    `again` says that it was sent before and may have been done, so that its key has to do.
    """

    raised: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """It may have happened: the other system is asked before anything is done."""


Decision = Happened | LeftOut | Doubtful | NotYet | Send | Look


def key_of(intent: Intent, flow_id: int) -> str:
    """Return the digest of what makes two intents the same effect of a pair."""
    if intent.kind == "creating":
        return canonical.fingerprint([intent.kind, intent.created, intent.purpose, intent.record])
    step = intent.item.key(intent.step)
    return canonical.fingerprint([intent.kind, flow_id, step, intent.record, intent.occurrence])


def decide(recorded: Recorded, intent: Intent, *, now: datetime) -> Decision:
    """
    Say what is done about `intent`, of which `recorded` is known.

    `now` is when the call is marked as sent, if it is made.
    """
    decision = _decide(recorded, intent, now)
    if isinstance(decision, Send | Doubtful):
        is_new = isinstance(decision, Send) and not decision.again
        tried_at = now if is_new else recorded.sent_at
        intent.item.keep(intent.step, _TRIED, tried_at.timestamp() if tried_at else None)
    return decision


def _decide(recorded: Recorded, intent: Intent, now: datetime) -> Decision:
    match recorded.state:
        case "done":
            return Happened(recorded.result or {}, before=True)
        case "skipped":
            return _of_what_was_left_out(recorded, intent, now)
        case "planned" | "refused":
            if intent.item.history and not intent.item.insisted:
                return LeftOut(HISTORY)
            return Send(raised=recorded.state == "refused")
        case "sent":
            return _about_a_lost_answer(recorded, intent, now)
        case "in_doubt":
            return _as_a_person_said(recorded, intent, now)


def _of_what_was_left_out(recorded: Recorded, intent: Intent, now: datetime) -> Decision:
    insisted = intent.item.insisted
    if recorded.reason == HISTORY and (insisted or not intent.item.history):
        # What was left out as history of one event is none of another that is live.
        return Send(raised=True)
    if insisted and recorded.reason != LEFT_OUT:
        return _once_the_first_can_land_no_more(recorded, now)
    return LeftOut(recorded.reason or HISTORY)


def _about_a_lost_answer(recorded: Recorded, intent: Intent, now: datetime) -> Decision:
    if intent.repeatable:
        return Send()
    if intent.keyed:
        return _by_its_key(recorded, intent, now)
    # That nothing is there yet proves nothing before that time is over.
    settled = (recorded.sent_at or now) + (SETTLES_WITHIN if intent.look_up is None else LANDS_WITHIN)
    if now < settled:
        return NotYet(settled)
    if intent.look_up is not None:
        return Look()
    return Doubtful("Nobody knows whether it happened: the answer was lost, and there is no looking it up.")


def _by_its_key(recorded: Recorded, intent: Intent, now: datetime) -> Decision:
    """Send it again as long as its key lasts; after that, and where the key is spent, look for it first."""
    ends = (recorded.sent_at or now) + KEY_LASTS
    if recorded.reason != KEY_SPENT:
        if now < ends:
            return Send(again=True)
        if now < ends + LANDS_WITHIN:
            return NotYet(ends + LANDS_WITHIN)
    if intent.look_up is not None:
        return Look()
    return Doubtful("Nobody knows whether it happened: the answer was lost, and there is no looking it up.")


def _as_a_person_said(recorded: Recorded, intent: Intent, now: datetime) -> Decision:
    """Go by the answer, unless the effect was tried since the question: then nobody was asked about that."""
    tried = intent.item.recall(intent.step, _TRIED)
    is_of_this_try = tried == (recorded.sent_at.timestamp() if recorded.sent_at else None)
    match intent.item.recall(intent.step, "answer") if is_of_this_try else None:
        case "happened":
            return Happened({}, before=True)
        case "repeat":
            return _once_the_first_can_land_no_more(recorded, now)
        case "skip":
            return LeftOut(LEFT_OUT)
        case _:
            return Doubtful("It is still not known whether it happened.")


def _once_the_first_can_land_no_more(recorded: Recorded, now: datetime) -> Decision:
    landed = (recorded.sent_at or now) + LANDS_WITHIN
    return Send(raised=True) if now >= landed or recorded.sent_at is None else NotYet(landed)


def judge_answer(
    effect_id: int, intent: Intent, answer: Result, *, again: bool = False
) -> tuple[EffectEnd, EffectResult]:
    """
    Say what `answer` makes of the effect, and what its step is told.

    Where it was sent `again`, being turned away now says nothing of the time before.
    """
    if not isinstance(answer, IntegrationError):
        return EffectEnd(effect_id, "done", answer), Happened(answer)
    message = str(answer)
    if isinstance(answer, Uncertain) or answer.code in UNSETTLED:
        if intent.repeatable or intent.keyed or intent.look_up is not None:
            reason = KEY_SPENT if answer.code == KEY_SPENT else message
            failure = Transient(message, code=answer.code, request_id=answer.request_id)
            return EffectEnd(effect_id, "sent", reason=reason), failure
        doubt = Doubtful(f"The answer was lost, so it may have happened: {message}")
        return EffectEnd(effect_id, "in_doubt", reason=message), doubt
    if isinstance(answer, (Transient, RateLimited, Unauthorized, Forbidden, Misdirected)):
        # It was turned away at the door.
        return EffectEnd(effect_id, "sent" if again else "planned", reason=message), answer
    return EffectEnd(effect_id, "refused", reason=message), answer


def end_of(effect_id: int, decision: Decision) -> EffectEnd | None:
    """Return what a decision that needs no call changes in the effect's row, if anything."""
    match decision:
        case Happened(before=True):
            return EffectEnd(effect_id, "done")
        case LeftOut(reason=reason):
            return EffectEnd(effect_id, "skipped", reason=reason)
        case Doubtful(message=message):
            return EffectEnd(effect_id, "in_doubt", reason=message)
        case _:
            return None


def filled(
    request: Mapping[str, Any], effect: str, *, generation: int = 1, first_sent: datetime | None = None
) -> dict[str, Any]:
    """
    Return `request` with the effect's own id where `{effect}` stands in a text.

    A text that is `ONCE_KEY` becomes the key of the `generation`, and `FIRST_SENT` the time of its first try.
    """
    whole = {
        ONCE_KEY: f"{effect}.{generation}",
        FIRST_SENT: int(first_sent.timestamp()) if first_sent is not None else 0,
    }
    return {name: _filled(value, effect, whole) for name, value in request.items()}


def _filled(value: Any, effect: str, whole: Mapping[str, Any]) -> Any:
    match value:
        case str():
            return whole[value] if value in whole else value.replace("{effect}", effect)
        case Mapping():
            return {name: _filled(part, effect, whole) for name, part in value.items()}
        case list() | tuple():
            return [_filled(part, effect, whole) for part in value]
        case _:
            return value
