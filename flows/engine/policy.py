"""This module decides what is done about a failure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flows import error_catalogue
from flows.engine.outcome import (
    AskHuman,
    Done,
    Failure,
    GiveUp,
    Option,
    Outcome,
    Pause,
    Question,
    RetryAt,
)
from integrator.kernel import errors
from integrator.kernel.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how often."""

    backoff: Backoff = field(default_factory=Backoff)
    patience: timedelta = timedelta(hours=72)  # as long as Stripe itself goes on delivering a webhook
    rest: timedelta = timedelta(minutes=1)  # where the other system did not say when it may work again
    hold: timedelta = timedelta(minutes=15)  # how often a flow that lacks a permission tries again


# A refusal as a duplicate names the records by their ids: fifteen or eighteen characters, the first three of
# which tell the object and have a digit; words have none there.
_RECORD_ID = re.compile(r"\b(?=[A-Za-z]{0,2}\d)[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?\b")

# The one answer to a question that somebody has to settle outside: in Salesforce, or in Stripe.
AGAIN = Option("again", "I have settled it: try again")


def failure_of(error: errors.IntegrationError) -> Failure:
    """Return what a dead letter shows of `error`."""
    return Failure(
        error_class=error_catalogue.explain(error).error_class,
        message=str(error),
        code=error.code,
        field=error.field,
        request_id=error.request_id,
        system=error.system,
        http_status=error.http_status,
    )


def named_in(error: errors.IntegrationError) -> list[str]:
    """Return the ids of the records that the message of a failure names."""
    return list(dict.fromkeys(_RECORD_ID.findall(str(error))))


def _named(error: errors.IntegrationError) -> dict[str, Any]:
    named = named_in(error)
    return {"records_named": named} if named else {}


def decide(
    error: errors.IntegrationError,
    *,
    attempt: int,
    first_failed_at: datetime | None,
    now: datetime,
    luck: float,
    policy: Policy,
) -> Outcome:
    """
    Return what is done about `error`, the failure of attempt number `attempt` (from 1).

    `first_failed_at` is when the run first failed, empty if it never did. Retries end by
    elapsed time and not by count, so that an outage of a day costs nothing.
    """
    failure = failure_of(error)
    match error:
        case errors.Declined():
            return Done(output={"error": str(error), "code": error.code}, exit="declined")
        case errors.Ambiguous() | errors.Uncertain():
            kind: Question = "duplicate" if isinstance(error, errors.Ambiguous) else "in_doubt"
            evidence = {"code": error.code, "field": error.field, **_named(error)}
            return AskHuman(str(error), kind=kind, options=(AGAIN,), evidence=evidence, failure=failure)
        case errors.RateLimited() | errors.Unauthorized() | errors.Misdirected():
            # The connection is at fault, not this run: nothing is burnt while it rests.
            return Pause(error.resets_at or now + policy.rest, reason=str(error), failure=failure)
        case errors.Forbidden():
            # One permission is missing: the flows that need it wait, not the connection.
            return Pause(now + policy.hold, reason=str(error), holds="flow", failure=failure)
        case errors.Transient():
            failing_for = now - (first_failed_at or now)
            if failing_for >= policy.patience:
                hours = int(failing_for.total_seconds() // 3600)
                reason = f"Still failing after {hours} hours and {attempt} attempts: {error}"
                return GiveUp(reason, failure)
            when = now + policy.backoff.delay(attempt=attempt, luck=luck)
            return RetryAt(when, reason=str(error), failure=failure)
        case errors.Refused() if failure.error_class == "schema":
            # The org has changed, or never had the field: the next run would be refused like this one.
            return Pause(now + policy.hold, reason=str(error), holds="flow", failure=failure)
        case _:
            return GiveUp(str(error), failure)
