"""This module takes a call through the API: key, limits, parameters, idempotency, operation, answer."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.stripe import forms
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.expand import expand
from connectors.sandbox.stripe.keys import authenticate, masked, refuse_unless_allowed
from connectors.sandbox.stripe.printing import printed
from connectors.sandbox.stripe.showing import shown
from connectors.sandbox.stripe.state import API_VERSION, Caller

if TYPE_CHECKING:
    from starlette.requests import Request

    from connectors.sandbox.stripe.idempotency import Idempotency
    from connectors.sandbox.stripe.keys import ApiKey
    from connectors.sandbox.stripe.routes import Endpoint
    from connectors.sandbox.stripe.state import StripeState

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
# A 402 and a 5xx are answers of work that had begun, so their key keeps them.
KEPT_REFUSALS = frozenset({402, 500, 502, 503})


class Pipeline:
    """The way of every call of one service."""

    def __init__(self, state: StripeState, idempotency: Idempotency) -> None:
        self._state = state
        self._idempotency = idempotency

    def route(self, endpoint: Endpoint) -> Route:
        """Return the route that serves an endpoint."""

        async def serve(request: Request) -> Response:
            return await self._serve(endpoint, request)

        return Route(endpoint.path, serve, methods=[endpoint.method])

    async def unknown(self, request: Request, _: Exception) -> Response:
        """Answer for a path or method that the API does not have."""
        refusal = ApiError(
            404,
            f"Unrecognized request URL ({request.method}: {request.url.path}). Please see "
            "https://stripe.com/docs or "
            "we can help at https://support.stripe.com/.",
        )
        return self._refused(refusal, Caller(self._state, request_id=self._state.new_id("req")))

    async def _serve(self, endpoint: Endpoint, request: Request) -> Response:
        caller = Caller(self._state, request_id=self._state.new_id("req"))
        try:
            key = authenticate(request.headers.get("authorization", ""), self._state.keys)
            caller = self._caller(request, key, caller.request_id)
            self._refuse_the_hasty(key)
            refuse_unless_allowed(key, endpoint.resource, endpoint.level, account=self._state.account)
            self._refuse_the_locked(endpoint, _object_id(endpoint, request))
            # From the query of a GET or DELETE, from the body of a POST; the second API speaks JSON.
            encoded = await request.body() if endpoint.method == "POST" else request.scope["query_string"]
            second = endpoint.method == "POST" and endpoint.path.startswith("/v2/")
            raw = forms.parse_json(encoded) if second else forms.parse(encoded)
            if endpoint.method == "POST" and caller.idempotency_key:
                return await self._once(endpoint, request, caller, raw)
            body = await self._work(endpoint, request, caller, raw)
        except ApiError as refusal:
            return self._refused(refusal, caller)
        return self._answer(200, body, caller)

    def _caller(self, request: Request, key: ApiKey, request_id: str | None) -> Caller:
        version = request.headers.get("stripe-version", API_VERSION)
        if not VERSION.fullmatch(version):
            raise ApiError(400, f"Invalid Stripe API version: {version}")
        account = request.headers.get("stripe-account", self._state.account)
        if account != self._state.account:
            raise ApiError(
                403,
                f"The provided key '{masked(key.value)}' does not have access to account '{account}' (or "
                "that account "
                "does not exist). Application access may have been revoked.",
                code="account_invalid",
            )
        return Caller(
            self._state,
            livemode=key.livemode,
            request_id=request_id,
            idempotency_key=request.headers.get("idempotency-key"),
            version=version,
            second=int(self._state.now()),
        )

    def _refuse_the_hasty(self, key: ApiKey) -> None:
        limit = self._state.settings.rate_limit
        # By a clock of its own: moving the state's clock must not fill or empty the window.
        recent, now = self._state.recent[key.livemode], time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if limit and len(recent) >= limit:
            raise ApiError(
                429,
                "Request rate limit exceeded. You can learn more about rate limits here "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                headers={"stripe-rate-limited-reason": "global-rate", "retry-after": "1"},
            )
        recent.append(now)

    def _refuse_the_locked(self, endpoint: Endpoint, object_id: str) -> None:
        locked_until = self._state.locks.get(object_id, 0.0)
        if endpoint.method != "GET" and locked_until > self._state.now():
            raise ApiError(
                429,
                "This object cannot be accessed right now because another API request or Stripe process is "
                "currently "
                "accessing it. If you see this error intermittently, retry the request.",
                code="lock_timeout",
            )

    async def _once(
        self, endpoint: Endpoint, request: Request, caller: Caller, raw: dict[str, Any]
    ) -> Response:
        """Do the work for an idempotency key once, and answer as the first time ever after."""
        key, asked = caller.idempotency_key or "", (f"{request.method} {request.url.path}", raw)
        kept = self._idempotency.begin(caller.livemode, key, asked=asked, request_id=caller.request_id or "")
        if kept.status:
            replayed = self._answer(kept.status, kept.body, caller)
            replayed.headers["idempotent-replayed"] = "true"
            replayed.headers["original-request"] = kept.request_id
            return replayed
        answer: Response | None = None
        keep = False
        try:
            answer = self._answer(200, await self._work(endpoint, request, caller, raw), caller)
            keep = True
        except ApiError as refusal:
            answer = self._refused(refusal, caller)
            keep = refusal.executed or refusal.status in KEPT_REFUSALS
        finally:
            if keep and answer is not None:
                kept.status, kept.body = answer.status_code, bytes(answer.body)
            else:
                self._idempotency.forget(caller.livemode, key)
        return answer

    async def _work(self, endpoint: Endpoint, request: Request, caller: Caller, raw: dict[str, Any]) -> bytes:
        paths = forms.check({"expand": raw.pop("expand", "")}, {"expand": "strings"})["expand"]
        values = forms.check(raw, endpoint.spec)
        if endpoint.method != "GET" and self._state.settings.work_seconds:
            await asyncio.sleep(self._state.settings.work_seconds)
        result = expand(caller, endpoint.operation(caller, values, _object_id(endpoint, request)), paths)
        fault = request.scope.get("sandbox.fault")
        if fault is not None and fault.params.get("kept"):
            # The work is done, but even a repetition with the same key is told that it failed.
            raise ApiError(500, "An unknown error occurred", kind="api_error", executed=True)
        return printed(shown(self._state, caller.version, result))

    def _refused(self, refusal: ApiError, caller: Caller) -> Response:
        body = refusal.body(request_id=caller.request_id or "", livemode=caller.livemode, now=caller.now)
        answer = self._answer(refusal.status, printed(body), caller)
        answer.headers.update(refusal.headers)
        return answer

    def _answer(self, status: int, body: bytes, caller: Caller) -> Response:
        headers = {"request-id": caller.request_id or "", "stripe-version": caller.version}
        if caller.idempotency_key:
            headers["idempotency-key"] = caller.idempotency_key
        return Response(body, status_code=status, headers=headers, media_type="application/json")


def _object_id(endpoint: Endpoint, request: Request) -> str:
    """Return the id in the path, where a plus is a blank: Stripe's own SDKs write it so."""
    steps = endpoint.path.split("/")
    if "{id}" not in steps:
        return ""
    raw: bytes = request.scope["raw_path"]
    return unquote_plus(raw.split(b"/")[steps.index("{id}")].decode("ascii", "replace"))
