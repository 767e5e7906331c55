"""This module serves the control endpoints that only the simulated Stripe has, such as delivery and clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.sandbox.control import body_of, refusal
from connectors.sandbox.stripe import confirmation, disputes, refunds, webhook_endpoints
from connectors.sandbox.stripe.deliveries import manner_from
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.keys import key_from
from connectors.sandbox.stripe.state import Caller, Occurrence, Settings, emit, wants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from connectors.sandbox.stripe.deliveries import Deliveries
    from connectors.sandbox.stripe.scenario import Scenario
    from connectors.sandbox.stripe.state import StripeState

    Lever = Callable[[Request, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Levers:
    """What a test or the demo may do that no customer of Stripe could."""

    state: StripeState
    deliveries: Deliveries
    scenario: Scenario

    def routes(self) -> list[Route]:
        """Return the routes."""
        table: list[tuple[str, str, Lever]] = [
            ("GET", "delivery", self._manner),
            ("POST", "delivery", self._set_manner),
            ("GET", "deliveries", self._list_deliveries),
            ("GET", "settings", self._settings),
            ("POST", "settings", self._set_settings),
            ("POST", "keys", self._add_key),
            ("DELETE", "keys/{key}", self._remove_key),
            ("POST", "clock", self._move_clock),
            ("POST", "locks", self._lock),
            ("POST", "events", self._emit),
            ("POST", "events/{id}/resend", self._resend),
            ("POST", "webhook_endpoints/{id}/roll", self._roll),
            ("POST", "payment_intents/{id}/authenticate", self._authenticate),
            ("POST", "refunds/{id}/fail", self._fail_refund),
            ("POST", "charges/{id}/dispute", self._dispute),
            ("POST", "charges/bulk", self._bulk),
            ("GET", "scenario", self._scenario),
            ("POST", "scenario", self._start_scenario),
            ("DELETE", "scenario", self._stop_scenario),
        ]
        return routes_of(table)

    async def _manner(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        return asdict(self.deliveries.manner)

    async def _set_manner(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        self.deliveries.use(manner_from(data, self.deliveries.manner))
        return asdict(self.deliveries.manner)

    async def _list_deliveries(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        wanted = request.query_params.get("event", "")
        limit = max(1, int(request.query_params.get("limit", 1000)))
        attempts = [attempt for attempt in self.deliveries.attempts if wanted in {"", attempt.event}]
        return {
            "counts": dict(self.deliveries.counts),
            "under_way": self.deliveries.under_way,
            "waiting": len(self.state.agenda),
            "attempts": [asdict(attempt) for attempt in attempts[-limit:]],
        }

    async def _settings(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        return asdict(self.state.settings)

    async def _set_settings(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        # TypeError for a name that the settings do not have
        merged = Settings(**{**asdict(self.state.settings), **data})
        if not all(isinstance(value, int | float) and value >= 0 for value in asdict(merged).values()):
            raise ValueError("Every setting is a number from 0")
        self.state.settings = merged
        return asdict(merged)

    async def _add_key(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        key = key_from(str(data["key"]), data.get("permissions", {}))
        key.expired = bool(data.get("expired"))
        self.state.keys[key.value] = key
        return asdict(key)

    async def _remove_key(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        return {"removed": self.state.keys.pop(request.path_params["key"], None) is not None}

    async def _move_clock(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        self.state.clock_offset = float(data["offset"])
        self.state.agenda.wake()
        return {"offset": self.state.clock_offset, "now": self.state.now()}

    async def _lock(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        self.state.locks[str(data["id"])] = until = self.state.now() + float(data["seconds"])
        return {"id": data["id"], "until": until}

    async def _emit(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        caller = Caller(self.state, livemode=bool(data.get("livemode")))
        occurrence = Occurrence(str(data["type"]), dict(data["object"]), data.get("previous_attributes"))
        return {"id": emit(caller, occurrence)["id"]}

    async def _resend(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        event = self.state.events.get(request.path_params["id"])
        if event is None:
            raise ValueError("No such event")
        for endpoint in self.state.webhook_endpoints:
            if wants(endpoint, event["type"], event["livemode"]):
                self.deliveries.resend(event, endpoint["id"])
        return {"id": event["id"]}

    async def _roll(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        endpoint_id = request.path_params["id"]
        if self.state.webhook_endpoints.get(endpoint_id) is None:
            raise ValueError("No such webhook endpoint")
        overlap = float(data.get("overlap_seconds", 0))
        return {"secret": webhook_endpoints.roll(Caller(self.state), endpoint_id, overlap=overlap)}

    async def _authenticate(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        intent = self.state.payment_intents.get(request.path_params["id"])
        if intent is None:
            raise ValueError("No such payment intent")
        caller = Caller(self.state, livemode=intent["livemode"])
        confirmation.authenticate(caller, intent, passed=bool(data.get("passed", True)))
        return {"id": intent["id"], "status": intent["status"]}

    async def _fail_refund(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        refund = self.state.refunds.get(request.path_params["id"])
        if refund is None:
            raise ValueError("No such refund")
        refunds.fail(Caller(self.state, livemode=refund["livemode"]), refund)
        return {"id": refund["id"], "status": refund["status"]}

    async def _dispute(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        charge = self.state.charges.get(request.path_params["id"])
        if charge is None:
            raise ValueError("No such charge")
        caller = Caller(self.state, livemode=charge["livemode"])
        reason, inquiry = str(data.get("reason", "fraudulent")), bool(data.get("inquiry"))
        return {"id": disputes.open_dispute(caller, charge, reason=reason, inquiry=inquiry)["id"]}

    async def _bulk(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        made = self.scenario.bulk(
            seed=int(data.get("seed", 1)),
            count=int(data["count"]),
            spread_seconds=float(data.get("spread_seconds", 0)),
            deliver=bool(data.get("deliver")),
        )
        return {"made": len(made), "expected": [asdict(item) for item in made]}

    async def _scenario(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        return self.scenario.as_json(since=int(request.query_params.get("since", 0)))

    async def _start_scenario(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        count, rate = data.get("count", 20), data.get("rate_per_second", 2)
        self.scenario.start(
            name=str(data.get("name", "payments")),
            seed=int(data.get("seed", 1)),
            count=None if count is None else int(count),
            rate_per_second=None if rate is None else float(rate),
            live=bool(data.get("livemode")),
        )
        return self.scenario.as_json()

    async def _stop_scenario(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        await self.scenario.stop()
        return self.scenario.as_json()


def routes_of(table: Iterable[tuple[str, str, Lever]]) -> list[Route]:
    """Return the routes of levers, each told by its method and its path below `/_sandbox/`."""
    return [Route(f"/_sandbox/{path}", _guarded(lever), methods=[method]) for method, path, lever in table]


def _guarded(lever: Lever) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            return JSONResponse(await lever(request, await body_of(request)))
        except KeyError as name:
            return refusal(f"{name} is missing")
        except (ValueError, TypeError, ApiError) as reason:
            return refusal(str(reason))

    return serve
