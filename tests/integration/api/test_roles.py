"""Roles: every REST route declares a permission, and every role gets exactly what the policy table says."""

from __future__ import annotations

import pytest
from django.test import Client

from integrator.accounts.roles import POLICY, Role, allowed
from tests.builders import a_person, a_workspace
from tests.integration.api.routes import rest_routes

ROUTES = rest_routes()


def test_there_are_routes():
    assert len(ROUTES) > 30


def test_every_route_declares_a_permission():
    assert [(str(r), r.view, r.permission) for r in ROUTES if r.permission not in POLICY] == []


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_what_the_policy_table_says(program, role):
    wrong = []
    for route in ROUTES:
        answer = program(role)(route.method, route.path, {} if route.method != "GET" else None)
        refused = answer.status_code == 403
        if refused is allowed(role, route.permission) or answer.status_code >= 500:
            wrong.append((str(route), answer.status_code))

    assert wrong == []


def test_nobody_gets_in_without_a_token(client, db):
    wrong = []
    for route in ROUTES:
        answer = client.generic(route.method, f"/api/v1/{route.path}")
        way_in = answer.headers.get("WWW-Authenticate", "")
        told = (answer.status_code, answer.headers.get("Content-Type"), way_in.partition(" ")[0])
        if told != (401, "application/problem+json", "Bearer"):
            wrong.append((str(route), *told))

    assert wrong == []


def test_a_person_without_a_role_finds_nothing(client, stage):
    client.force_login(a_person("eve@acme.test", None))

    assert {client.get(f"/api/v1/{route.path}").status_code for route in ROUTES if route.method == "GET"} == {
        404
    }


def test_a_signed_in_person_needs_a_csrf_token_to_change_anything(stage):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("axel@acme.test", Role.ADMIN))

    answer = client.post(f"/api/v1/dead-letters/{stage.letter.public_id}/retry/")

    assert answer.status_code == 403
    stage.letter.refresh_from_db()
    assert stage.letter.resolved_at is None


def test_a_signed_in_person_of_two_workspaces_names_one(client, stage):
    axel = a_person("axel@acme.test", Role.ADMIN)
    globex = a_workspace("globex")
    axel.memberships.create(workspace=globex, role=Role.VIEWER)
    client.force_login(axel)

    assert client.get("/api/v1/health/").status_code == 400
    assert client.get("/api/v1/health/?workspace=globex").json()["received"] == 0
    assert client.get("/api/v1/health/?workspace=nowhere").status_code == 404


def test_a_role_in_one_environment_reaches_no_other(client, stage):
    otto = a_person("otto@acme.test", None)
    dev = stage.pair.environment
    otto.memberships.create(workspace=stage.workspace, environment=dev, role=Role.OPERATOR)
    client.force_login(otto)

    assert client.get("/api/v1/events/").status_code == 403
    assert len(client.get("/api/v1/events/?environment=dev").json()["results"]) == 1
    assert client.get("/api/v1/events/?environment=qa").status_code == 404
