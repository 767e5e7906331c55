"""Exchange rates by REST: exact, all or none, and replaced only with a reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flows.models import ExchangeRate
from integrator.accounts.roles import Role
from tests.builders import a_person
from tests.integration.api.conftest import Program, staged

RATE = {"base": "usd", "quote": "EUR", "day": "2026-11-20", "rate": "0.927300000001", "source": "ECB"}


def test_a_rate_is_added_and_listed_exactly(program, stage):
    added = program(Role.FINANCE).post("exchange-rates/", RATE)

    assert (added.status_code, added.json()) == (201, {"added": 1, "replaced": 0, "unchanged": 0})
    (row,) = program(Role.VIEWER).get("exchange-rates/").json()["results"]
    assert (row["base"], row["rate"], row["entered_by"]) == (
        "USD",
        "0.927300000001",
        "token finance program",
    )


@pytest.mark.parametrize(
    "query",
    [
        {"currency": "eur"},
        {"base": "usd"},
        {"quote": "EUR"},
        {"since": "2026-11-20"},
        {"until": "2026-11-20"},
    ],
)
def test_rates_are_found(admin, query):
    admin.post("exchange-rates/", RATE)
    admin.post("exchange-rates/", RATE | {"base": "GBP", "quote": "JPY", "day": "2026-11-19"})

    found = [row["base"] for row in admin.get("exchange-rates/", **query).json()["results"]]

    assert "USD" in found
    assert len(found) == (2 if query == {"until": "2026-11-20"} else 1)


def test_many_are_added_or_none_and_each_mistake_has_its_place(admin, stage):
    wrong = admin.post(
        "exchange-rates/bulk/", {"rates": [RATE, RATE | {"base": "XXX"}, RATE | {"rate": "0,9", "day": "x"}]}
    )
    assert wrong.status_code == 400
    assert [error["field"] for error in wrong.json()["errors"]] == [
        "rates.1.base", "rates.2.day", "rates.2.rate",
    ]  # fmt: skip
    assert not ExchangeRate.objects.exists()

    done = admin.post("exchange-rates/bulk/", {"rates": [RATE, RATE | {"base": "GBP"}]})

    assert done.json() == {"added": 2, "replaced": 0, "unchanged": 0}


def test_a_number_of_json_is_taken_as_it_is_written(admin, stage):
    assert admin.post("exchange-rates/", RATE | {"rate": 0.9273}).status_code == 201
    assert ExchangeRate.objects.get().rate == Decimal("0.9273")


def test_a_rate_is_replaced_only_with_a_reason(admin, stage):
    admin.post("exchange-rates/", RATE)

    without = admin.post("exchange-rates/", RATE | {"rate": "0.93"})
    done = admin.post("exchange-rates/", RATE | {"rate": "0.93", "reason": "Mistyped"})

    assert (without.status_code, without["Content-Type"]) == (409, "application/problem+json")
    assert "Say why" in without.json()["detail"]
    assert done.json()["replaced"] == 1


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.DESIGNER, Role.VIEWER])
def test_others_add_none(program, role):
    assert program(role).post("exchange-rates/", RATE).status_code == 403


def test_a_role_in_one_environment_changes_none(client, stage):
    fina = a_person("fina@acme.test", None)
    fina.memberships.create(workspace=stage.workspace, environment=stage.pair.environment, role=Role.FINANCE)
    client.force_login(fina)

    answer = client.post("/api/v1/exchange-rates/?environment=dev", RATE, content_type="application/json")

    assert answer.status_code == 403
    assert not ExchangeRate.objects.exists()


def test_another_workspaces_rates_are_not_there(admin, stage):
    admin.post("exchange-rates/", RATE)
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert stranger.get("exchange-rates/").json()["results"] == []
