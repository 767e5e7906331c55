"""Isolation: what belongs to another workspace is not there, by any id and in no list."""

from __future__ import annotations

import json

import pytest

from flows.models import DeadLetter, Deployment, Flow, FlowVersion, Integration, Pair
from integrator.accounts.roles import Role
from tests.integration.api.conftest import Program, staged


@pytest.fixture
def globex(db):
    return staged("globex")


@pytest.fixture
def stranger(globex):
    return Program(Role.ADMIN, globex.workspace)


def addresses(stage):
    flow = stage.deployment.flow.public_id
    yield "GET", f"flows/{flow}/"
    yield "GET", f"flows/{flow}/versions/"
    yield "GET", f"flows/{flow}/versions/1/"
    yield "POST", f"flows/{flow}/versions/"
    yield "GET", f"deployments/{stage.deployment.pk}/"
    yield "POST", f"deployments/{stage.deployment.pk}/off/"
    yield "GET", f"events/{stage.event.pk}/"
    yield "GET", f"runs/{stage.run.public_id}/"
    yield "GET", f"dead-letters/{stage.letter.public_id}/"
    yield "POST", f"dead-letters/{stage.letter.public_id}/retry/"
    yield "GET", f"connections/{stage.stripe.public_id}/"
    yield "POST", f"connections/{stage.stripe.public_id}/pause/"
    yield "POST", f"connections/{stage.stripe.public_id}/rotate/"
    yield "GET", f"connections/{stage.stripe.public_id}/webhooks/"
    yield "POST", f"connections/{stage.stripe.public_id}/webhooks/"


BODY = {"reason": "x", "secrets": {"secret_key": "sk_test_x"}, "document": {}}


def test_the_ids_of_another_workspace_lead_nowhere(stage, stranger):
    found = {
        f"{method} {path}": stranger(method, path, BODY if method == "POST" else None).status_code
        for method, path in addresses(stage)
    }

    assert set(found.values()) == {404}, found


def test_discarding_another_workspaces_letter_does_nothing(stage, stranger):
    stranger.post(f"dead-letters/{stage.letter.public_id}/discard/", {"reason": "mine now"})
    stranger.post("dead-letters/retry-all/", {})

    assert DeadLetter.objects.get(pk=stage.letter.pk).resolved_at is None


@pytest.mark.parametrize("path", ["events", "runs", "dead-letters", "flows", "deployments", "connections"])
def test_no_list_shows_another_workspaces_rows(stage, globex, stranger, path):
    acme = {
        stage.event.external_id,
        stage.run.public_id,
        stage.letter.public_id,
        stage.stripe.public_id,
        stage.deployment.flow.public_id,
    }

    text = stranger.get(f"{path}/").content.decode()

    assert len(json.loads(text)["results"]) >= 1
    assert not [found for found in acme if found in text]


def test_another_workspaces_ids_are_refused_inside_a_body(stage, globex, stranger):
    theirs = stage.deployment.flow.public_id
    made = [
        stranger.post("deployments/", {"flow": theirs, "version": 1, "environment": "dev"}),
        stranger.post(
            "integrations/billing/pairs/",
            {
                "environment": "qa",
                "stripe": stage.pair.stripe.public_id,
                "salesforce": stage.pair.salesforce.public_id,
            },
        ),
        stranger.post("flows/", {"integration": "elsewhere", "document": {"name": "x"}}),
    ]

    assert [answer.status_code for answer in made] == [400, 400, 400]
    assert (Deployment.objects.count(), Pair.objects.count()) == (2, 2)


def test_an_environment_that_is_not_there_is_told_apart_from_an_empty_one(admin, stage):
    assert admin.get("events/", environment="nowhere").status_code == 404
    assert admin.get("events/", environment="qa").json()["results"] == []


def test_what_a_body_must_not_set_is_ignored(admin, stage):
    answer = admin.post(
        "integrations/",
        {
            "name": "Payroll",
            "workspace": 999,
            "id": 1,
            "is_staff": True,
            "created_at": "2000-01-01T00:00:00Z",
        },
    )

    made = Integration.objects.get(slug="payroll")
    assert answer.status_code == 201
    assert made.workspace == stage.workspace
    assert made.created_at.year > 2000


def test_a_published_version_cannot_name_its_own_number_or_author(admin, stage):
    document = FlowVersion.objects.get().document | {"name": "Renamed", "description": "another"}

    admin.post(
        f"flows/{Flow.objects.get().public_id}/versions/",
        {"document": document, "number": 77, "published_by": "eve", "content_hash": "x"},
    )

    version = FlowVersion.objects.order_by("-number").first()
    assert version.number == 2
    assert version.published_by == "token admin program"
