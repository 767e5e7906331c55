"""
This module words what channels are sent, and signs it. It is pure.

Whatever people or other systems have written is text and nothing else there: Slack's own signs are escaped
(https://docs.slack.dev/messaging/formatting-message-text), nobody is called by it, and no link but ours
works.
Signed webhooks are as https://www.standardwebhooks.com has them, so that receivers need no code of ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from monitoring.mails import Item, Mail
from monitoring.mails import about as mail_about
from monitoring.words import counted

PREFIX = "whsec_"
SECRET_BYTES = 32
MOST_BLOCKS = 20  # alerts that a message of Slack tells one by one; it takes 50 blocks
FEW = 5  # alerts that its notification names
LONGEST_TEXT, LONGEST_TITLE = 2800, 250  # Slack takes 3,000 characters in a section
MARKS = {"critical": "Critical", "warning": "Warning", "info": "Information"}
NEWS = {
    "again": "More of it",
    "over": "Over",
    "escalated": "Nobody has acknowledged this",
    "repeated": "Still nobody has acknowledged this",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is told: `alerts` as plain data, as they were when the message was made."""

    id: str
    at: datetime
    workspace: str
    alerts: Sequence[Mapping[str, Any]]
    test: bool = False
    digest: bool = False

    HEADLINE: ClassVar[str] = "This is a test"

    @property
    def type(self) -> str:
        """What the message says, as programs read it."""
        if self.test:
            return "alert.test"
        said = {str(one["news"]) for one in self.alerts}
        return f"alert.{said.pop()}" if len(said) == 1 else "alert.several"

    @property
    def subject(self) -> str:
        """What the message says, in one line."""
        if self.test:
            return f"{self.HEADLINE}: alerts of {self.workspace} arrive here"
        if len(self.alerts) == 1:
            return line(_titled(self.alerts[0]))
        going_on = sum(one["news"] != "over" for one in self.alerts)
        return counted(going_on, "alert") if going_on else f"{counted(len(self.alerts), 'alert')} are over"


def _titled(alert: Mapping[str, Any]) -> str:
    news = NEWS.get(str(alert["news"]), "")
    return f"{news}: {alert['title']}" if news else str(alert["title"])


def line(text: str) -> str:
    """Return `text` as one line that can be printed."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


# Slack, and what understands its incoming webhooks


def inert(text: str) -> str:
    """Return `text` so that it calls nobody and links to nothing, in Slack and in what reads Markdown."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    apart = "\N{ZERO WIDTH SPACE}"
    return escaped.replace("@", f"@{apart}").replace("](", f"]{apart}(").replace("://", f":{apart}//")


def slack(message: Message) -> bytes:
    """Return the body for an incoming webhook: plain text in blocks, and the same for what has no blocks."""
    told = [] if message.test else list(message.alerts)
    blocks = [] if len(told) == 1 else [_plain(message.subject)]
    for alert in told[:MOST_BLOCKS]:
        blocks += [_plain(_in_full(alert)), _marked(_links(alert))]
    if len(told) > MOST_BLOCKS:
        blocks.append(_plain(f"And {len(told) - MOST_BLOCKS:,} more."))
    lines = [f"{inert(line(_titled(one))[:LONGEST_TITLE])} {one['url']}" for one in told[:FEW]]
    body = {
        "text": "\n".join(lines if len(told) == 1 else [inert(message.subject), *lines])[:LONGEST_TEXT],
        "blocks": blocks,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _plain(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text[:LONGEST_TEXT], "emoji": False}}


def _marked(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text[:LONGEST_TEXT]}]}


def _in_full(alert: Mapping[str, Any]) -> str:
    head = f"{MARKS.get(str(alert['severity']), '')}: {line(_titled(alert))[:LONGEST_TITLE]}"
    return head if alert["news"] == "over" else f"{head}\n{str(alert['text']).strip()}"


def _links(alert: Mapping[str, Any]) -> str:
    where = inert(line(str(alert["where"])))
    links = f"<{alert['url']}|Open>"
    if alert["news"] != "over":
        links += f" · <{alert['acknowledge_url']}|Acknowledge>"
    return f"{where} · {links}"


# Signed webhooks


def webhook(message: Message) -> bytes:
    """Return the body of a signed webhook; the same message has the same body whenever it is sent."""
    body = {
        "type": message.type,
        "timestamp": message.at.isoformat(),
        "data": {
            "workspace": message.workspace,
            "digest": message.digest,
            "alerts": [dict(alert) for alert in message.alerts],
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signed(body: bytes, *, id: str, now: datetime, secrets: Iterable[str]) -> dict[str, str]:
    """
    Return the headers that prove `body`, with one signature for each of `secrets` (`whsec_` and base64).

    :raises ValueError: if one of the secrets is not base64
    """
    moment = str(int(now.timestamp()))
    content = b".".join((id.encode(), moment.encode(), body))
    signatures = [
        base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)


# Mail


def mail(message: Message) -> Mail:
    """Return the mail that tells `message`."""
    return mail_about(
        [] if message.test else [_item(alert) for alert in message.alerts],
        workspace=message.workspace,
        subject=message.subject,
        why=f"You get this because an alert rule of {line(message.workspace)} in Integrator names this "
        "address.\nAn administrator of the workspace can change that on the page of alert channels.",
    )


def _item(alert: Mapping[str, Any]) -> Item:
    closed = alert["closed_at"]
    news = NEWS.get(str(alert["news"]), "") if alert["news"] not in ("over", "again") else ""
    return Item(
        title=f"{news}: {alert['title']}" if news else str(alert["title"]),
        text=str(alert["text"]),
        address=str(alert["url"]),
        where=str(alert["where"]),
        opened_at=datetime.fromisoformat(str(alert["opened_at"])),
        closed_at=datetime.fromisoformat(str(closed)) if closed and alert["news"] == "over" else None,
        critical=alert["severity"] == "critical",
        acknowledge_address=str(alert["acknowledge_url"]) if alert["news"] != "over" else "",
    )


# Salesforce


def event_values(message: Message, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a platform event: what `fields` name, each cut to the 255 characters of a text."""
    first = message.alerts[0] if len(message.alerts) == 1 else {}
    texts = [f"{line(_titled(one))}: {str(one['text']).strip()}" for one in message.alerts]
    given = {
        "id": message.id,
        "title": message.subject,
        "text": str(first.get("text", "")) or "\n".join(texts) or message.subject,
        "severity": _worst(message.alerts),
        "kind": str(first.get("kind", "several" if message.alerts else "test")),
        "link": str(first.get("url", message.alerts[0]["url"] if message.alerts else "")),
    }
    return {name: given[part][:255] for part, name in fields.items() if name and part in given}


def _worst(alerts: Sequence[Mapping[str, Any]]) -> str:
    found = {str(one["severity"]) for one in alerts}
    return next((one for one in ("critical", "warning", "info") if one in found), "info")
