"""This module is both simulated systems as connectors, so that the real gateway speaks to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from connectors.base import Account, Action, Connector, Diagnosis, Identity, Params, Result
from connectors.salesforce.actions import Salesforce
from connectors.stripe.actions import Stripe as RealStripe
from integrator.kernel.errors import Missing, Transient
from tests.simulation.hub import Hub, moment
from tests.simulation.org import Org
from tests.simulation.stripe import Stripe, answer_times

ACCOUNT = "acct_test"
ORG = "00D000000000001AAA"


class SimulatedStripe(Connector):
    """The truth, as the actions of the real connector show it."""

    slug: ClassVar[str] = "stripe"
    label: ClassVar[str] = "Stripe"
    actions: ClassVar[Mapping[str, Action]] = RealStripe.actions

    def __init__(self, hub: Hub, stripe: Stripe) -> None:
        self._hub = hub
        self._stripe = stripe

    def perform(
        self, account: Account, action: str, requests: Sequence[Params], *, deadline: float
    ) -> list[Result]:
        """Answer each request, or none of them."""
        hub = self._hub
        hub.step(f"stripe {action}", longest=deadline)
        asked = hub.seconds
        if hub.dice.chance(hub.faults.failed_read):
            hub.sleep(hub.dice.random())
            return [Transient("Stripe did not answer", code="timeout") for _ in requests]
        answer: Callable[[Params, float], Result] = getattr(self, f"_{action}")
        found = [answer(request, asked) for request in requests]
        hub.sleep(hub.dice.random())
        hub.step(f"stripe answers {action}", longest=deadline)
        times = answer_times(asked, hub.seconds)
        return [one if isinstance(one, Exception) else {**one, **times} for one in found]

    def _retrieve(self, request: Params, asked: float) -> Result:
        found = self._stripe.read(request["id"], asked)
        return Missing("There is no such payment") if found is None else {"object": found}

    def _account(self, request: Params, asked: float) -> Result:
        return {"object": {"id": ACCOUNT, "object": "account"}}

    def _list(self, request: Params, asked: float) -> Result:
        if request["type"] != "event":
            return self._page(request, self._objects(request["type"], asked))
        since = request["params"]["created"]["gte"] - int(moment(0).timestamp())
        listed = [event.payload for event in self._stripe.listed(since)]
        listed.reverse()
        return self._page(request, listed)

    def _objects(self, kind: str, asked: float) -> list[dict[str, Any]]:
        """Return the charges or the payment intents as they are listed, newest first."""
        found = [self._stripe.read(name, asked) for name in reversed(self._stripe.payments)]
        intents = [intent for intent in found if intent is not None]
        if kind == "charge":
            return [intent["latest_charge"] for intent in intents]
        return [{**intent, "latest_charge": intent["latest_charge"]["id"]} for intent in intents]

    def _page(self, request: Params, listed: Sequence[dict[str, Any]]) -> Result:
        after = request.get("starting_after")
        begin = next((n + 1 for n, event in enumerate(listed) if event["id"] == after), 0)
        # Short pages, so that a walk can break off between two.
        page = listed[begin : begin + 2]
        return {"objects": page, "has_more": begin + 2 < len(listed)}

    def identity(self, account: Account, *, deadline: float) -> Identity:
        """Return the account that the connection is pinned to."""
        return Identity(ACCOUNT, livemode=False)

    def test(self, account: Account) -> Diagnosis:
        """Say that all is well."""
        return Diagnosis(ok=True, title="It answers")


class SimulatedSalesforce(Connector):
    """The org, as the actions of the real connector show it."""

    slug: ClassVar[str] = "salesforce"
    label: ClassVar[str] = "Salesforce"
    actions: ClassVar[Mapping[str, Action]] = Salesforce.actions

    def __init__(self, org: Org, before: Callable[[str, Sequence[Params]], None]) -> None:
        """`before` is told of each call."""
        self._org = org
        self._before = before

    def perform(
        self, account: Account, action: str, requests: Sequence[Params], *, deadline: float
    ) -> list[Result]:
        """Have the org carry it out."""
        self._before(action, requests)
        return self._org.call(action, requests)

    def identity(self, account: Account, *, deadline: float) -> Identity:
        """Return the org that the connection is pinned to."""
        return Identity(ORG, livemode=False)

    def test(self, account: Account) -> Diagnosis:
        """Say that all is well."""
        return Diagnosis(ok=True, title="It answers")
