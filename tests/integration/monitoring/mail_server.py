"""This module is a real SMTP server on loopback for tests: it takes mails, refuses them, or is slow."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

HOST = "127.0.0.1"


class Letterbox:
    """What an SMTP server has taken, and what it answers."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.refused: set[str] = set()
        self.answer = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802  # the library's name
        """Take or refuse a recipient."""
        if address in self.refused:
            return "550 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # as above
        """Take a mail."""
        if self.answer.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=policy.default)
            self.mails += [(address, mail) for address in envelope.rcpt_tos]
        return self.answer

    def subjects(self) -> list[str]:
        """Return what the mails are about, in order."""
        return [str(mail["Subject"]) for _, mail in self.mails]


@contextmanager
def listening(letterbox: Letterbox, port: int, **options: Any) -> Iterator[None]:
    """Run the server on `port`; `options` are those of the library's servers."""
    server = Controller(letterbox, hostname=HOST, port=port, **options)
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextmanager
def dripping(port: int, answers: threading.Event) -> Iterator[None]:
    """Run a server that takes connections and says nothing until `answers` is set, and then hangs up."""
    with socket.create_server((HOST, port)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            server.settimeout(0.05)
            while not answers.is_set():
                try:
                    taken.append(server.accept()[0])
                except TimeoutError:
                    continue
            for one in taken:
                one.close()

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield
        finally:
            answers.set()
            thread.join()
