"""Design by REST: integrations, pairs, flows, versions and deployments."""

from __future__ import annotations

import pytest

from flows.models import FlowVersion, Integration, Pair
from tests.builders import a_connection, an_environment

DOCUMENT = {
    "format": 1,
    "name": "Refunds",
    "trigger": {"kind": "stripe.event", "slot": "stripe", "types": ["refund.created"]},
    "steps": [{"id": "stop", "kind": "stop", "settings": {"reason": "nothing to do"}}],
}


def test_from_nothing_to_a_live_flow(admin, stage):
    qa = an_environment("qa")
    stripe, salesforce = a_connection("stripe", qa), a_connection("salesforce", qa)
    admin.post("integrations/", {"name": "Refund desk"})

    pair = admin.post(
        "integrations/refund-desk/pairs/",
        {"environment": "qa", "stripe": stripe.public_id, "salesforce": salesforce.public_id},
    )
    version = admin.post("flows/", {"integration": "refund-desk", "document": DOCUMENT}).json()
    live = admin.post("deployments/", {"flow": version["flow"], "version": 1, "environment": "qa"}).json()

    assert pair.json() == {
        "environment": "qa",
        "stripe": stripe.public_id,
        "salesforce": salesforce.public_id,
    }
    assert (live["enabled"], live["environment"], live["version"]) == (True, "qa", 1)
    assert admin.get("flows/", integration="refund-desk").json()["results"][0]["latest_version"] == 1


def test_a_flow_is_switched_off_and_on(admin, stage):
    path = f"deployments/{stage.deployment.pk}"

    assert admin.post(f"{path}/off/").json()["enabled"] is False
    assert admin.post(f"{path}/on/").json()["enabled"] is True


def test_a_version_that_made_room_cannot_be_switched(admin, stage):
    flow = stage.deployment.flow.public_id
    admin.post(f"flows/{flow}/versions/", {"document": DOCUMENT, "note": "second"})
    admin.post("deployments/", {"flow": flow, "version": 2, "environment": "dev"})

    assert admin.post(f"deployments/{stage.deployment.pk}/off/").status_code == 409
    assert [row["version"] for row in admin.get("deployments/", live="true").json()["results"]] == [2]


def test_the_same_document_is_the_same_version(admin, stage):
    path = f"flows/{stage.deployment.flow.public_id}/versions/"

    first, second = (admin.post(path, {"document": DOCUMENT}).json() for _ in range(2))

    assert first["number"] == second["number"] == 2
    assert admin.get(f"{path}2/").json()["document"]["name"] == "Refunds"


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        pytest.param({"steps": []}, "document.steps", id="no steps"),
        pytest.param({"unknown": 1}, "document.unknown", id="an unknown setting"),
        pytest.param(
            {"steps": [{"id": "stop", "kind": "stop", "settings": {"reson": "x"}}]},
            "document.stop.reson",
            id="a misspelt setting of a step",
        ),
    ],
)
def test_what_is_wrong_with_a_document_is_named(admin, stage, spoil, field):
    answer = admin.post("flows/", {"integration": "billing", "document": DOCUMENT | spoil})

    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert FlowVersion.objects.count() == 1


def test_a_recipe_is_installed_once(admin, stage):
    first, second = (
        admin.post("flows/install/", {"recipe": "payments", "integration": "billing"}) for _ in range(2)
    )

    assert (first.status_code, first.json()["number"]) == (201, second.json()["number"])
    assert admin.post("flows/install/", {"recipe": "nothing", "integration": "billing"}).status_code == 400


def test_slots_take_only_what_fits(admin, stage):
    qa = an_environment("qa")
    stripe, other = a_connection("stripe", qa), a_connection("stripe", qa, name="Other")

    answer = admin.post(
        "integrations/billing/pairs/",
        {"environment": "qa", "stripe": stripe.public_id, "salesforce": other.public_id},
    )

    assert answer.status_code == 400
    assert Pair.objects.count() == 1


def test_a_name_that_is_taken_is_a_conflict(admin, stage):
    assert admin.post("integrations/", {"name": "Billing"}).status_code == 409
    assert admin.post("integrations/", {"name": "///"}).status_code == 400
    assert Integration.objects.count() == 1
