"""
This module looks whether what Stripe refused as done already is as the flow wanted it, and goes on if it is.

What a refusal says is not believed: the object is read. A refund of a part is not among it: nobody can say
that a refund which somebody else made was meant to be this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flows import error_catalogue
from flows.engine.kind import Answer
from flows.engine.outcome import Done
from flows.engine.ports import EffectResult, Intent, Params, Ports
from integrator.kernel.errors import IntegrationError, Refused

REFUNDED = "charge_already_refunded"
NOTE = "Stripe refused it as done already. It was read there, and it is as it should be"


class Look(NamedTuple):
    """A reading call, and what its answer has to say for the work to be done."""

    action: str
    request: Params
    holds: Callable[[Mapping[str, Any]], bool]


def settled(intent: Intent, result: EffectResult, ports: Ports) -> Answer | None:
    """Return what the step comes to if `result` refuses what is done already; None if it does not."""
    if not isinstance(result, Refused):
        return None
    look = _look(intent, result)
    if look is None:
        return None
    (answer,) = ports.call_many(intent.slot, look.action, [look.request])
    if isinstance(answer, IntegrationError) or not look.holds(answer):
        return None
    output = {"already": True, "before": True, "id": answer.get("id") or intent.record}
    return Done(output, effect="applied", seen=intent.request, notes=[NOTE])


def _look(intent: Intent, failure: IntegrationError) -> Look | None:
    told = error_catalogue.classify("stripe", failure.http_status, failure.code, str(failure))
    if told.action != "close_as_done":
        return None
    if intent.look_up is not None and intent.look_up[0] == "reached":
        return Look("reached", intent.look_up[1], lambda _: True)
    params = intent.request.get("params") or {}
    whole = intent.request.get("type") == "refund" and "amount" not in params
    if failure.code != REFUNDED or not whole:
        return None
    if charge := params.get("charge"):
        return Look("retrieve", {"type": "charge", "id": charge}, lambda told: _is_refunded(told["object"]))
    if payment := params.get("payment_intent"):
        request = {"type": "payment_intent", "id": payment, "expand": ["latest_charge"]}
        return Look("retrieve", request, lambda told: _is_refunded(told["object"].get("latest_charge")))
    return None


def _is_refunded(charge: object) -> bool:
    """Tell whether nothing of the charge is left, by what Stripe says of it."""
    return isinstance(charge, Mapping) and charge.get("refunded") is True


def answers(
    intents: Sequence[Intent], results: Sequence[EffectResult], ports: Ports
) -> list[EffectResult | Answer]:
    """Return `results`, with those settled that were refused since they are done already."""
    return [settled(intent, result, ports) or result for intent, result in zip(intents, results, strict=True)]
