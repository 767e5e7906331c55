"""This module serves the control endpoints that play a buyer on a checkout page, and the bank in disputes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import checkout_payment, disputes, payment_links
from connectors.sandbox.stripe.checkout_payment import Buyer
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.levers import routes_of
from connectors.sandbox.stripe.state import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import Route

    from connectors.sandbox.stripe.state import StripeState
    from connectors.sandbox.stripe.stores import Store


@dataclass(frozen=True, slots=True)
class BuyerLevers:
    """What people do outside the API: they pay on Stripe's pages, and their banks decide."""

    state: StripeState

    def routes(self) -> list[Route]:
        """Return the routes."""
        return routes_of(
            (
                ("POST", "checkout/sessions/{id}/pay", self._pay),
                ("POST", "payment_links/{id}/pay", self._follow),
                ("POST", "disputes/{id}/decide", self._decide),
            )
        )

    async def _pay(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        session, caller = self._find(self.state.checkout_sessions, request)

        def pay(buyer: Buyer) -> dict[str, Any]:
            checkout_payment.complete(caller, session, buyer)
            return session

        return _bought(pay, data)

    async def _follow(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        link, caller = self._find(self.state.payment_links, request)
        return _bought(lambda buyer: payment_links.follow(caller, link, buyer), data)

    async def _decide(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        dispute, caller = self._find(self.state.disputes, request)
        disputes.decide(caller, dispute, status=str(data["status"]))
        return {"id": dispute["id"], "status": dispute["status"]}

    def _find(self, store: Store, request: Request) -> tuple[dict[str, Any], Caller]:
        """
        Return the object that the path names, and Stripe itself in the mode of the object.

        :raises ValueError: if there is none
        """
        found = store.get(request.path_params["id"])
        if found is None:
            raise ValueError(f"No such {store.noun}")
        return found, Caller(self.state, livemode=found["livemode"])


def _bought(pay: Callable[[Buyer], dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a purchase by a `card` (a test token) and what the buyer typed in."""
    typed = {name: str(data[name]) for name in ("card", "email", "name") if name in data}
    buyer = Buyer(**typed, passed=bool(data.get("passed", True)))
    try:
        session = pay(buyer)
    except ApiError as refusal:
        if refusal.status != 402:
            raise
        return {"status": "open", "payment_status": "unpaid", "declined": str(refusal)}
    names = ("id", "customer", "invoice", "payment_intent", "payment_status", "status", "subscription")
    return {name: session[name] for name in names}
