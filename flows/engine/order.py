"""This module decides whether a state may overwrite the one that was last applied to a target."""

from __future__ import annotations

from enum import Enum

from flows.engine.item import Source
from flows.engine.ports import Applied


class Verdict(Enum):
    """What the version guard says about one write."""

    APPLY = "apply"
    SUPERSEDED = "superseded"
    IN_DOUBT = "in_doubt"


def judge(source: Source, applied: Applied | None, *, same_event: bool, rank: int | None = None) -> Verdict:
    """
    Compare the state from `source` with what was last `applied` to the target.

    Where several sources feed one target, such as the payments of an Account, `rank` says which of them
    counts: the highest, such as the payment that was made last.

    Stripe's `created` has whole seconds, two events of one object may share one, and they
    arrive in any order (https://docs.stripe.com/webhooks#event-ordering). So only a gap
    proves an order, and only within one source object: a charge's payload says nothing about
    what its payment intent's payload said. What is not proved is in doubt and read anew.

    What an earlier try has read is as new as it was then: it settles no doubt about what came behind it.
    """
    if applied is None:
        return Verdict.APPLY
    if rank is not None and applied.rank is not None and rank != applied.rank:
        return Verdict.APPLY if rank > applied.rank else Verdict.SUPERSEDED
    settled = source.fetched or source.gone  # it can get no newer by reading it again
    if settled or source.id == applied.source:
        if source.not_after < applied.not_before:
            return Verdict.SUPERSEDED
        if (settled and not source.carried) or source.not_before > applied.not_after:
            return Verdict.APPLY
        if same_event and source.not_before == applied.not_after:
            return Verdict.APPLY  # a retry or replay of the very event that was applied
    return Verdict.IN_DOUBT
