"""This module takes Salesforce's credentials and calls away while much is waiting, and gives them back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.load import Load
from tests.stage import Stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
LOGIN = "/services/oauth2/token"
WAITING = 1_000
RESTS = 2  # of five minutes each: ten minutes without credentials
REFUSED = {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}


def rests(stage: Stage) -> bool:
    return stage.connection("salesforce")["state"] == "resting"


def end_the_rest(stage: Stage) -> None:
    """Let the time that the connection rests have passed, and with it that of its refused login."""
    stage.python(
        "from connectors.models import AccessToken, Connection; from django.utils import timezone; "
        "now = timezone.now(); "
        "Connection.objects.filter(system='salesforce', state='resting').update(paused_until=now); "
        "AccessToken.objects.exclude(refused_until=None).update(refused_until=now)"
    )


def rests_until(stage: Stage) -> str:
    return str(stage.connection("salesforce")["paused_until"])


def calls(stage: Stage, path: str) -> int:
    return len(stage.look("salesforce", "journal", path=path, limit=10_000)["calls"])


def unread(stage: Stage) -> int:
    return int(stage.counted()["undispatched"])


def alerts(stage: Stage) -> list[dict[str, Any]]:
    return stage.whole("alerts/", kind="connection_key")


def test_ten_minutes_without_credentials_cost_few_logins_and_no_dead_letter(well_behaved: Stage):
    stage = well_behaved
    load = Load(charges=WAITING, events=WAITING, seed=7, prefix="ch_locked_out", each_its_own=True)
    stage.fault("salesforce", kind="before", match_path=LOGIN, params={"status": 400, "body": REFUSED})
    stage.turn("salesforce", "sessions", method="DELETE")
    told, asked = len(alerts(stage)), calls(stage, LOGIN)
    pool = stage.parts("pool")

    load.deliver(stage, rate=400)
    until(lambda: rests(stage), seconds=60, what="the connection rests")
    for _ in range(RESTS):
        before, until_then = calls(stage, LOGIN), rests_until(stage)
        end_the_rest(stage)
        until(lambda before=before: calls(stage, LOGIN) > before, seconds=60, what="somebody tries")
        until(lambda then=until_then: rests_until(stage) > then, seconds=60, what="it rests again")
    until(lambda: len(alerts(stage)) > told, seconds=60, what="somebody is told")
    logins = calls(stage, LOGIN) - asked
    waiting = stage.fates()["queued"]

    stage.turn("salesforce", "faults", method="DELETE")
    end_the_rest(stage)
    until(stage.settled, seconds=90, what="everything is done")

    print(f"{logins} logins in {5 * RESTS} minutes, {waiting} waited")
    assert waiting == WAITING
    assert stage.parts("pool") == pool  # nobody took the waiting for a stuck pool
    assert RESTS < logins <= 3 * (RESTS + 1)
    assert len(alerts(stage)) == told + 1
    assert stage.api("dead-letters/")["results"] == []
    assert load.wrong_records(stage.records()) == []


@pytest.mark.parametrize(
    ("share", "most"),
    [pytest.param(0.9, 10, id="the reserve is kept"), pytest.param(1.0, 5, id="over the limit")],
)
def test_near_the_daily_limit_hardly_a_call_is_made_until_it_is_over(
    well_behaved: Stage, share: float, most: int
):
    stage = well_behaved
    daily, used = 1_000, int(1_000 * share)
    load = Load(charges=200, events=400, seed=8, prefix=f"ch_limited_{used}")
    stage.turn("salesforce", "limits", daily=daily, used=used)
    refused = stage.turn("salesforce", "limits")["refusals"]

    load.deliver(stage, rate=200)
    until(lambda: rests(stage), seconds=60, what="the connection rests")
    until(lambda: unread(stage) == 0, seconds=60, what="all events have been looked at")
    limits = stage.turn("salesforce", "limits")
    waiting = stage.fates()["queued"]
    stage.turn("salesforce", "limits", daily=1_000_000, used=0)
    end_the_rest(stage)
    until(stage.settled, seconds=90, what="everything is done")

    asked = limits["used"] - used + limits["refusals"] - refused
    print(f"{asked} calls at {used} of {daily}, {waiting} waited")
    assert waiting > 0
    assert 0 < asked <= most
    assert stage.api("dead-letters/")["results"] == []
    assert load.wrong_records(stage.records()) == []
