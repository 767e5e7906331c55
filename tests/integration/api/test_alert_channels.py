"""Channels, rules and messages by REST: made, changed, listed without secrets, each workspace by itself."""

from __future__ import annotations

from typing import Any

import pytest

from integrator.accounts.roles import Role
from monitoring.models import AlertChannel, AlertDispatch
from tests.builders import NOON
from tests.integration.api.conftest import Program, staged
from tests.integration.monitoring.told import a_channel, a_channel_with_a_rule

HOOK = {"kind": "webhook", "name": "Pager", "url": "https://pager.example.com/secretpart"}


def test_a_channel_is_made_with_its_secret_this_once(admin, stage):
    made = admin.post("alert-channels/", HOOK)

    assert made.status_code == 201, made.content
    assert made.json()["secret"].startswith("whsec_")
    (listed,) = admin.get("alert-channels/").json()["results"]
    assert (listed["leads_to"], listed["enabled"]) == ("pager.example.com", True)
    assert "secretpart" not in str(listed)
    assert "secret" not in listed
    renewed = admin.post(f"alert-channels/{listed['id']}/secret/").json()
    assert renewed["secret"] != made.json()["secret"]


def test_a_channel_is_changed_tested_switched_and_deleted(admin, stage):
    id = admin.post("alert-channels/", HOOK).json()["channel"]["id"]

    assert admin("PUT", f"alert-channels/{id}/", {"name": "On call"}).json()["name"] == "On call"
    sent = admin.post(f"alert-channels/{id}/test/")
    assert admin.get(f"alert-messages/{sent.json()['message']}/").json()["state"] == "waiting"
    assert admin.post(f"alert-channels/{id}/switch/", {"on": False}).json()["enabled"] is False
    assert admin.post(f"alert-channels/{id}/test/").status_code == 400
    assert admin("DELETE", f"alert-channels/{id}/").status_code == 204
    assert admin.get("alert-channels/").json()["results"] == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (HOOK | {"url": "http://pager.example.com/"}, "url"),
        (HOOK | {"url": "https://10.0.0.1/"}, "url"),
        (HOOK | {"name": " "}, "name"),
        (HOOK | {"kind": "pigeon"}, "kind"),
        ({"kind": "email", "name": "Team", "addresses": ["nobody"]}, "addresses"),
        ({"kind": "event", "name": "Org", "event": "Alert__e"}, "connection"),
    ],
)
def test_what_a_channel_cannot_be_is_said_at_its_field(admin, stage, given, field):
    answer = admin.post("alert-channels/", given)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not AlertChannel.objects.exists()


def a_given_rule(channel: AlertChannel, **fields: Any) -> dict[str, Any]:
    steps = [{"channel": channel.public_id}, {"channel": channel.public_id, "after_minutes": 15}]
    return {"name": "Night", "severities": ["critical"], "environments": ["dev"], "steps": steps} | fields


def test_a_rule_is_made_changed_moved_and_deleted(admin, stage):
    channel = a_channel(workspace=stage.workspace)
    made = admin.post("alert-rules/", a_given_rule(channel, quiet_from="22:00", quiet_until="07:00"))
    assert made.status_code == 201, made.content
    assert [step["after_minutes"] for step in made.json()["steps"]] == [0, 15]
    id = admin.post("alert-rules/", a_given_rule(channel, name="Day")).json()["id"]

    admin.post(f"alert-rules/{id}/move/", {"on": True})
    assert [rule["name"] for rule in admin.get("alert-rules/").json()["results"]] == ["Day", "Night"]
    changed = admin("PUT", f"alert-rules/{id}/", a_given_rule(channel, name="Day", enabled=False))
    assert changed.json()["enabled"] is False
    assert admin("DELETE", f"alert-rules/{id}/").status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": []}, {"steps": [{"channel": "nobody"}]}, {"severities": ["loud"]}, {"kinds": ["nothing"]},
        {"environments": ["mars"]}, {"quiet_zone": "Mars/Olympus"}, {"quiet_from": "22:00"},
        {"window_seconds": 99_999}, {"per_hour": -1}, {"name": ""},
    ],
)  # fmt: skip
def test_what_a_rule_cannot_be_is_refused(admin, stage, wrong):
    channel = a_channel(workspace=stage.workspace)

    assert admin.post("alert-rules/", a_given_rule(channel, **wrong)).status_code == 400


def test_a_channel_that_is_told_by_a_rule_is_a_conflict(admin, stage):
    channel, _ = a_channel_with_a_rule(stage.workspace)

    assert admin("DELETE", f"alert-channels/{channel.public_id}/").status_code == 409


def test_only_administrators_change_and_strangers_find_nothing(program, stage):
    channel, rule = a_channel_with_a_rule(stage.workspace)
    message = AlertDispatch.objects.create(
        channel=channel, subject="Test", test=True, created_at=NOON, due_at=NOON
    )
    stranger, operator = Program(Role.ADMIN, staged("globex").workspace), program(Role.OPERATOR)

    assert operator.get("alert-channels/").json()["results"]
    assert operator.post("alert-channels/", HOOK).status_code == 403
    for path in (
        f"alert-channels/{channel.public_id}/", f"alert-rules/{rule.public_id}/",
        f"alert-messages/{message.public_id}/",
    ):  # fmt: skip
        assert stranger.get(path).status_code == 404
        assert stranger("DELETE", path).status_code in (404, 405)
    theirs = a_given_rule(channel, environments=[])
    assert stranger.post("alert-rules/", theirs).status_code == 400


def test_a_message_about_several_environments_tells_each_only_what_is_its_own(admin, stage):
    channel, _ = a_channel_with_a_rule(stage.workspace)
    message = AlertDispatch.objects.create(
        channel=channel, subject="3 alerts", test=True, created_at=NOON, due_at=NOON,
        alerts=[{"title": name, "environment": name} for name in ("dev", "prod", None)],
    )  # fmt: skip

    def titles(query: str = "") -> list[Any]:
        return [one["title"] for one in admin.get(f"alert-messages/{query}").json()["results"][0]["alerts"]]

    assert titles() == ["dev", "prod", None]
    assert titles("?environment=dev") == ["dev", None]
    assert message.alerts[1]["title"] == "prod"
