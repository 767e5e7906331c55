"""
This module tells OpenTelemetry what the product does: a webhook taken in, a pass of a worker, runs, calls.

It is an extra (`requirements/otel.txt`) and off unless INTEGRATOR_TRACES_ENDPOINT says where to. While it is
off, a span is one object that does nothing. Spans carry ids, numbers and names of ours: never a body, a
person, an address or the text of an error, which may quote any of them. Figures stay with Prometheus.
"""

from __future__ import annotations

import atexit
import importlib.util
import math
import os
import threading
import time
from types import TracebackType
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)

MOST_IDS = 50  # of one span
_LIBRARY = "opentelemetry.exporter.otlp.proto.http"


class Span(Protocol):
    """What is told of one piece of work, as a context: its time is that of the block."""

    def __enter__(self) -> Span:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with the name of what was raised."""

    def note(self, **attributes: Any) -> None:
        """Tell more of it: numbers, names and ids of ours."""

    def drop(self) -> None:
        """Tell nothing of it: there was nothing to do."""


class _Nothing:
    __slots__ = ()

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *raised: object) -> None:
        return

    def note(self, **attributes: Any) -> None:
        return

    def drop(self) -> None:
        return


_NOTHING = _Nothing()
SENDING = 3  # seconds for one sending
LAST_SENDINGS = 1.0  # seconds within which the last ones begin, once the process ends
_wanted: tuple[str, float, str] | None = None
_tracer: Any = None
_beginning = threading.Lock()


def configure(*, endpoint: str, sample: float = 1.0, process: str = "") -> bool:
    """
    Send spans to `endpoint` (OTLP over HTTP) from now on, and return whether that can be; empty: send none.

    `sample` is the part of all traces that is sent, from 0 to 1; what is no number sends all. Nothing is
    loaded before the first span, so that workers that are forked have a sender of their own.
    """
    global _wanted, _tracer  # noqa: PLW0603  # one process speaks to one collector
    _wanted, _tracer = None, None
    if not endpoint:
        return False
    if not _is_installed():
        log.warning("traces.not_sent", reason="install requirements/otel.txt")
        return False
    _wanted = (endpoint, 1.0 if math.isnan(sample) else min(max(sample, 0.0), 1.0), process)
    return True


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec(_LIBRARY) is not None
    except ModuleNotFoundError:
        return False


def use(provider: Any) -> None:
    """Give spans to a tracer provider that is made already; None: to none."""
    global _tracer, _wanted  # as above
    _wanted, _tracer = None, None if provider is None else provider.get_tracer("integrator")


def is_on() -> bool:
    """Tell whether spans are told to anybody, for whatever costs something to gather."""
    return _tracer is not None or _wanted is not None


def span(name: str, **attributes: Any) -> Span:
    """Return a span for the block that it is entered with, below the span that is open here if one is."""
    if _tracer is None:
        if _wanted is None:
            return _NOTHING
        _begin_once()
    tracer = _tracer
    return _NOTHING if tracer is None else _Live(tracer, name, attributes)


def ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the open span, as log lines carry them; empty without one."""
    if _tracer is None:
        return {}
    from opentelemetry import trace  # noqa: PLC0415  # an extra

    here = trace.get_current_span().get_span_context()
    if not here.is_valid:
        return {}
    return {"trace_id": f"{here.trace_id:032x}", "span_id": f"{here.span_id:016x}"}


def _begin_once() -> None:
    """Begin, whichever thread comes first. What cannot be begun is told once, and never fails the work."""
    global _wanted  # noqa: PLW0603  # as above
    with _beginning:
        if _tracer is not None or _wanted is None:
            return
        wanted = _wanted
        try:
            _begin(*wanted)
        except Exception as failure:  # a wrong OTEL_ variable, an extra that does not fit
            _wanted = None
            log.warning("traces.not_sent", error=type(failure).__name__, exc_info=failure)


def _forked() -> None:
    global _beginning  # noqa: PLW0603  # another thread of the parent may have held it
    _beginning = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def _begin(endpoint: str, sample: float, process: str) -> None:
    """Make the tracer of this process, which sends in the background."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415  # as above

    resource = Resource.create({"service.name": "integrator", "process.role": process or "command"})
    sender: Any = _Sender(OTLPSpanExporter(endpoint=endpoint, timeout=SENDING))
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(sample)), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(sender))
    atexit.register(provider.shutdown)
    atexit.register(sender.hurry)  # which is called first
    use(provider)


class _Sender:
    """An exporter whose last sendings hold the end of a process up for some seconds at most."""

    def __init__(self, exporter: Any) -> None:
        self._exporter, self._ends_at = exporter, float("inf")

    def hurry(self) -> None:
        self._ends_at = time.monotonic() + LAST_SENDINGS

    def export(self, spans: Any) -> Any:
        return self._exporter.export(spans) if time.monotonic() < self._ends_at else None

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Live:
    """A span that is told."""

    __slots__ = ("_dropped", "_span", "_token")

    def __init__(self, tracer: Any, name: str, attributes: dict[str, Any]) -> None:
        self._span = tracer.start_span(
            name, attributes=_named(attributes), record_exception=False, set_status_on_exception=False
        )
        self._dropped = False
        self._token: Any = None

    def __enter__(self) -> _Live:
        from opentelemetry import context, trace  # noqa: PLC0415  # an extra

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        from opentelemetry import context  # noqa: PLC0415  # an extra
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # as above

        context.detach(self._token)
        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
        if not self._dropped:
            self._span.end()

    def note(self, **attributes: Any) -> None:
        self._span.set_attributes(_named(attributes))

    def drop(self) -> None:
        self._dropped = True


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        f"integrator.{name}": list(value)[:MOST_IDS] if isinstance(value, list | tuple) else value
        for name, value in attributes.items()
    }
