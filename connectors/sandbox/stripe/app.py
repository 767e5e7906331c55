"""This module puts the simulated Stripe together as one ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from connectors.sandbox.control import Control
from connectors.sandbox.faults import FaultMenu
from connectors.sandbox.faulty import FaultyApp
from connectors.sandbox.journal import Journal
from connectors.sandbox.stripe.buyer_levers import BuyerLevers
from connectors.sandbox.stripe.deliveries import Deliveries
from connectors.sandbox.stripe.idempotency import Idempotency
from connectors.sandbox.stripe.levers import Levers
from connectors.sandbox.stripe.pipeline import Pipeline
from connectors.sandbox.stripe.routes import ENDPOINTS
from connectors.sandbox.stripe.scenario import Scenario
from connectors.sandbox.stripe.state import ACCOUNT, DEFAULT_KEYS, StripeState
from connectors.sandbox.stripe.thin_events import ThinEvents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


def create(
    *,
    account: str = ACCOUNT,
    keys: Iterable[str] = DEFAULT_KEYS,
    settle_in: str = "usd",
    seed: int | None = None,
    latency: float = 0.0,
) -> FaultyApp:
    """Return the application; its server must run the lifespan, or nothing is delivered."""
    return create_around(
        StripeState(account=account, keys=keys, settle_in=settle_in, seed=seed), FaultMenu(latency=latency)
    )


def create_around(state: StripeState, faults: FaultMenu) -> FaultyApp:
    """Return the application around a state that the caller may look into."""
    journal = Journal()
    idempotency = Idempotency(state.now)
    deliveries = Deliveries(state)
    state.listeners.append(ThinEvents(state, deliveries).follow)
    scenario = Scenario(state)
    pipeline = Pipeline(state, idempotency)

    async def reset() -> None:
        await scenario.stop()
        state.reset()
        deliveries.reset()
        idempotency.clear()
        scenario.expected.clear()

    def summary() -> dict[str, Any]:
        return {
            "account": state.account,
            "now": state.now(),
            "clock_offset": state.clock_offset,
            "counts": {name: len(store) for name, store in state.stores().items()},
            "idempotency_keys": len(idempotency),
            "waiting": len(state.agenda),
            "deliveries": dict(deliveries.counts),
        }

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        agenda = asyncio.create_task(state.agenda.run())
        yield
        await scenario.stop()
        agenda.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await agenda
        await deliveries.stop()

    routes = [
        *Control(faults, journal, reset, summary).routes(),
        *Levers(state, deliveries, scenario).routes(),
        *BuyerLevers(state).routes(),
        *(pipeline.route(endpoint) for endpoint in ENDPOINTS),
    ]
    unknown = {404: pipeline.unknown, 405: pipeline.unknown}
    return FaultyApp(Starlette(routes=routes, lifespan=lifespan, exception_handlers=unknown), faults, journal)
