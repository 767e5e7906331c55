"""Each refusal of the event bus has its meaning, and its words for people."""

from __future__ import annotations

import grpc
import pytest

from connectors.salesforce.bus_address import NOWHERE
from connectors.salesforce.errors import Expired
from connectors.salesforce.pubsub import refusals
from connectors.salesforce.pubsub.hearing import SESSION_OVER
from connectors.salesforce.pubsub.refusals import PositionLost, failure_of
from flows.error_catalogue import RULES
from integrator.kernel import errors


class Refusal(grpc.RpcError):
    """A refusal as gRPC hands it out."""

    def __init__(self, status: grpc.StatusCode, code: str = "", details: str = "") -> None:
        self._status, self._details = status, details
        self._trailers = [("rpc-id", "rpc-1"), *([("error-code", refusals.PREFIX + code)] if code else [])]

    def code(self) -> grpc.StatusCode:
        return self._status

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> list[tuple[str, str]]:
        return self._trailers


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        pytest.param(
            Refusal(grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted"),
            PositionLost, "subscription.fetch.replayid.corrupted", id="the position is too old",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.INVALID_ARGUMENT, details="The Replay ID validation failed."),
            PositionLost, "subscription.fetch.replayid.corrupted", id="a proxy has dropped the trailers",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.INVALID_ARGUMENT, "topic.validation.empty", "Not a replay"),
            errors.Refused, "topic.validation.empty", id="another argument",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.PERMISSION_DENIED, "subscription.topic.cannot.subscribe"),
            errors.Forbidden, "subscription.topic.cannot.subscribe", id="no right to the topic",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.NOT_FOUND), errors.Missing, "topic.not.found", id="no such topic",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "subscription.limit.exceeded"),
            errors.RateLimited, "subscription.limit.exceeded", id="the allowance is spent",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.UNAVAILABLE), errors.Transient, "event_bus.unreachable", id="no network",
        ),
        pytest.param(
            Refusal(grpc.StatusCode.UNKNOWN, "some.new"), errors.Transient, "some.new", id="a stranger",
        ),
        pytest.param(grpc.RpcError(), errors.Transient, "event_bus.unreachable", id="without words"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_its_code(refusal, kind, code):
    failure = failure_of(refusal)

    assert type(failure) is kind
    assert failure.code == code


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error"),
        Refusal(grpc.StatusCode.UNAUTHENTICATED),
    ],
)
def test_a_session_that_is_over_is_replaced_and_no_failure(refusal):
    with pytest.raises(Expired):
        failure_of(refusal)


def test_every_code_is_explained_to_people():
    ours = {refusals.UNREACHABLE, refusals.REFUSED, refusals.POSITION_LOST, NOWHERE, SESSION_OVER}

    assert set(refusals.MEANING) | ours <= set(RULES)
