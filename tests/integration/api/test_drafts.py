"""Drafts by REST: from nothing to a published version, and what is refused on the way."""

from __future__ import annotations

import pytest

from flows.models import Draft, FlowVersion
from tests.integration.api.conftest import Program, staged

TRIGGER = {"kind": "stripe.event", "types": ["refund.created"]}
STOP = {"edit": "add_step", "kind": "stop", "settings": {"reason": "nothing to do"}}


@pytest.fixture
def path(stage):
    return f"flows/{stage.deployment.flow.public_id}/draft/"


def patch(program, path, revision, *edits):
    return program("PATCH", path, {"revision": revision, "edits": list(edits)})


def test_from_nothing_to_a_published_version(admin, stage):
    made = admin.post("drafts/", {"integration": "billing", "name": "Refunds"}).json()
    path = f"flows/{made['flow']}/draft/"

    changed = patch(admin, path, 1, {"edit": "set_trigger", "trigger": TRIGGER}, STOP).json()
    published = admin.post(f"{path}publish/", {"revision": 2, "note": "The first"})

    assert [problem["message"] for problem in made["problems"]] == [
        "Choose the events that start the flow",
        "Add the first step",
    ]
    assert (changed["revision"], changed["problems"]) == (2, [])
    assert (published.status_code, published.json()["number"]) == (201, 1)
    assert admin.get(path).json()["is_changed"] is False


def test_a_flow_begins_with_the_kind_of_trigger_that_is_asked_for(admin, stage):
    given = {"integration": "billing", "name": "Accounts", "starts": "salesforce.change"}

    made = admin.post("drafts/", given).json()
    strange = admin.post("drafts/", given | {"name": "Others", "starts": "by.itself"})

    assert made["document"]["trigger"]["changes"] == ["created", "updated"]
    assert "Choose the object whose changes start the flow" in [one["message"] for one in made["problems"]]
    assert strange.status_code == 400


def test_a_change_is_taken_back_and_made_again(admin, path):
    patch(admin, path, 1, STOP)

    back = admin.post(f"{path}undo/").json()
    again = admin.post(f"{path}redo/").json()

    assert [len(state["document"]["steps"]) for state in (back, again)] == [1, 2]
    assert again["edits"][0]["label"] == "Added “Stop”"
    assert admin.post(f"{path}redo/").status_code == 409


def test_two_programs_that_change_one_step_are_kept_apart(admin, program, path):
    title = {"edit": "set_title", "step": "stop", "title": "Mine"}
    patch(admin, path, 1, title)

    refused = patch(program("designer"), path, 1, {**title, "title": "No, mine"})

    assert refused.status_code == 409
    assert "token admin program changed this meanwhile" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "revision", id="nothing"),
        pytest.param({"revision": 1, "edits": []}, "edits", id="no edits"),
        pytest.param({"revision": 1, "edits": [{"edit": "burn"}]}, "edits.0", id="no such edit"),
        pytest.param(
            {"revision": 1, "edits": [{"edit": "insert", "steps": []}]}, "edits.0", id="not for all"
        ),
        pytest.param({"revision": 1, "edits": [{**STOP, "kind": "burn"}]}, "edits", id="no such kind"),
    ],
)
def test_what_is_wrong_with_an_edit_is_named(admin, path, body, field):
    answer = admin("PATCH", path, body)

    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not Draft.objects.filter(revision__gt=1).exists()


def test_problems_stop_publishing_and_are_named(admin, path):
    patch(admin, path, 1, {**STOP, "settings": {}})

    answer = admin.post(f"{path}publish/", {"revision": 2, "note": "x"})

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["document.stop_2.reason"]
    assert admin.post(f"{path}publish/", {"revision": 2}).status_code == 400
    assert FlowVersion.objects.count() == 1


def test_a_draft_is_discarded_as_it_was_seen(admin, path):
    patch(admin, path, 1, STOP)

    assert admin.post(f"{path}discard/", {"revision": 1}).status_code == 409
    assert admin.post(f"{path}discard/", {"revision": 2}).json()["is_changed"] is False


def test_the_draft_of_another_workspace_is_not_there(admin, db):
    theirs = f"flows/{staged('globex').deployment.flow.public_id}/draft/"
    acts = [("GET", ""), ("PATCH", ""), ("POST", "undo/"), ("POST", "publish/"), ("POST", "discard/")]

    assert {admin(method, f"{theirs}{act}", {"revision": 1}).status_code for method, act in acts} == {404}


def test_a_viewer_reads_and_does_not_change(program, stage, path):
    viewer = Program("viewer", stage.workspace)

    assert viewer.get(path).status_code == 200
    assert patch(viewer, path, 1, STOP).status_code == 403


def test_step_kinds_are_told_with_their_settings(admin):
    kinds = {kind["slug"]: kind for kind in admin.get("step-kinds/").json()}

    assert kinds["condition"]["exits"] == ["yes", "no"]
    assert "reason" in kinds["stop"]["settings"]["properties"]
    assert all(kind["help"] for kind in kinds.values())


def test_a_draft_is_compared_with_a_version_step_by_step_and_line_by_line(admin, path):
    adding = {"edit": "add_step", "kind": "map", "settings": {"target": "Payment__c", "lines": []}}
    line = {"field": "Name", "from": ["charge.id"]}
    patch(admin, path, 1, adding)
    patch(admin, path, 2, {"edit": "set_line", "step": "map", "line": line})

    told = admin.get(f"{path}differences/").json()

    assert told["version"] == 1
    assert ("added", "Map") in {(one["kind"], one["about"]) for one in told["differences"]}
    assert told["lines"] == [{"step": "map", "field": "Name", "kind": "added", "was": None, "now": line}]
    assert admin.get(f"{path}differences/", version="7").status_code == 404
    assert admin.get(f"{path}differences/", version="first").status_code == 400
    assert admin.get(f"{path}differences/", version="9" * 30).status_code == 400
