"""API budgets by REST: looked at, asked what if, and changed by whoever may; each workspace by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import CallHour, Connection
from integrator.accounts.models import AuditEntry
from integrator.accounts.roles import Role
from tests.integration.api.conftest import Program, staged


@pytest.fixture
def address(stage: Any) -> str:
    """Return the address of a budget of 900 calls, of which a flow has used 200 for 100 runs."""
    org = stage.pair.salesforce
    Connection.objects.filter(pk=org.pk).update(api_used=200, api_limit=1000, last_success_at=timezone.now())
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    for kind, calls, carried in (("write", 200, 400), ("try", 0, 100)):
        CallHour.objects.create(
            connection=org, cause=stage.deployment.flow_id, hour=hour, kind=kind, calls=calls, carried=carried
        )
    return f"budgets/{org.public_id}/"


def test_a_budget_tells_what_is_left_and_which_flow_costs_how_much(admin, stage, address):
    told = admin.get(address).json()

    assert (told["api_used"], told["api_limit"], told["reserve_percent"]) == (200, 1000, 10)
    assert (told["forecast"]["ours"], told["forecast"]["left"], told["forecast"]["is_guess"]) == (
        900,
        700,
        True,
    )
    assert len(told["forecast"]["points"]) == 25
    (flow,) = (row for row in told["flows"] if row["flow"] == stage.deployment.flow.public_id)
    assert flow["calls_last_day"] == 200
    assert (round(flow["calls_for_100_runs"]), round(flow["records_a_call"])) == (200, 2)
    assert [row["id"] for row in admin.get("budgets/", system="salesforce").json()["results"]] == [told["id"]]


def test_what_if_changes_nothing(program, stage, address):
    asked = {"flow": stage.deployment.flow.public_id, "volume": 2}

    answer = program(Role.VIEWER).post(f"{address}what-if/", asked)

    told = answer.json()
    assert answer.status_code == 200
    assert told["most"] == pytest.approx(2 * told["now"], abs=1)
    assert (told["ours"], told["fits"]) == (900, False)
    assert not AuditEntry.objects.filter(action__startswith="flow.priority").exists()


def test_an_operator_sets_priorities_and_the_reserve(program, stage, address):
    operator = program(Role.OPERATOR)

    chosen = {"flow": stage.deployment.flow.public_id, "priority": "high"}
    told = operator.post(f"{address}priority/", chosen).json()
    kept = operator.post(f"{address}reserve/", {"percent": 30}).json()

    assert told["flows"][0]["priority"] == "high"
    assert (kept["reserve_percent"], kept["forecast"]["ours"]) == (30, 700)


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("priority", {"flow": "nothing", "priority": "low"}, "flow"),
        ("priority", {"flow": "nothing", "priority": "urgent"}, "priority"),
        ("reserve", {"percent": 91}, "percent"),
        ("what-if", {"flow": "nothing"}, "flow"),
    ],
)
def test_bad_input_names_its_field(admin, address, act, body, field):
    answer = admin.post(f"{address}{act}/", body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_stripe_has_nothing_to_keep_back(admin, stage):
    assert admin.post(f"budgets/{stage.stripe.public_id}/reserve/", {"percent": 5}).status_code == 400


def test_the_budget_of_another_workspace_is_not_there(address):
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert stranger.get(address).status_code == 404
    assert stranger.post(f"{address}reserve/", {"percent": 5}).status_code == 404
