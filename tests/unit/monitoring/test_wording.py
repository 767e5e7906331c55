"""What channels are sent: hostile texts stay texts, and a webhook proves that it is ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from monitoring import wording
from monitoring.wording import Message
from tests.builders import NOON

HOSTILE = "<!channel> <https://evil.test|Log in> @here [Log in](https://evil.test) & *bold*"
SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()


def told(**fields: Any) -> dict[str, Any]:
    return {
        "id": "a1", "news": "opened", "kind": "flow_alert", "label": "Flow", "severity": "critical",
        "title": "Payout failed", "text": "Look at it.", "where": "Acme, Dev", "environment": "dev",
        "count": 1, "url": "https://i.test/w/acme/dev/", "acknowledge_url": "https://i.test/w/acme/dev/alerts/",
        "opened_at": NOON.isoformat(), "closed_at": None,
    } | fields  # fmt: skip


def a_message(*alerts: dict[str, Any], **fields: Any) -> Message:
    return Message(id="msg_1", at=NOON, workspace="Acme", alerts=alerts, **fields)


def test_what_others_wrote_calls_nobody_and_links_nowhere_in_slack():
    body = json.loads(wording.slack(a_message(told(title=HOSTILE, text=HOSTILE, where=HOSTILE))))

    for marked in [
        body["text"],
        *(part["text"] for one in body["blocks"] for part in one.get("elements", ())),
    ]:
        own = marked.replace("<https://i.test", "").replace("https://i.test", "")
        assert "<" not in own
        assert "@here" not in own
        assert "](" not in own
        assert "://evil" not in own
    # Where nothing is marked up the text is as it was written.
    (plain,) = [one["text"] for one in body["blocks"] if one["type"] == "section"]
    assert plain["type"] == "plain_text"
    assert HOSTILE in plain["text"]


def test_slack_gets_no_more_than_it_takes():
    body = json.loads(wording.slack(a_message(*[told(text="x" * 9000) for _ in range(60)])))

    assert len(body["blocks"]) <= 50
    assert all(len(one["text"]["text"]) <= 3000 for one in body["blocks"] if "text" in one)


def test_a_mail_has_one_line_as_its_subject_and_says_why_it_came():
    mail = wording.mail(a_message(told(title="Broken\r\nBcc: eve@evil.test")))

    assert mail.subject == "[Acme] Broken Bcc: eve@evil.test"
    assert "Acknowledge: https://i.test/w/acme/dev/alerts/" in mail.body
    assert "an alert rule of Acme" in mail.body


def test_a_webhook_is_signed_as_standard_webhooks_are_by_both_secrets():
    message = a_message(told())
    body = wording.webhook(message)
    other = "whsec_" + base64.b64encode(b"1" * 32).decode()

    headers = wording.signed(body, id=message.id, now=NOON, secrets=[SECRET, other])

    content = f"msg_1.{int(NOON.timestamp())}.".encode() + body
    expected = base64.b64encode(hmac.new(b"0" * 32, content, hashlib.sha256).digest()).decode()
    first, second = headers["webhook-signature"].split(" ")
    assert first == f"v1,{expected}"
    assert second.startswith("v1,")
    assert headers["webhook-id"] == "msg_1"
    assert json.loads(body)["type"] == "alert.opened"
    assert wording.webhook(message) == body


def test_several_alerts_are_counted_in_one_line():
    assert a_message(told(), told(news="over")).subject == "1 alert"
    assert a_message(told(), told(news="over")).type == "alert.several"
    assert a_message(told(news="escalated")).subject == "Nobody has acknowledged this: Payout failed"


def test_a_platform_event_has_the_fields_that_are_named():
    values = wording.event_values(a_message(told(text="x" * 400)), {"title": "Title__c", "text": "Text__c"})

    assert values == {"Title__c": "Payout failed", "Text__c": "x" * 255}
