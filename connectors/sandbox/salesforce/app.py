"""This module puts the simulated Salesforce org together as an ASGI application."""

from __future__ import annotations

import contextlib
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.sandbox.control import Control
from connectors.sandbox.faults import FaultMenu
from connectors.sandbox.faulty import CONTROL, FaultyApp
from connectors.sandbox.journal import Journal
from connectors.sandbox.salesforce.api import Api
from connectors.sandbox.salesforce.bus_control import BusControl
from connectors.sandbox.salesforce.effect_control import EffectControl
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.org_control import OrgControl
from connectors.sandbox.salesforce.pubsub.server import Server
from connectors.sandbox.salesforce.pubsub.service import Service
from connectors.sandbox.salesforce.sales_control import SalesControl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class FlightRecorder:
    """
    An ASGI application around everything that notes when each call came in and when its answer was out.

    It stands outside the fault menu, so that a slow or a lost answer counts as still on its way.
    """

    def __init__(self, app: ASGIApp, org: Org) -> None:
        self.app = app
        self.org = org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        flight = self.org.history.take_off()
        scope["sandbox.flight"] = flight
        out = Outbound(send, self.org)
        try:
            await self.app(scope, receive, out.send)
        finally:
            flight.abandoned = not out.complete
            flight.answered = time.perf_counter()


class Outbound:
    """The way out of an answer: it dates it, and notes whether the client stayed to the last byte."""

    def __init__(self, send: Send, org: Org) -> None:
        self._send = send
        self._org = org
        self._cycle: Any = getattr(send, "__self__", None)
        self.transport: Any = getattr(self._cycle, "transport", None)  # where faults look for it
        self.complete = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start" and self._org.skew:
            self._date(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.complete = self.transport is None or not self.transport.is_closing()
        await self._send(message)

    def _date(self, message: Message) -> None:
        """
        Put the date of the org's clock in place of the server's.

        ASGI has no word for that; uvicorn keeps the headers that it adds on the object behind `send`.
        """
        added = getattr(self._cycle, "default_headers", [])
        self._cycle.default_headers = [header for header in added if header[0].lower() != b"date"]
        date = formatdate(self._org.time(), usegmt=True).encode("ascii")
        message["headers"] = [*message.get("headers", []), (b"date", date)]


def create(
    *,
    base_url: str = "",
    org_number: int = 1,
    name: str = "Sandbox Ltd",
    seed: int = 1,
    latency: float = 0.0,
    bare: bool = False,
    pubsub_port: int = 0,
) -> ASGIApp:
    """
    Return the application of one org; a `bare` one is as it was before the integration's package came.

    `base_url` is the My Domain address that assertions must be made for; left empty, it is whatever address
    a call is made to. The Pub/Sub API listens on a port of its own while the application's lifespan runs.
    """
    org = Org(base_url=base_url, org_number=org_number, name=name, bare=bare)
    faults, journal = FaultMenu(seed=seed, latency=latency), Journal()

    async def reset() -> None:
        org.reset()

    def state() -> dict[str, Any]:
        return org.as_json()

    control = Control(faults=faults, journal=journal, reset=reset, state=state)
    service = Service(org)
    pubsub = Server(service, pubsub_port)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        pubsub.start()
        try:
            yield
        finally:
            pubsub.stop()

    controls = (OrgControl(org), EffectControl(org), SalesControl(org), BusControl(org, service, pubsub))
    own = [route for each in controls for route in each.routes()]
    inner = Starlette(routes=[*control.routes(), *own, Mount("/", app=Api(org))], lifespan=lifespan)
    return FlightRecorder(FaultyApp(inner, faults, journal), org)
