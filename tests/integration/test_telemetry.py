"""Traces: what is told to OpenTelemetry, what never is, and that nothing is while nobody asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import gateway
from flows import runner
from flows.endpoints import Endpoint, Secret
from flows.receiver import Receiver
from integrator import logs, telemetry
from tests.builders import a_connection, a_pair
from tests.integration.flows.given import a_live_flow, a_worker, an_event
from tests.receiving import SECRET, signed
from tests.receiving import an_event as a_delivery

pytest.importorskip("opentelemetry.sdk", reason="the extra requirements/otel.txt is not installed")

PRIVATE = "jenny.rosen@example.com"


@pytest.fixture
def told() -> Iterator[Any]:
    """Collect spans in memory."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # an extra
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415  # as above

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.use(provider)
    yield exporter
    telemetry.use(None)
    provider.shutdown()


def spans(told: Any) -> dict[str, Any]:
    return {one.name: one for one in told.get_finished_spans()}


def test_a_pass_of_a_worker_tells_of_its_runs_by_their_ids(db: None, told: Any) -> None:
    live = a_live_flow(a_pair())
    event = an_event(live.pair.stripe, {"id": "ch_1", "object": "charge", "receipt_email": PRIVATE})

    while runner.work(a_worker(), lambda: True):
        pass

    found = spans(told)
    run, tick = found["run"], found["tick"]
    assert run.attributes["integrator.events"] == (event.external_id,)
    assert run.attributes["integrator.runs"] == (event.runs.get().public_id,)
    assert run.parent.span_id in {
        one.context.span_id for one in told.get_finished_spans() if one.name == "tick"
    }
    assert tick.attributes["integrator.handled"] > 0
    assert PRIVATE not in str([one.to_json() for one in told.get_finished_spans()])


def test_a_pass_that_finds_nothing_is_not_told(db: None, told: Any) -> None:
    runner.work(a_worker(), lambda: True)

    assert spans(told) == {}


def test_a_call_is_told_with_how_many_of_its_requests_failed(transactional_db: None, told: Any) -> None:
    crm = a_connection("salesforce")
    gateway.call_many(connection_id=crm.pk, action="upsert", requests=[{"object": PRIVATE}, {}])

    call = spans(told)["call"]
    assert dict(call.attributes) == {
        "integrator.action": "upsert", "integrator.connection": crm.public_id, "integrator.requests": 2,
        "integrator.failed": 2,
    }  # fmt: skip


class Committing:
    """A committer and endpoints that need no database."""

    def ready(self) -> bool:
        return True

    def offer(self, arrival: Any) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def remembered(self, public_id: str) -> Endpoint:
        return Endpoint(7, (Secret(1, SECRET.encode(), None),))

    def used(self, secret: Secret, *, now: float) -> None:
        return


def test_a_webhook_is_told_with_the_id_of_its_event_and_nothing_of_its_content(told: Any) -> None:
    body = a_delivery(9, email=PRIVATE)
    headers = [(b"content-type", b"application/json"), (b"stripe-signature", signed(body).encode())]
    scope = {"path": "/hooks/stripe/abc/", "method": "POST", "headers": headers}
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        answers.append(message)

    both: Any = Committing()
    for asked in (scope, scope | {"headers": []}):  # what a stranger sends is refused, and not told of
        asyncio.run(Receiver(committer=both, endpoints=both)(asked, receive, send))

    assert len(told.get_finished_spans()) == 1
    span = spans(told)["webhook"]
    assert answers[0]["status"] == 200
    assert dict(span.attributes) == {"integrator.event": "evt_9", "integrator.connection": 7}


def test_log_lines_carry_the_trace_and_a_failure_only_its_name(told: Any) -> None:
    lines: list[Any] = []

    def work() -> None:
        with telemetry.span("work", count=1):
            lines.append(logs.traced(None, "info", {"event": "x"}))
            raise ValueError(PRIVATE)

    with pytest.raises(ValueError, match="jenny"):
        work()

    span = spans(told)["work"]
    assert lines[0]["trace_id"] == f"{span.context.trace_id:032x}"
    assert span.status.description == "ValueError"
    assert PRIVATE not in span.to_json()
    assert logs.traced(None, "info", {"event": "x"}) == {"event": "x"}


def test_traces_that_cannot_be_begun_or_sent_fail_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    assert telemetry.configure(endpoint="http://127.0.0.1:9/v1/traces")
    with telemetry.span("work"):
        pass
    assert not telemetry.is_on()

    class Exporter:
        sent = 0

        def export(self, spans: Any) -> None:
            self.sent += 1

    exporter = Exporter()
    sender = telemetry._Sender(exporter)
    sender.export([])
    monkeypatch.setattr(telemetry, "LAST_SENDINGS", -1.0)
    sender.hurry()
    sender.export([])
    assert exporter.sent == 1


def test_while_it_is_off_a_span_is_nothing_and_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert telemetry.configure(endpoint="") is False
    assert telemetry.span("a") is telemetry.span("b")
    assert not telemetry.is_on()

    monkeypatch.setattr(telemetry, "_is_installed", lambda: False)
    assert telemetry.configure(endpoint="http://127.0.0.1:4318/v1/traces") is False
    assert not telemetry.is_on()
