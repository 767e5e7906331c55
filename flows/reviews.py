"""This module puts questions before people, and lets their runs go on with the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import transaction

from flows import agreements, bulk, signals
from flows.agreements import Choice, NotAChoice
from flows.engine import approving
from flows.engine.approving import Terms, Who
from flows.engine.outcome import AskHuman
from flows.engine.trace import shown
from flows.models import Change, Event, Fate, Lane, Link, Review, Run
from flows.models.runs import AlreadyHandled
from flows.recognising import deciding
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import public_id

__all__ = [
    "EACH",
    "AlreadyHandled",
    "Choice",
    "NotAnOption",
    "NotYours",
    "Question",
    "Unexplained",
    "Who",
    "answer",
    "discard",
    "evidence_of",
    "expire",
    "file",
    "is_asked",
    "terms_of",
]

MOST_OPTIONS = 50
LONGEST_COMMENT = 2_000
EACH = "each"  # the answer to a conflict that says for each field what is right
ACTOR = "the engine"
_OF_A_LINK = (Review.Kind.CONFLICT, Review.Kind.LOOP)


class NotAnOption(ValueError):
    """The question has no such answer."""


class NotYours(Exception):
    """An approval is asked of others, or may not be given by who caused it."""


class Unexplained(ValueError):
    """The answer to an approval has to be explained, and is not."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a run asks."""

    run_id: int
    pair_id: int
    step: str
    asked: AskHuman


_COLUMNS = (
    "public_id", "pair_id", "run_id", "step", "kind", "question", "evidence", "options", "created_at",
    "resolution", "answer", "closed_by", "comment", "terms", "remind_at", "expires_at",
)  # fmt: skip


def file(questions: Iterable[Question], *, now: datetime) -> None:
    """Write a review for each, in the caller's transaction; a run has at most one that is open."""
    bulk.insert(Review, _COLUMNS, [_row(one, now) for one in questions], conflict="DO NOTHING")


def _row(one: Question, now: datetime) -> tuple[object, ...]:
    asked = one.asked
    options = [
        {
            "value": bulk.storable(option.value)[:255],
            "label": bulk.storable(option.label)[:200],
            "description": bulk.storable(option.description)[:500],
        }
        for option in asked.options[:MOST_OPTIONS]
    ]
    evidence = json.dumps(shown(dict(asked.evidence))).encode()
    return (
        public_id(), one.pair_id, one.run_id, bulk.storable(one.step)[:255], asked.kind,
        bulk.storable(asked.question)[:2_000], vault.seal(evidence, owner=f"review:{one.pair_id}"), options,
        now, "", "", "", "", *_terms(asked.terms),
    )  # fmt: skip


def _terms(terms: Terms | None) -> tuple[object, ...]:
    return (None, None, None) if terms is None else (terms.as_data(), terms.remind_at, terms.expires_at)


def terms_of(review: Review) -> Terms | None:
    """Return whom an approval is asked of; nothing of a question that a role answers, whoever has it."""
    return None if review.terms is None else Terms.of(review.terms)


def evidence_of(review: Review) -> dict[str, Any]:
    """
    Return what helps to answer, masked as traces are.

    :raises vault.Unreadable: if its key is lost
    """
    if not review.evidence:
        return {}
    found: dict[str, Any] = json.loads(vault.unseal(review.evidence, owner=f"review:{review.pair_id}"))
    return found


def is_asked(review: Review, who: Who) -> bool:
    """Tell whether the approval is asked of `who`, and so what it shows is meant for them as well."""
    terms = terms_of(review)
    return terms is not None and not approving.refusal(terms, who, approving.DECLINED)


def answer(
    *,
    review: Review,
    value: str,
    actor: str,
    now: datetime,
    fields: Mapping[str, Choice] = MappingProxyType({}),
    comment: str = "",
    who: Who | None = None,
) -> Review:
    """
    Answer the question, so that its run goes on with the answer.

    Of a conflict, `fields` says what is right for single ones; with the answer `each` for all of them. An
    approval is decided by `who`, whom it has to be asked of, with a `comment`.

    :raises AlreadyHandled: if somebody was quicker, or the time to decide is over
    :raises NotAnOption: if the question has no such answer, or a field none or one that does not fit
    :raises NotYours: if an approval is asked of others, or of anybody but who caused it
    :raises Unexplained: if it has to be said why, and is not
    """
    said = bulk.storable(comment.strip())[:LONGEST_COMMENT]
    with transaction.atomic():
        locked = _locked(review)
        each = locked.kind == Review.Kind.CONFLICT and value == EACH
        if not each and value not in {option["value"] for option in locked.options}:
            raise NotAnOption(f"{value!r} is none of the answers that the question has.")
        _check(locked, who, value, said, now)
        locked.close(Review.Resolution.ANSWERED, actor=actor, now=now, answer=value, comment=said)
        link = _link_of(locked) if locked.kind in _OF_A_LINK else None
        took: dict[str, str] = {}
        if locked.kind == Review.Kind.CONFLICT:
            took = _decide(locked, link, fields, "" if each else value, actor=actor, now=now)
        if locked.kind == Review.Kind.DUPLICATE:
            _learn(locked, value, actor=actor, now=now)
        _go_on(locked, value, now, by=actor, comment=said)
        _audit("review.answered", locked, actor, now, _told(value, said, took))
        _hasten(locked, now)
    if link is not None:
        _wake(link, now)
    return locked


def _hasten(review: Review, now: datetime) -> None:
    """Let the runs of the lane look at once that wait for the answer, whether a loop may go on."""
    if review.kind == Review.Kind.LOOP:
        waiting = Run.objects.filter(lane=review.run.lane_id, state=Run.State.READY, next_attempt_at__gt=now)
        waiting.update(next_attempt_at=now)
        Lane.objects.set_ready([review.run.lane_id])


def _told(value: str, comment: str, took: Mapping[str, str]) -> dict[str, Any]:
    """Return what the audit trail says: of fields what was taken, under a name that is no field's."""
    said = {"comment": comment} if comment else {}
    return {"answer": value, **said, **({"fields": dict(took)} if took else {})}


def _check(review: Review, who: Who | None, value: str, comment: str, now: datetime) -> None:
    terms = terms_of(review)
    if terms is None:
        return
    # It counts as not approved from that moment on, however late a sweep comes to say so.
    if review.closed_at is None and review.expires_at is not None and review.expires_at <= now:
        raise AlreadyHandled(
            f"This expired at {review.expires_at:%Y-%m-%d %H:%M} UTC: nobody decided in time."
        )
    if who is None:
        raise NotYours("An approval takes somebody who is known to be asked.")
    if why := approving.refusal(terms, who, value):
        raise NotYours(why)
    if not comment and approving.needs_a_comment(terms, value):
        raise Unexplained("Say why, so that others can understand it later.")


def expire(*, review: Review, now: datetime) -> bool:
    """Let the run of an approval go on that nobody has decided in time; tell whether it still waited."""
    with transaction.atomic():
        locked = _locked(review)
        if locked.closed_at is not None or locked.expires_at is None or locked.expires_at > now:
            return False
        locked.close(Review.Resolution.EXPIRED, actor=ACTOR, now=now, answer=approving.EXPIRED)
        _go_on(locked, approving.EXPIRED, now)
        _audit("review.expired", locked, ACTOR, now, {"answer": approving.EXPIRED})
    return True


def _go_on(review: Review, value: str, now: datetime, *, by: str = "", comment: str = "") -> None:
    said = {} if review.terms is None else {"by": by, "comment": comment, "at": now.isoformat()}
    review.run.remember(review.step, answer=value, **said)
    review.run.begin_again(now=now, insist=False)
    _settle(review, Fate.QUEUED, now)


def _learn(review: Review, value: str, *, actor: str, now: datetime) -> None:
    """Remember who is who, so that nobody is asked twice; what cannot be opened teaches nothing."""
    try:
        told = {**evidence_of(review), "question": review.public_id}
    except vault.Unreadable:
        return
    deciding.remember(review.pair.salesforce_id, told, value, actor=actor, now=now)
    review.run.remember(review.step, remembered=True)


def _link_of(review: Review) -> Link | None:
    """Return the link that the question is about, if that can still be read."""
    try:
        return agreements.link_named(review.pair_id, evidence_of(review).get("link"))
    except vault.Unreadable:
        return None


def _decide(
    review: Review,
    link: Link | None,
    fields: Mapping[str, Choice],
    everything: str,
    *,
    actor: str,
    now: datetime,
) -> dict[str, str]:
    if link is None:
        raise NotAnOption("What this question is about cannot be opened any more. Discard it.")
    try:
        return agreements.decide(link, review.run_id, fields, everything=everything, actor=actor, now=now)
    except NotAChoice as refusal:
        raise NotAnOption(str(refusal)) from None


def _wake(link: Link, now: datetime) -> None:
    """Let the runs go on that wait for what was decided; their lanes are locked in an order of their own."""
    with transaction.atomic():
        agreements.wake(link, now=now)
        transaction.on_commit(lambda: signals.work_arrived.send(sender=Review))


def discard(*, review: Review, reason: str, actor: str, now: datetime) -> Review:
    """
    End the run that asks, without doing what it was for.

    :raises AlreadyHandled: if somebody was quicker
    """
    with transaction.atomic():
        locked = _locked(review)
        locked.close(Review.Resolution.DISCARDED, actor=actor, now=now)
        locked.run.discard(reason=reason, now=now)
        _settle(locked, Fate.DISCARDED, now)
        _hasten(locked, now)
        _audit("review.discarded", locked, actor, now, {"reason": reason})
        link = _link_of(locked) if locked.kind in _OF_A_LINK else None
    if link is not None:
        _wake(link, now)  # whoever waited for the answer asks anew, if there is still something to ask
    return locked


def _locked(review: Review) -> Review:
    """Return the review with its lane locked before it, in the order that a closing worker takes."""
    list(Lane.objects.filter(runs=review.run_id).order_by().select_for_update(of=("self",)))
    known = Review.objects.select_related("run", "pair__environment__workspace")
    return known.select_for_update(of=("self",)).get(pk=review.pk)


def _settle(review: Review, fate: Fate, now: datetime) -> None:
    run = review.run
    Lane.objects.set_ready([run.lane_id])
    Event.objects.settle([run.event_id])
    summary = {"fates": {fate.value: 1}, "runs": [run.public_id]}
    Change.objects.record(environment_id=review.pair.environment_id, kind="closed", summary=summary, now=now)
    transaction.on_commit(lambda: signals.work_arrived.send(sender=Review))


def _audit(action: str, review: Review, actor: str, now: datetime, details: Mapping[str, Any]) -> None:
    audit.record(
        workspace=review.pair.environment.workspace,
        actor=actor,
        action=action,
        target=review.public_id,
        details={"run": review.run.public_id, **details},
        now=now,
    )
