"""This module says how old the state is that was read from Stripe."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flows.engine.item import Source

# Stripe's clock has whole seconds and its replicas lag a little: a state that was read is at least as new
# as its request less this, and no newer than its answer and that.
BEFORE = timedelta(seconds=2)
AFTER = timedelta(seconds=1)


def source_of(answer: Mapping[str, Any]) -> Source:
    """Return where the `object` in the answer of a reading comes from, and when it was the truth."""
    return Source(
        id=answer["object"]["id"],
        not_before=datetime.fromisoformat(answer["requested_at"]) - BEFORE,
        not_after=datetime.fromisoformat(answer["answered_at"]) + AFTER,
        fetched=True,
    )
