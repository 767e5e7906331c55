"""This module holds the hands of the tests of trials: documents, pasted events, and trying them."""

from __future__ import annotations

import json
from typing import Any

from flows.models import Pair
from flows.trials.occasions import of_pasted
from flows.trials.results import Trial
from flows.trials.running import ready, try_out
from tests.builders import NOON
from tests.integration.flows.given import a_charge


def a_document(
    *steps: dict[str, Any], types: tuple[str, ...] = ("charge.succeeded",), **more: Any
) -> dict[str, Any]:
    """Return a flow document of `steps`; `more` belongs to its trigger."""
    trigger = {"kind": "stripe.event", "types": list(types), **more}
    return {"format": 1, "name": "Tried", "trigger": trigger, "steps": list(steps)}


def pasted(kind: str = "charge.succeeded", **charge: Any) -> str:
    """Return an event about a charge, as somebody would paste it."""
    about = a_charge(**charge)
    return json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "created": int(NOON.timestamp()),
            "data": {"object": about},
        }
    )


def trial(*steps: dict[str, Any], body: str = "", pair: Pair | None = None, **how: Any) -> Trial:
    """Return what trying `steps` on a pasted event came to."""
    occasion = of_pasted(body or pasted(), now=NOON)
    return try_out(ready(a_document(*steps)), occasion, pair=pair, at=NOON, **how).trial
