"""
This module takes in the mails that pages send, so that no request ever waits for a mail server.

It is Django's mail backend where a mail server is configured: a mail becomes a sealed row, committed with
the act that it belongs to, and `monitoring.posting` sends it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from integrator import vault
from monitoring.mails import Mail
from monitoring.models import OutgoingMail


class Outbox(BaseEmailBackend):
    """Keeps mails until they are sent. The product writes plain text; an attachment is refused."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """
        Keep each message for each of its recipients, and return how many messages there were.

        :raises ValueError: if a message has attachments, which would be lost
        """
        now = timezone.now()
        rows = []
        for message in email_messages:
            if message.attachments:
                raise ValueError("The outbox keeps text only.")
            rows += [
                OutgoingMail(
                    recipient=address, due_at=now, created_at=now, sealed=seal(message, recipient=address)
                )
                for address in message.recipients()
            ]
        OutgoingMail.objects.bulk_create(rows)
        return len(email_messages)


def seal(message: EmailMessage, *, recipient: str) -> bytes:
    """Return subject and text of `message`, readable only together with whom they are for."""
    said = {"subject": str(message.subject), "body": str(message.body)}
    return vault.seal(json.dumps(said).encode(), owner=owner_of(recipient))


def unseal(mail: OutgoingMail) -> Mail:
    """
    Return what `mail` says.

    :raises vault.Unreadable: if its key is lost, or it was sealed for somebody else
    """
    said = json.loads(vault.unseal(mail.sealed, owner=owner_of(mail.recipient)))
    return Mail(subject=said["subject"], body=said["body"])


def owner_of(recipient: str) -> str:
    """Return whom a sealed mail belongs to."""
    return f"mail:{recipient}"
