"""This module sets channels and rules up for tests, and listens as Slack or a program would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integrator.accounts.models import Workspace
from monitoring import channels, rules
from monitoring.models import AlertChannel, AlertRule
from monitoring.rules import GivenStep
from tests.builders import NOON, a_workspace


@dataclass
class Heard:
    """A server on loopback that keeps what is posted to it; `answers` come in turn, the last for ever."""

    address: str = ""
    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "ok")])
    posts: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    def answer(self) -> tuple[int, str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def a_listener() -> Iterator[Heard]:
    """Listen until the test is over."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, said = heard.answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    heard.address = f"http://127.0.0.1:{server.server_address[1]}/hook/secret-part"
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def subjects(heard: Heard) -> list[str]:
    """Return the titles of what was posted, message by message."""
    return [
        ", ".join(alert["title"] for alert in json.loads(body)["data"]["alerts"]) for _, body in heard.posts
    ]


def a_channel(
    name: str = "Pager", kind: str = "webhook", workspace: Workspace | None = None, **given: Any
) -> AlertChannel:
    """Return a channel that posts nowhere unless `url` says so."""
    said: dict[str, Any] = {"name": name, "url": "https://hooks.example.com/x"} | given
    channel, _ = channels.add(
        workspace=workspace or a_workspace(), kind=kind, given=channels.Given(**said), actor="ada", now=NOON
    )
    return channel


def a_rule(*steps: AlertChannel | tuple[AlertChannel, int], name: str = "All", **given: Any) -> AlertRule:
    """Return a rule that tells each channel at once, or after the minutes that are given with it."""
    wanted = [GivenStep(*one) if isinstance(one, tuple) else GivenStep(one) for one in steps]
    return rules.add(
        workspace=wanted[0].channel.workspace,
        given=rules.Given(name=name, steps=wanted, **given),
        actor="ada",
        now=NOON,
    )


def a_channel_with_a_rule(workspace: Workspace) -> tuple[AlertChannel, AlertRule]:
    """Return a channel and the rule that tells it."""
    channel = a_channel(workspace=workspace)
    return channel, a_rule(channel)
