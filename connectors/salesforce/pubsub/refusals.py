"""
This module translates what the Pub/Sub API refuses into our failures.

The API's own code decides, which stands in the trailers, and the status of gRPC where there is none: that is
a proxy's answer, or that of our own end. Source of the codes:
https://developer.salesforce.com/docs/platform/pub-sub-api/guide/handling-errors.html
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc

from connectors.salesforce.errors import Expired
from integrator.kernel import errors, texts
from integrator.kernel.redact import redact_text

PREFIX = "sfdc.platform.eventbus.grpc."
LONGEST_MESSAGE = 300

# The position lies before what Salesforce still keeps, or is none of its own.
POSITION_LOST = "subscription.fetch.replayid.corrupted"
_POSITIONS = frozenset({POSITION_LOST, "subscription.fetch.replayid.validation.failed"})
_SESSIONS = frozenset({"service.auth.error", "service.auth.headers.invalid"})

UNREACHABLE = "event_bus.unreachable"
REFUSED = "event_bus.refused"

MEANING: dict[str, type[errors.IntegrationError]] = {
    "service.tenant.license": errors.Forbidden,
    "topic.meta.permission": errors.Forbidden,
    "topic.not.found": errors.Missing,
    "topic.notfound": errors.Missing,
    "topic.validation.empty": errors.Refused,
    "schema.meta.permission": errors.Forbidden,
    "subscription.topic.cannot.subscribe": errors.Forbidden,
    "subscription.limit.exceeded": errors.RateLimited,
    "concurrent.client.limit.exceeded": errors.Transient,
    "service.unavailable": errors.Transient,
    "service.protection.triggered": errors.Transient,
    "service.protection.stream.limit.triggered": errors.Transient,
    "topic.api.unavailable": errors.Transient,
    "schema.api.unavailable": errors.Transient,
    "subscription.internal.error": errors.Transient,
    "subscription.fetch.overflow": errors.Transient,  # a stream that begins anew counts from nothing
    "subscription.fetch.replay.repeated": errors.Transient,
}
BY_STATUS: dict[grpc.StatusCode, tuple[type[errors.IntegrationError], str]] = {
    grpc.StatusCode.PERMISSION_DENIED: (errors.Forbidden, "topic.meta.permission"),
    grpc.StatusCode.NOT_FOUND: (errors.Missing, "topic.not.found"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (errors.Transient, "concurrent.client.limit.exceeded"),
    grpc.StatusCode.INVALID_ARGUMENT: (errors.Refused, REFUSED),
    grpc.StatusCode.UNIMPLEMENTED: (errors.Refused, REFUSED),
    grpc.StatusCode.FAILED_PRECONDITION: (errors.Refused, REFUSED),
}


class PositionLost(errors.Refused):
    """Salesforce does not keep any more what came after the position, so events may be missing."""


def failure_of(refusal: grpc.RpcError) -> errors.IntegrationError:
    """
    Return the failure that an answer of the API means.

    :raises Expired: if it means that a new session is needed
    """
    status, details = _status(refusal), str(_called(refusal, "details") or "")
    trailers = _texts(_called(refusal, "trailing_metadata") or ())
    code = trailers.get("error-code", "").strip().removeprefix(PREFIX)
    if code in _SESSIONS or (not code and status is grpc.StatusCode.UNAUTHENTICATED):
        raise Expired
    said = _shortened(details)
    request_id = texts.storable(trailers.get("rpc-id", ""), texts.LONGEST_REQUEST_ID)
    if code in _POSITIONS or (not code and _is_position(status, details)):
        return PositionLost(said or "The position is not known.", code=POSITION_LOST, request_id=request_id)
    kind, known = BY_STATUS.get(status, (errors.Transient, UNREACHABLE))
    kind = MEANING.get(code, kind)
    named = texts.storable(code or known, texts.LONGEST_CODE)
    if named == UNREACHABLE:
        said = f"Salesforce's event bus could not be reached ({status.name.lower()})."
    return kind(said or named, code=named, request_id=request_id)


def _is_position(status: grpc.StatusCode, details: str) -> bool:
    # A proxy may drop the trailers; to go on with a position that is refused would be to ask for ever.
    return status is grpc.StatusCode.INVALID_ARGUMENT and "replay" in details.lower()


def _status(refusal: grpc.RpcError) -> grpc.StatusCode:
    status = _called(refusal, "code")
    return status if isinstance(status, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _called(refusal: grpc.RpcError, name: str) -> object:
    """Return what a refusal tells; gRPC's class of errors promises none of it."""
    method = getattr(refusal, name, None)
    return method() if callable(method) else None


def _texts(metadata: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in metadata if isinstance(metadata, Iterable) else ():
        key, value = entry[0], entry[1]
        found[str(key).lower()] = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return found


def _shortened(text: str) -> str:
    safe = redact_text(" ".join(texts.storable(text).split()))
    return safe if len(safe) <= LONGEST_MESSAGE else safe[:LONGEST_MESSAGE] + "…"
