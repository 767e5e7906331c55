"""This module simulates payouts as far as they can be asked for: all money stays in the balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.lists import PAGE, page

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = {**PAGE, "arrival_date": "range", "created": "range", "destination": "id", "status": "id"}
NOTHING: Spec = {}


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the payout.

    :raises ApiError: 404
    """
    return caller.find(caller.state.payouts, object_id)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of payouts."""
    return page(caller, caller.state.payouts, values, url="/v1/payouts", equal=("destination", "status"))
