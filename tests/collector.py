"""
This module is an OTLP collector over HTTP in a process of its own, with the messages of opentelemetry-proto.

`python -m tests.collector PORT FILE PAUSE` answers like a real one, after PAUSE seconds, and appends what it
got to FILE: a line of JSON for each span.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATH = "/v1/traces"  # https://opentelemetry.io/docs/specs/otlp/#otlphttp-request


def spans_of(body: bytes) -> list[dict[str, Any]]:
    """Return the spans of an export request, each with the attributes of its resource."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415  # an extra

    request = ExportTraceServiceRequest.FromString(body)
    return [
        {
            "name": span.name,
            "trace": span.trace_id.hex(),
            "id": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "began": span.start_time_unix_nano,
            "ended": span.end_time_unix_nano,
            "status": span.status.message,
            "events": [event.name for event in span.events],
            "attributes": {one.key: _plain(one.value) for one in span.attributes},
            "resource": {one.key: _plain(one.value) for one in resource.resource.attributes},
        }
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def held_beside(file: Path) -> Path:
    """Return the file that is there once a sender has been kept waiting."""
    return file.with_suffix(".held")


def serve(port: int, file: Path, pause: float) -> None:
    """Take spans until the process is ended; that somebody was kept waiting is told by a file beside them."""
    held = held_beside(file)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if pause:
                held.touch()
                time.sleep(pause)
            lines = "".join(json.dumps(span) + "\n" for span in spans_of(body))
            with file.open("a") as kept:
                kept.write(lines)
            self.send_response(200 if self.path == PATH else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
