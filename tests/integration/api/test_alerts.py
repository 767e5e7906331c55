"""Alerts and the hourly count by REST: listed, acknowledged, muted, each workspace by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrator.accounts.models import Membership
from integrator.accounts.roles import Role
from monitoring.models import Alert, ConservationHour
from tests.builders import NOON, a_person, an_environment
from tests.integration.api.conftest import Program, staged


def an_alert(stage: Any, title: str = "Stripe needs a new key", **fields: Any) -> Alert:
    here = stage.pair.environment
    values: dict[str, Any] = {
        "workspace": here.workspace, "environment": here, "kind": "connection_key", "key": title,
        "severity": "critical", "title": title, "text": "Enter a new key.", "link": "/w/acme/dev/",
        "noticed_at": NOON, "opened_at": NOON, "last_seen_at": NOON,
    }  # fmt: skip
    return Alert.objects.create(**(values | fields))


def titles(answer: Any) -> list[str]:
    return [row["title"] for row in answer.json()["results"]]


def test_alerts_are_listed_with_what_to_do(admin, stage):
    an_alert(stage)
    an_alert(stage, "Only noticed", opened_at=None)

    (row,) = admin.get("alerts/").json()["results"]

    assert row["environment"] == "dev"
    assert (row["kind"], row["severity"], row["text"]) == ("connection_key", "critical", "Enter a new key.")


def test_open_ones_and_those_that_are_over_are_told_apart(admin, stage):
    an_alert(stage, "Now")
    an_alert(stage, "Then", closed_at=NOON)
    an_alert(stage, "Everywhere", environment=None)

    assert titles(admin.get("alerts/", open="true")) == ["Everywhere", "Now"]
    assert titles(admin.get("alerts/", open="false")) == ["Then"]
    assert titles(admin.get("alerts/", environment="qa")) == ["Everywhere"]


def test_a_program_acknowledges_and_mutes(program, stage):
    alert, operator = an_alert(stage), program(Role.OPERATOR)
    until = timezone.now() + timedelta(hours=2)

    operator.post(f"alerts/{alert.public_id}/acknowledge/")
    answer = operator.post(f"alerts/{alert.public_id}/mute/", {"until": until.isoformat()})

    assert answer.status_code == 200
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.muted_until) == ("token operator program", until)


@pytest.mark.parametrize("until", ["yesterday", "2020-01-01T00:00:00Z", ""])
def test_an_alert_is_muted_until_a_moment_to_come(admin, stage, until):
    alert = an_alert(stage)

    assert admin.post(f"alerts/{alert.public_id}/mute/", {"until": until}).status_code == 400


def test_what_is_over_is_a_conflict(admin, stage):
    alert = an_alert(stage, closed_at=NOON)

    assert admin.post(f"alerts/{alert.public_id}/acknowledge/").status_code == 409


def test_another_workspaces_alerts_are_not_there(stage):
    own, whole = an_alert(stage), an_alert(stage, "Whole", environment=None)
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert titles(stranger.get("alerts/")) == []
    for alert in (own, whole):
        assert stranger.get(f"alerts/{alert.public_id}/").status_code == 404
        assert stranger.post(f"alerts/{alert.public_id}/acknowledge/").status_code == 404


def test_a_role_in_one_environment_does_not_decide_for_the_workspace(client, stage):
    person = a_person("olga@acme.test", "operator")
    Membership.objects.filter(user=person).update(environment=an_environment())
    client.force_login(person)
    whole = an_alert(stage, "Whole", environment=None)

    answer = client.post(f"/api/v1/alerts/{whole.public_id}/acknowledge/?environment=dev")

    assert answer.status_code == 403


def test_the_hourly_count_is_listed(admin, stage):
    for hours, received in ((0, 2), (1, 3)):
        ConservationHour.objects.create(
            connection=stage.stripe, hour=NOON + timedelta(hours=hours), received=received, applied=2,
            delivered=received, counted_at=NOON,
        )  # fmt: skip

    rows = admin.get("conservation/", connection=stage.stripe.public_id).json()["results"]
    since = admin.get("conservation/", since=(NOON + timedelta(hours=1)).isoformat()).json()["results"]

    assert [(row["received"], row["applied"], row["equal"]) for row in rows] == [(3, 2, False), (2, 2, True)]
    assert [row["received"] for row in since] == [3]
