"""This module names our requests to Stripe, so that events which they cause can be told from others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

_OURS = "integrator-"


def key_of(name: str) -> str:
    """Return the idempotency key of the request that is called `name`; the same name is the same request."""
    return f"{_OURS}{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_ours(event: Mapping[str, Any]) -> bool:
    """
    Tell whether a request of ours has caused `event`, whose `request` names the idempotency key it had.

    https://docs.stripe.com/api/events/object
    """
    request = event.get("request")
    key = request.get("idempotency_key") if isinstance(request, Mapping) else None
    return isinstance(key, str) and key.startswith(_OURS)
