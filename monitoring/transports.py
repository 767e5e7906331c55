"""This module sends one message by one channel, and says what the other side answered. It writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from connectors import announcing, hooks
from connectors.models import Connection
from integrator.kernel.errors import IntegrationError
from monitoring import wording
from monitoring.mails import Mail
from monitoring.wording import Message

MAIL_DEADLINE = 20.0  # seconds for one mail, from connecting to the last answer
# What may be true in a moment though the status says that the request is at fault.
PASSING = frozenset({408, 409, 423, 425, 429})
GONE = 410
JSON = {"Content-Type": "application/json; charset=utf-8"}


class NotSent(Exception):
    """It did not arrive. `final`: nor will it as it is; `retry_after`: seconds that the other side wants."""

    def __init__(self, said: str, *, final: bool = False, retry_after: int = 0) -> None:
        super().__init__(said)
        self.final, self.retry_after = final, retry_after


@dataclass(frozen=True, slots=True)
class Way:
    """A channel with its secrets, read before anything is sent, so that sending needs no database."""

    kind: str
    addresses: Sequence[str] = ()
    url: str = field(default="", repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    connection: Connection | None = None
    event: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def send(way: Way, message: Message, *, reached: list[str], now: datetime) -> str:
    """
    Send `message` and return what was answered.

    :param reached: the addresses that have it already; those that get it now are added
    :raises NotSent: with what was answered, or why nothing was
    """
    match way.kind:
        case "email":
            return _mail(way, message, reached)
        case "slack":
            return _post(way.url, wording.slack(message), JSON)
        case "webhook":
            body = wording.webhook(message)
            proof = wording.signed(body, id=message.id, now=now, secrets=way.secrets)
            return _post(way.url, body, {**JSON, **proof})
        case _:
            return _publish(way, message)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    try:
        answer = hooks.post(url, body, headers)
    except hooks.NotPosted as failure:
        raise NotSent(str(failure)) from failure
    said = f"{answer.status} {answer.said}".strip()
    if 200 <= answer.status < 300:
        return said
    final = 300 <= answer.status < 500 and answer.status not in PASSING
    raise NotSent(f"It answered {said}", final=final, retry_after=answer.retry_after)


def _publish(way: Way, message: Message) -> str:
    if way.connection is None:
        raise NotSent("It has no connection.", final=True)
    try:
        id = announcing.publish(
            way.connection, event=way.event, values=wording.event_values(message, way.fields)
        )
    except IntegrationError as failure:
        raise NotSent(str(failure)) from failure
    return f"Published as {id}" if id else "Published"


# Mail


def _mail(way: Way, message: Message, reached: list[str]) -> str:
    if settings.MAIL_BACKEND == "django.core.mail.backends.dummy.EmailBackend":
        raise NotSent("No mail server is configured: whoever runs this installation can set EMAIL_URL.")
    mail = wording.mail(message)
    for address in way.addresses:
        if address not in reached:
            try:
                _within(MAIL_DEADLINE, lambda to=address: _transmit(mail, to))  # type: ignore[misc]
            except Exception as failure:
                raise NotSent(
                    f"{address}: {' '.join(str(failure).split()) or type(failure).__name__}"
                ) from failure
            reached.append(address)
    return f"Taken by the mail server for {', '.join(reached)}"


def _transmit(mail: Mail, to: str) -> None:
    EmailMessage(
        subject=mail.subject,
        body=mail.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[to],
        # Nobody's holiday is to answer (https://www.rfc-editor.org/rfc/rfc3834#section-5).
        headers={"Auto-Submitted": "auto-generated"},
        connection=get_connection(settings.MAIL_BACKEND),
    ).send()


def _within(seconds: float, do: Callable[[], None]) -> None:
    """Do something that may hang, and wait for it no longer than `seconds`."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            do()
        except Exception as failure:  # told by whoever waits
            failures.append(failure)

    thread = threading.Thread(target=run, name="channel-mail", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise NotSent("The mail server does not answer in time.")
    if failures:
        raise failures[0]
