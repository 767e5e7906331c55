"""This module sets up structured logs: one JSON object a line, with secrets masked."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import structlog

from integrator import telemetry
from integrator.kernel.redact import redact

_PLAIN = (str, bytes, bool, int, float, type(None))
# Whatever could end a line, move the cursor or turn the direction of reading, on a terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHOWN_ON_LINES = frozenset({"exception", "stack"})


def bind(**values: Any) -> AbstractContextManager[None]:
    """
    Put `values` into every log line that is written within the block, by this thread or task.

    Used as `with logs.bind(run=run.public_id):`. What a batch binds for all of its runs ends with the batch.
    """
    return structlog.contextvars.bound_contextvars(**values)


def mask_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """
    Mask whatever looks like a key, a token or a card number in any value of a log line.

    What is no plain data is turned into text first, so that nothing turns up behind the mask.
    """
    masked: MutableMapping[str, Any] = redact(_plain(event))
    return masked


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _ if isinstance(value, _PLAIN):
            return value
        case _:
            return repr(value) if isinstance(value, BaseException) else str(value)


def traced(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the ids of the open trace and span into a log line, where traces are told."""
    event.update(telemetry.ids())
    return event


def inert(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what a terminal would obey; only a traceback may take several lines. JSON escapes by itself."""
    return {key: value if key in _SHOWN_ON_LINES else _escaped(value) for key, value in event.items()}


def _escaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


def configure(*, level: str, plain: bool, process: str = "") -> None:
    """
    Send every log line, ours and the libraries', through one formatter to standard error.

    `process` is the part that this process plays; what ends it is logged as well, its traceback masked.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        traced,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, plain=plain, process=process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    # At DEBUG it writes out everything that a page was made of.
    logging.getLogger("django.template").setLevel(logging.INFO)
    if not plain:
        sys.excepthook = _log_the_end


def _formatter(shared: list[Any], *, plain: bool, process: str) -> logging.Formatter:
    def named(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "process": event.get("process", process)} if process else event

    console = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    ending: list[Any] = [inert, console] if plain else [structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        # The mask comes last of all, so that no library and no step brings anything in behind it.
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            named,
            mask_secrets,
            *ending,
        ],
    )


def _log_the_end(kind: type[BaseException], failure: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, failure, trace)
        return
    structlog.get_logger(__name__).critical("process.failed", exc_info=(kind, failure, trace))
