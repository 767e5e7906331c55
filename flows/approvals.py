"""This module reminds people of approvals that wait, and lets those expire that nobody has decided."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from flows import reviews
from flows.engine import approving
from flows.models import Notice, Review
from integrator.kernel.redact import redact_text

MOST = 200  # approvals in one look


def follow_due(*, now: datetime) -> int:
    """Remind and let expire what is due, and return how many approvals that were."""
    open_ = Review.objects.open()
    reminded = [
        _remind(review, now) for review in open_.filter(remind_at__lte=now).order_by("remind_at")[:MOST]
    ]
    expired = [
        reviews.expire(review=review, now=now)
        for review in open_.filter(expires_at__lte=now).order_by("expires_at")[:MOST]
    ]
    return sum(reminded) + sum(expired)


def _remind(review: Review, now: datetime) -> bool:
    """Tell the administrators once that an approval waits, unless it was decided meanwhile."""
    with transaction.atomic():
        waiting = Review.objects.open().select_related("run", "pair").filter(remind_at__lte=now)
        found = waiting.select_for_update(of=("self",)).filter(pk=review.pk).first()
        if found is None:
            return False
        terms = reviews.terms_of(found)
        until = f" It expires at {found.expires_at:%Y-%m-%d %H:%M} UTC." if found.expires_at else ""
        asked = f"It is asked of {approving.asked_of(terms)}." if terms is not None else ""
        notice = Notice.of(
            environment_id=found.pair.environment_id,
            key=f"approval:{found.public_id}:{found.remind_at:%Y%m%d%H%M}",
            kind="approval_waits",
            severity=Notice.Severity.WARNING,
            title=f"An approval waits: {redact_text(found.question)}",
            text=f"{asked}{until}".strip(),
            now=now,
        )
        notice.flow_id, notice.run_id = found.run.flow_id, found.run_id
        Notice.objects.give([notice])
        found.remind_at = None
        found.save(update_fields=["remind_at"])
    return True
