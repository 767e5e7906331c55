"""This module holds how the Pub/Sub API refuses a call: with a status, and with a code in the trailers."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

PREFIX = "sfdc.platform.eventbus.grpc."
BAD, MISSING, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
)
# Salesforce lists the codes; where it does not say which status goes with one, this is the fitting one.
# https://developer.salesforce.com/docs/platform/pub-sub-api/guide/handling-errors.html
STATUSES: dict[str, grpc.StatusCode] = {
    "concurrent.client.limit.exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "publish.event.count.invalid": BAD,
    "publish.topic.mismatch": BAD,
    "schema.meta.permission": MISSING,
    "schema.validation.failed": BAD,
    "service.auth.error": grpc.StatusCode.UNAUTHENTICATED,
    "service.auth.headers.invalid": grpc.StatusCode.UNAUTHENTICATED,
    "service.unavailable": grpc.StatusCode.UNAVAILABLE,
    "subscription.fetch.replayid.corrupted": BAD,
    "subscription.fetch.replayid.validation.failed": BAD,
    "subscription.fetch.requested.events.invalid": BAD,
    "subscription.fetch.topic.mismatch": BAD,
    "subscription.topic.cannot.subscribe": DENIED,
    "topic.meta.permission": DENIED,
    "topic.not.found": MISSING,
    "topic.validation.empty": BAD,
}


class Unserved(Exception):
    """A call ends with a refusal: `code` is what stands in the trailers, without its prefix."""

    def __init__(self, code: str, message: str, status: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or STATUSES[code]

    def end(self, context: Any, rpc_id: str) -> NoReturn:
        """
        End the call with this refusal.

        :raises Exception: always; gRPC takes it for the end of the call
        """
        context.set_trailing_metadata((("error-code", PREFIX + self.code), ("rpc-id", rpc_id)))
        context.abort(self.status, f"{self} rpcId: {rpc_id}")
        raise AssertionError("abort raises")


def replay_id_refused() -> Unserved:
    """Return the refusal of a replay id that is corrupt or outside the retention: both are told alike."""
    message = "The Replay ID validation failed. Ensure that the Replay ID is valid."
    return Unserved("subscription.fetch.replayid.corrupted", message)


def unavailable() -> Unserved:
    """Return the refusal of a service that is going away for a while."""
    return Unserved("service.unavailable", "The Pub/Sub API service is unavailable.")
