"""This module sends one message by one channel, and says what the other side answered. It writes nothing."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from connectors import announcing, hooks, outbound
from connectors.models import Connection
from integrator.kernel.errors import IntegrationError
from monitoring import wording
from monitoring.mails import Mail
from monitoring.wording import Message

MAIL_DEADLINE = 20.0  # seconds for one mail, from connecting to the last answer
LEAST = 5.0  # seconds that have to be left for another mail to be begun
MOST_LATE = 500  # mails whose outcome is waited for after their deadline
# What may be true in a moment though the status says that the request is at fault.
PASSING = frozenset({408, 409, 423, 425, 429})
REFUSED_FOR_GOOD = 500  # replies from here on (https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1)
JSON = {"Content-Type": "application/json; charset=utf-8"}


class NotSent(Exception):
    """It did not arrive. `final`: nor will it as it is; `retry_after`: seconds that the other side wants."""

    def __init__(self, said: str, *, final: bool = False, retry_after: int = 0) -> None:
        super().__init__(said)
        self.final, self.retry_after = final, retry_after


class OutOfTime(Exception):
    """The time of this pass is over before all addresses had it; the next pass goes on."""


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
    :raises OutOfTime: if addresses are left for which there was no time
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
    """Mail each address that has it not yet; one that is refused keeps it from none behind it."""
    if settings.MAIL_BACKEND == "django.core.mail.backends.dummy.EmailBackend":
        raise NotSent("No mail server is configured: whoever runs this installation can set EMAIL_URL.")
    mail = wording.mail(message)
    refused: list[str] = []
    final = True
    for address in [one for one in way.addresses if one not in reached]:
        if outbound.seconds_left() < LEAST:
            raise OutOfTime
        try:
            _within(
                min(MAIL_DEADLINE, outbound.seconds_left()),
                partial(_transmit, mail, address, message.id),
                about=(message.id, address),
            )
        except smtplib.SMTPRecipientsRefused as failure:
            replies = list(failure.recipients.values())
            final = final and all(code >= REFUSED_FOR_GOOD for code, _ in replies)
            refused.append(f"{address}: {'; '.join(_in_words(*reply) for reply in replies)}")
        except Exception as failure:
            raise NotSent(
                f"{address}: {' '.join(str(failure).split()) or type(failure).__name__}"
            ) from failure
        else:
            reached.append(address)
    if refused and not (reached and final):
        raise NotSent("; ".join(refused), final=final)
    taken = f"Taken by the mail server for {', '.join(reached)}"
    return f"Refused for {'; '.join(refused)}. {taken}" if refused else taken


def _in_words(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(text.split())}"


def _transmit(mail: Mail, to: str, id: str) -> None:
    sender = settings.DEFAULT_FROM_EMAIL
    EmailMessage(
        subject=mail.subject,
        body=mail.body,
        from_email=sender,
        to=[to],
        headers={
            # Nobody's holiday is to answer (https://www.rfc-editor.org/rfc/rfc3834#section-5).
            "Auto-Submitted": "auto-generated",
            # The same however often it is sent, so that mail programs show a second one once.
            "Message-ID": f"<{id}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>",
        },
        connection=get_connection(settings.MAIL_BACKEND),
    ).send()


class _Attempt(threading.Thread):
    """Something that is done while somebody waits, perhaps no longer than until it is late."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__(name="channel-mail", daemon=True)
        self.failure: Exception | None = None
        self._do = do

    def run(self) -> None:
        """Do it."""
        try:
            self._do()
        except Exception as failure:  # told by whoever waits
            self.failure = failure


# Mails that were late, by message and address: a server that is slow but takes them is sent none twice.
_late: dict[tuple[str, str], _Attempt] = {}


def _within(seconds: float, do: Callable[[], None], *, about: tuple[str, str]) -> None:
    """Do something that may hang, and wait for it no longer than `seconds`; if it was late, go on waiting."""
    attempt = _late.pop(about, None)
    if attempt is None:
        attempt = _Attempt(do)
        attempt.start()
    attempt.join(seconds)
    if attempt.is_alive():
        while len(_late) >= MOST_LATE:
            _late.pop(next(iter(_late)))
        _late[about] = attempt
        raise NotSent("The mail server does not answer in time.")
    if attempt.failure is not None:
        raise attempt.failure
