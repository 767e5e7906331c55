"""This module serves the control endpoints under `/_sandbox/` that every simulated service has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.sandbox.faults import fault_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from connectors.sandbox.faults import FaultMenu
    from connectors.sandbox.journal import Journal


@dataclass(frozen=True, slots=True)
class Control:
    """What the control endpoints of one service may touch."""

    faults: FaultMenu
    journal: Journal
    reset: Callable[[], Awaitable[None]]  # empties the service's own state
    state: Callable[[], dict[str, Any]]  # a summary, or the whole, of the service's own state

    def routes(self) -> list[Route]:
        """Return the routes; mount them in the inner application, since `FaultyApp` lets their paths pass."""
        return [
            Route("/_sandbox/reset", self._reset, methods=["POST"]),
            Route("/_sandbox/journal", self._list_calls, methods=["GET"]),
            Route("/_sandbox/counts", self._counts, methods=["GET"]),
            Route("/_sandbox/state", self._state, methods=["GET"]),
            Route("/_sandbox/faults", self._add_fault, methods=["POST"]),
            Route("/_sandbox/faults", self._list_faults, methods=["GET"]),
            Route("/_sandbox/faults", self._clear_faults, methods=["DELETE"]),
            Route("/_sandbox/latency", self._latency, methods=["POST"]),
        ]

    async def _reset(self, request: Request) -> Response:
        try:
            seed = int((await body_of(request)).get("seed", 1))
        except (ValueError, TypeError) as reason:
            return refusal(str(reason))
        await self.reset()
        self.faults.clear(seed=seed)
        self.faults.latency = 0.0
        self.journal.clear()
        return JSONResponse({"reset": True})

    async def _list_calls(self, request: Request) -> Response:
        query = request.query_params
        try:
            calls = self.journal.calls(
                path=query.get("path", ""),
                method=query.get("method", ""),
                since=int(query.get("since", 0)),
                limit=max(0, int(query.get("limit", 1000))),
            )
        except (re.error, ValueError) as reason:
            return refusal(str(reason))
        return JSONResponse({"calls": [call.as_json() for call in calls]})

    async def _counts(self, request: Request) -> Response:
        return JSONResponse(self.journal.counts())

    async def _state(self, request: Request) -> Response:
        return JSONResponse(self.state())

    async def _add_fault(self, request: Request) -> Response:
        try:
            fault = fault_from(await body_of(request))
        except (ValueError, TypeError) as reason:
            return refusal(str(reason))
        return JSONResponse(self.faults.add(fault).as_json(), status_code=201)

    async def _list_faults(self, request: Request) -> Response:
        return JSONResponse({"faults": [fault.as_json() for fault in self.faults.all()]})

    async def _clear_faults(self, request: Request) -> Response:
        self.faults.clear()
        return JSONResponse({"faults": []})

    async def _latency(self, request: Request) -> Response:
        try:
            self.faults.latency = max(0.0, float((await body_of(request)).get("seconds", 0)))
        except (ValueError, TypeError) as reason:
            return refusal(str(reason))
        return JSONResponse({"seconds": self.faults.latency})


async def body_of(request: Request) -> dict[str, Any]:
    """
    Return the JSON object that a control request carries, empty if it carries nothing.

    :raises ValueError: if it is not a JSON object
    """
    raw = await request.body()
    data = json.loads(raw) if raw.strip() else {}
    if not isinstance(data, dict):
        raise ValueError("The body must be a JSON object")
    return data


def refusal(reason: str) -> JSONResponse:
    """Return the 400 of a control endpoint."""
    return JSONResponse({"error": reason}, status_code=400)
