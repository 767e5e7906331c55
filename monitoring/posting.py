"""
This module sends mails, from the watching process only.

A mail is claimed in its row before it is sent, so that of two processes one sends it, and a process that
died in between leaves it to be sent later. A server that is down, slow or refusing costs this module's own
thread a deadline and nobody else anything; the mails wait, each with a back-off of its own.
"""

from __future__ import annotations

import smtplib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connection
from django.db.models import F
from django.utils import timezone

from integrator import vault
from integrator.kernel.redact import redact_text
from monitoring import outbox, recipients
from monitoring.mails import MINUTE, Item, Mail, Plan, about_many, about_one, plan
from monitoring.models import FAILURE_LENGTH, AlertDelivery, OutgoingMail, Posted

log = structlog.get_logger(__name__)

DEADLINE = 20.0  # seconds for one mail, from connecting to the last answer
CLAIM = timedelta(minutes=2)  # after which a mail whose sender died is due again
FIRST_BACKOFF, LONGEST_BACKOFF = timedelta(seconds=10), timedelta(minutes=15)
SERVER_RESTS = timedelta(seconds=5)  # doubles with every failure in a row, up to the longest
LONGEST_REST = timedelta(minutes=5)
PATIENCE = timedelta(days=3)  # after which a mail is given up
REFUSALS = 5  # final refusals of one address after which its mail is given up
AT_ONCE = 200  # rows of one pass

# What the server says about one mail or one address, and not about itself.
ABOUT_ONE = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
FINAL = 500  # replies from here on are final (https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1)


class TooSlow(Exception):
    """The server took the connection and did not take the mail in time."""

    def __init__(self) -> None:
        super().__init__("It does not answer in time.")


@dataclass(frozen=True, slots=True)
class _Letter:
    """One mail, and the rows that it settles."""

    recipient: str
    mail: Mail
    model: type[Posted]
    ids: tuple[int, ...]


@dataclass
class Post:
    """The way to the mail server, as one process goes it: it knows whether the server rests."""

    deadline: float = DEADLINE
    rests_until: datetime | None = None
    _failures: int = 0
    _late: list[threading.Thread] = field(default_factory=list)

    def deliver(self, *, now: datetime) -> int:
        """Send what is due, and return how many mails were sent."""
        if not recipients.mail_is_sent() or (self.rests_until is not None and now < self.rests_until):
            return 0
        self._late = [thread for thread in self._late if thread.is_alive()]
        if self._late:  # the server still thinks about an earlier one
            return 0
        sent = 0
        for letter in chain(_others(now), _about_alerts(now)):
            if not _claim(letter, now):
                continue
            failure = self._send(letter)
            if failure is None:
                sent += 1
                _settle(letter)
                self._failures, self.rests_until = 0, None
            else:
                _postpone(letter, failure, now)
                if not isinstance(failure, ABOUT_ONE):
                    self._rest(failure, now)
                    break
        return sent

    def _send(self, letter: _Letter) -> Exception | None:
        attempt = _Attempt(letter)
        thread = threading.Thread(target=attempt.run, name="mail", daemon=True)
        thread.start()
        thread.join(self.deadline)
        if attempt.abandon():
            self._late.append(thread)
            return TooSlow()
        return attempt.failure

    def _rest(self, failure: Exception, now: datetime) -> None:
        self.rests_until = now + min(LONGEST_REST, SERVER_RESTS * 2 ** min(self._failures, 10))
        self._failures += 1
        log.warning("mail.failed", error=type(failure).__name__, until=self.rests_until)


class _Attempt:
    """One try to send a mail. If it comes through after nobody waits for it any more, it says so itself."""

    def __init__(self, letter: _Letter) -> None:
        self.letter = letter
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._ended = self._abandoned = False

    def run(self) -> None:
        """Send it."""
        try:
            _transmit(self.letter)
        except Exception as failure:  # whatever it was, the mail waits and the reason is shown
            self.failure = failure
        with self._lock:
            self._ended = True
            late = self._abandoned
        if late and self.failure is None:
            try:
                _settle(self.letter)
            finally:
                connection.close()

    def abandon(self) -> bool:
        """Wait no longer, and tell whether it has not ended yet."""
        with self._lock:
            self._abandoned = not self._ended
            return self._abandoned


def _transmit(letter: _Letter) -> None:
    server = get_connection(settings.MAIL_BACKEND)
    message = EmailMessage(
        subject=letter.mail.subject,
        body=letter.mail.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[letter.recipient],
        # Nobody's holiday is to answer (https://www.rfc-editor.org/rfc/rfc3834#section-5).
        headers={"Auto-Submitted": "auto-generated"},
        connection=server,
    )
    try:
        message.send()
    finally:
        server.close()  # Django leaves it open where the server refuses us


# The rows


def _claim(letter: _Letter, now: datetime) -> bool:
    """Take the rows of `letter`, and tell whether they were still to be had."""
    rows = letter.model._default_manager.filter(Posted.WAITING, pk__in=letter.ids, due_at__lte=now)
    return bool(rows.update(due_at=now + CLAIM, attempts=F("attempts") + 1))


def _settle(letter: _Letter) -> None:
    done = {"sent_at": timezone.now(), "failure": ""}
    if letter.model is OutgoingMail:
        done["sealed"] = b""  # its link is of no use to anybody else
    letter.model._default_manager.filter(pk__in=letter.ids).update(**done)


def _postpone(letter: _Letter, failure: Exception, now: datetime) -> None:
    for row in letter.model._default_manager.filter(pk__in=letter.ids, sent_at__isnull=True):
        wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(row.attempts - 1, 10))
        row.due_at, row.failure = now + wait, _in_words(failure)
        hopeless = _is_final(failure) and row.attempts >= REFUSALS
        if hopeless or row.attempts * LONGEST_BACKOFF > PATIENCE:
            row.given_up_at = now
        row.save(update_fields=["due_at", "failure", "given_up_at"])


def _is_final(failure: Exception) -> bool:
    if isinstance(failure, vault.Unreadable):
        return True
    if isinstance(failure, smtplib.SMTPRecipientsRefused):
        return all(code >= FINAL for code, _ in failure.recipients.values())
    return isinstance(failure, smtplib.SMTPDataError) and failure.smtp_code >= FINAL


def _in_words(failure: Exception) -> str:
    """Return what went wrong, without secrets and in one line."""
    if isinstance(failure, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{code} {_text(reply)}" for code, reply in failure.recipients.values())
    elif isinstance(failure, smtplib.SMTPResponseException):
        said = f"{failure.smtp_code} {_text(failure.smtp_error)}"
    else:
        said = str(failure) or type(failure).__name__
    return redact_text(" ".join(said.split()))[:FAILURE_LENGTH]


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


# What is due


def _others(now: datetime) -> Iterator[_Letter]:
    due = OutgoingMail.objects.filter(Posted.WAITING, due_at__lte=now).order_by("due_at")[:AT_ONCE]
    for row in due:
        try:
            mail = outbox.unseal(row)
        except vault.Unreadable:
            OutgoingMail.objects.filter(pk=row.pk).update(given_up_at=now, failure="Its key is lost.")
            continue
        yield _Letter(row.recipient, mail, OutgoingMail, (row.pk,))


def _about_alerts(now: datetime) -> Iterator[_Letter]:
    due = AlertDelivery.objects.filter(Posted.WAITING, due_at__lte=now).order_by("id")[:AT_ONCE]
    by_person: dict[tuple[str, int], list[AlertDelivery]] = defaultdict(list)
    for row in due.select_related("alert__workspace", "alert__environment"):
        by_person[row.recipient, row.alert.workspace_id].append(row)
    for (recipient, _), rows in by_person.items():
        yield from _to_one(recipient, rows, now)


def _to_one(recipient: str, rows: Sequence[AlertDelivery], now: datetime) -> Iterator[_Letter]:
    workspace = rows[0].alert.workspace.name
    by_alert: dict[int, list[AlertDelivery]] = defaultdict(list)
    for row in rows:
        by_alert[row.alert_id].append(row)
    lately = AlertDelivery.objects.filter(recipient=recipient, sent_at__gt=now - MINUTE)
    match plan(waiting=len(by_alert), sent_lately=lately.values("sent_at").distinct().count()):
        case Plan.EACH:
            for mine in by_alert.values():
                yield _letter(recipient, mine, lambda items: about_one(items[0], workspace=workspace))
        case Plan.TOGETHER:
            yield _letter(recipient, rows, lambda items: about_many(items, workspace=workspace))


def _letter(recipient: str, rows: Iterable[AlertDelivery], word: Callable[[list[Item]], Mail]) -> _Letter:
    rows = list(rows)
    alerts = {row.alert_id: row for row in rows}
    mail = word([_item(row) for row in alerts.values()])
    return _Letter(recipient, mail, AlertDelivery, tuple(row.pk for row in rows))


def _item(row: AlertDelivery) -> Item:
    alert = row.alert
    return Item(
        title=alert.title,
        text=alert.text,
        address=settings.PUBLIC_URL + alert.link,
        where=f"{alert.workspace}, {alert.environment}" if alert.environment else str(alert.workspace),
        opened_at=alert.opened_at or alert.noticed_at,
        closed_at=alert.closed_at,
        critical=alert.severity == "critical",
    )
