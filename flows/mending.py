"""This module lets a person help a dead letter through: by a remedy, or by editing the event's object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from flows import causes, deadletters, editing, group_retries, remedies, saved_fixes
from flows.error_catalogue import of_failure
from flows.mapping.mending import Fix
from flows.models import DeadLetter, GroupRetry
from flows.remedies import NoRemedy, Remedy
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person has entered about a remedy; nothing said: what is usual."""

    way: str = ""
    length: int | None = None
    value: str = ""
    keep: bool = False  # apply it by itself from now on


def approve(*, letter: DeadLetter, approval: Approval, actor: str, now: datetime) -> DeadLetter:
    """
    Try `letter` again with the change that a person has approved, and keep that as a rule if they want it.

    :raises NoRemedy: if there is nothing to approve
    :raises Unacceptable: if what was entered does not fit
    :raises AlreadyHandled: if somebody was quicker
    """
    _, fix = _fix(letter, approval, actor)
    with transaction.atomic():
        done = deadletters.retry_mended(letter=letter, what=fix, actor=actor, now=now)
        if approval.keep:
            saved_fixes.keep(letter=letter, fix=fix, actor=actor, now=now)
    return done


def approve_cause(
    *,
    environment: Environment,
    fingerprint: str,
    approval: Approval,
    per_minute: int = group_retries.USUAL,
    actor: str,
    now: datetime,
) -> GroupRetry:
    """
    Approve one change for every open letter of a cause: it is tried with one of them first.

    :raises NoRemedy: if there is nothing to approve
    :raises Unacceptable: if what was entered does not fit
    :raises AlreadyHandled: if no letter is left, or they are being retried
    """
    newest, fix = _fix_of_cause(environment, fingerprint, approval, actor)
    with transaction.atomic():
        going = group_retries.begin(
            environment=environment,
            fingerprint=fingerprint,
            per_minute=per_minute,
            actor=actor,
            now=now,
            fix=fix,
        )
        if approval.keep:
            saved_fixes.keep(letter=newest, fix=fix, actor=actor, now=now)
    return going


def fix_of_cause(*, environment: Environment, fingerprint: str, approval: Approval, actor: str) -> Fix:
    """
    Return the change that `approve_cause` would make to every open letter of a cause.

    :raises NoRemedy: if there is nothing to approve
    :raises Unacceptable: if what was entered does not fit
    :raises AlreadyHandled: if no letter is left
    """
    return _fix_of_cause(environment, fingerprint, approval, actor)[1]


def edit(
    *, letter: DeadLetter, text: str, reason: str, may_edit_money: bool, actor: str, now: datetime
) -> DeadLetter:
    """
    Try `letter` again with its event's object as a person has edited it. The event itself stays as it came.

    :raises NotEditable: if there is no object to edit
    :raises Unacceptable: if the text cannot be read, changes what must stay, or nothing
    :raises AlreadyHandled: if somebody was quicker
    """
    change = editing.edit_of(letter, text, reason=reason, may_edit_money=may_edit_money, actor=actor)
    with transaction.atomic():
        return deadletters.retry_mended(
            letter=letter, what=change, actor=actor, now=now, reason=reason.strip()
        )


def _fix_of_cause(
    environment: Environment, fingerprint: str, approval: Approval, actor: str
) -> tuple[DeadLetter, Fix]:
    newest = causes.open_letters(environment).filter(fingerprint=fingerprint).order_by("-pk").first()
    if newest is None:
        raise group_retries.AlreadyHandled("Nothing was left to mend: somebody was quicker.")
    remedy, fix = _fix(newest, approval, actor)
    if fix.way == "replace" and "value" not in of_failure(newest).params:
        # The values of the others are not known: each is looked at.
        raise Unacceptable(f"Each letter has its own {remedy.field}: approve them one by one.", field="way")
    return newest, fix


def _fix(letter: DeadLetter, approval: Approval, actor: str) -> tuple[Remedy, Fix]:
    remedy = remedies.of(letter)
    fix = remedies.fix_of(remedy, way=approval.way, length=approval.length, value=approval.value, actor=actor)
    return remedy, fix


__all__ = ["Approval", "NoRemedy", "approve", "approve_cause", "edit", "fix_of_cause"]
