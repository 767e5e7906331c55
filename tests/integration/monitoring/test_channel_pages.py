"""Pages of channels, rules and messages: what is entered, what is never shown again, and who may do it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrator.accounts.models import AuditEntry, Membership
from integrator.accounts.roles import Role
from monitoring.models import AlertChannel, AlertDispatch, AlertRule
from tests.builders import NOON, a_person, a_workspace, an_environment
from tests.integration.monitoring.told import a_channel, a_channel_with_a_rule, a_rule

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.slack.com/services/T000/B000/secretpart"
RULE = {
    "name": "Finance", "severities": ["critical"], "window_minutes": "5", "per_hour": "20",
    "repeat_minutes": "0", "quiet_from": "22:00", "quiet_until": "07:00", "quiet_zone": "Europe/Berlin",
    "quiet_lets_critical": "on", "tells_end": "on",
}  # fmt: skip


@pytest.fixture
def ada() -> Client:
    client = Client()
    client.force_login(a_person("ada@acme.test", Role.ADMIN))
    return client


def page(client: Client, path: str, data: dict[str, Any] | None = None) -> Any:
    address = f"/w/acme/dev/alerts/{path}"
    return client.get(address) if data is None else client.post(address, data)


def test_a_slack_channel_is_added_and_its_address_is_never_shown_again(ada):
    answer = page(ada, "channels/new/slack/", {"name": "Ops", "url": HOOK})

    channel = AlertChannel.objects.get()
    assert (answer.status_code, channel.target) == (302, "hooks.slack.com")
    assert channel.secrets()["url"] == HOOK
    shown = [page(ada, path).content.decode() for path in ("channels/", f"channels/{channel.public_id}/")]
    assert all("Ops" in text and "secretpart" not in text for text in shown)
    assert not [entry for entry in AuditEntry.objects.all() if "secretpart" in str(entry.details)]


def test_the_secret_of_a_signed_webhook_is_shown_once(ada):
    made = page(ada, "channels/new/webhook/", {"name": "Pager", "url": "https://pager.example.com/x"})

    channel = AlertChannel.objects.get()
    secret = channel.secrets()["secret"]
    assert secret in made.content.decode()
    assert secret not in page(ada, "channels/").content.decode()
    renewed = page(ada, f"channels/{channel.public_id}/secret/", {})
    channel.refresh_from_db()
    assert channel.secrets()["secret"] in renewed.content.decode()
    assert channel.secrets()["older"] == secret


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x", "https://127.0.0.1/x", "https://2130706433/x", "https://[::1]/x",
        "https://169.254.169.254/latest", "https://localhost./x", "https://chat/x", "ftp://a.example.com/",
        "https://user:pass@a.example.com/", "https://a.example.com\\@evil.test/", "",
    ],
)  # fmt: skip
def test_an_address_that_may_lead_inside_is_refused_with_a_reason(ada, settings, url):
    settings.SANDBOX = False
    answer = page(ada, "channels/new/slack/", {"name": "Ops", "url": url})

    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    assert not AlertChannel.objects.exists()


def test_a_change_without_an_address_keeps_the_one_that_is_there(ada):
    channel = a_channel("Ops", "slack", url=HOOK)

    page(ada, f"channels/{channel.public_id}/", {"name": "Operations", "url": ""})

    channel.refresh_from_db()
    assert (channel.name, channel.secrets()["url"]) == ("Operations", HOOK)


def test_a_channel_is_tested_switched_off_and_deleted(ada):
    channel, rule = a_channel_with_a_rule(a_workspace())
    page(ada, f"channels/{channel.public_id}/test/", {})
    assert "on its way" in page(ada, "channels/").content.decode()

    page(ada, f"channels/{channel.public_id}/delete/", {})
    assert AlertChannel.objects.of(channel.workspace).exists()
    page(ada, f"rules/{rule.public_id}/delete/", {})
    page(ada, f"channels/{channel.public_id}/delete/", {})

    channel.refresh_from_db()
    assert not AlertChannel.objects.of(channel.workspace).exists()
    assert bytes(channel.sealed) == b""
    assert AlertDispatch.objects.get().state == "given_up"


def test_a_rule_is_entered_shown_in_words_and_changed(ada):
    chat, pager = a_channel("Chat"), a_channel("Pager")
    escalation = {"after_1": "15", "then_1": pager.public_id}

    answer = page(ada, "rules/new/", RULE | escalation | {"first": [chat.public_id], "environments": ["dev"]})

    assert answer.status_code == 302
    rule = AlertRule.objects.get()
    assert [(step.channel.name, step.after_minutes) for step in rule.steps.all()] == [
        ("Chat", 0), ("Pager", 15),
    ]  # fmt: skip
    text = page(ada, "rules/").content.decode()
    assert "after 15 minutes without an acknowledgement" in text
    assert "quiet from 22:00 until 07:00 (Europe/Berlin) but for what is critical" in text
    form = page(ada, f"rules/{rule.public_id}/").content.decode()
    assert 'value="22:00"' in form
    page(ada, f"rules/{rule.public_id}/", RULE | {"name": "Night", "first": [pager.public_id]})
    rule.refresh_from_db()
    assert (rule.name, rule.steps.get().channel) == ("Night", pager)


def test_a_page_that_is_kept_as_it_is_keeps_what_only_rest_can_say(ada):
    chat = a_channel("Chat")
    rule = a_rule(chat, (chat, 5), (chat, 10), (chat, 15), window_seconds=90)
    form = page(ada, f"rules/{rule.public_id}/").context["form"]

    fields = [field for field in form if field.value() is not None and field.value() is not False]
    answer = page(ada, f"rules/{rule.public_id}/", {field.name: field.value() for field in fields})

    assert answer.status_code == 302
    rule.refresh_from_db()
    assert [step.after_minutes for step in rule.steps.all()] == [0, 5, 10, 15]
    assert rule.window_seconds == 90


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"first": []}, "Choose at least one channel"),
        ({"severities": []}, "This field is required"),
        ({"quiet_until": ""}, "Say from when until when"),
        ({"quiet_until": "22:00"}, "another time than they begin"),
        ({"quiet_zone": "Europe/Atlantis"}, "no such time zone"),
        ({"after_1": "15"}, "Say both"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_what_a_rule_cannot_be_is_said_at_its_field(ada, wrong, said):
    chat = a_channel("Chat")

    answer = page(ada, "rules/new/", RULE | {"first": [chat.public_id]} | wrong)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not AlertRule.objects.exists()


def test_rules_are_looked_at_in_the_order_that_people_choose(ada):
    channel = a_channel()
    first, second = a_rule(channel, name="First"), a_rule(channel, name="Second")

    page(ada, f"rules/{second.public_id}/move/", {"to": "up"})

    assert [rule.name for rule in AlertRule.objects.all()] == ["Second", "First"]
    assert first.position == 0


def test_the_rule_for_administrators_is_changed_and_switched_off_but_not_deleted(ada):
    assert "Administrators by e-mail" in page(ada, "rules/").content.decode()
    page(ada, "rules/administrators/", {"severities": ["critical"], "quiet_zone": "UTC"})
    page(ada, "rules/administrators/switch/", {"on": "0"})
    page(ada, "rules/administrators/delete/", {})

    rule = AlertRule.objects.get()
    assert (rule.administrators, rule.enabled, rule.severities) == (True, False, ["critical"])


def test_messages_are_listed_where_they_tell_of(ada):
    channel = a_channel("Chat")
    AlertDispatch.objects.create(
        channel=channel, subject="<b>Test</b>", test=True, created_at=NOON, due_at=NOON, answer="404 <i>"
    )
    AlertDispatch.objects.create(channel=channel, subject="Elsewhere", created_at=NOON, due_at=NOON)

    text = page(ada, "messages/").content.decode()

    assert "&lt;b&gt;Test&lt;/b&gt;" in text
    assert "Elsewhere" not in text
    assert "No message fits" in page(ada, "messages/?state=sent").content.decode()


def test_whoever_has_a_role_in_one_environment_only_sees_and_changes_nothing():
    channel, rule = a_channel_with_a_rule(a_workspace())
    bob = a_person("bob@acme.test", None)
    Membership.objects.create(
        user=bob, workspace=a_workspace(), environment=an_environment(), role=Role.ADMIN
    )
    client = Client()
    client.force_login(bob)

    assert "Pager" in page(client, "channels/").content.decode()
    for path in (
        f"channels/{channel.public_id}/switch/", f"channels/{channel.public_id}/delete/",
        f"channels/{channel.public_id}/test/", f"channels/{channel.public_id}/secret/",
        f"rules/{rule.public_id}/delete/", "rules/administrators/switch/",
    ):  # fmt: skip
        assert page(client, path, {"on": "0"}).status_code == 403
    assert page(client, "channels/new/slack/").status_code == 403
