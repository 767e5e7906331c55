"""Suggestions by REST: what a map step may need, what people say, and who may."""

from __future__ import annotations

import pytest
from django.utils import timezone

from connectors.models import SchemaSnapshot
from flows import designer
from flows.designing import edits
from flows.models import MappingDecision
from integrator.accounts.roles import Role
from tests.integration.api.conftest import Program, staged
from tests.integration.flows.test_suggesting import FIELDS

MAP = {
    "edit": "add_step",
    "kind": "map",
    "settings": {"target": "Payment__c", "lines": [{"field": "Amount__c", "from": ["charge.amount"]}]},
}


@pytest.fixture
def path(stage):
    now = timezone.now()
    SchemaSnapshot.objects.create(
        connection=stage.pair.salesforce, object="Payment__c", number=1, version="v67.0", digest="x",
        content={"name": "Payment__c", "fields": FIELDS}, taken_at=now, checked_at=now,
    )  # fmt: skip
    draft = designer.open_draft(stage.deployment.flow, actor="ada", now=now)
    designer.apply(draft, edits.read([MAP]), revision=draft.revision, actor="ada", now=now)
    return f"flows/{stage.deployment.flow.public_id}/draft/steps/map/suggestions/"


def test_a_map_step_learns_what_it_may_need(admin, path):
    answer = admin.get(path, environment="dev")

    told = answer.json()
    currency = next(one for one in told["suggestions"] if one["field"] == "Currency__c")
    assert (answer.status_code, told["target"]) == (200, "Payment__c")
    assert currency == {
        "path": "charge.currency",
        "field": "Currency__c",
        "score": currency["score"],
        "band": "strong",
        "parts": currency["parts"],
        "transform": "upper",
        "reason": currency["reason"],
        "line": {
            "field": "Currency__c",
            "from": ["charge.currency"],
            "chips": [{"chip": "text", "case": "upper"}],
        },
    }


def test_what_is_rejected_does_not_come_back(admin, path):
    said = admin.post(path, {"path": "charge.currency", "field": "Currency__c", "accepted": False})

    assert (said.status_code, said.json()["verdict"]) == (200, "rejected")
    again = admin.get(path, environment="dev", every="path").json()["suggestions"]
    assert ("charge.currency", "Currency__c") not in {(one["path"], one["field"]) for one in again}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"path": "a..b", "field": "X__c", "accepted": True}, id="no path"),
        pytest.param({"path": "a.b", "field": "X c", "accepted": True}, id="no field"),
        pytest.param({"path": "a.b"}, id="half of it"),
        pytest.param(b"{", id="no JSON"),
    ],
)
def test_what_is_not_a_line_is_refused(admin, path, given):
    assert admin.post(path, given).status_code == 400
    assert not MappingDecision.objects.exists()


def test_alternatives_are_for_fields_or_paths(admin, path):
    by_path = admin.get(path, environment="dev", every="path")
    by_thing = admin.get(path, environment="dev", every="thing")

    assert (by_path.status_code, by_thing.status_code) == (200, 400)
    fields = [one["field"] for one in by_path.json()["suggestions"]]
    assert fields.count("Currency__c") > 1  # several paths may be meant


def test_a_step_that_is_not_there_has_no_suggestions(admin, path):
    other = path.replace("/map/", "/nobody/")

    assert admin.get(other, environment="dev").status_code == 404
    assert admin.post(other, {"path": "a.b", "field": "X__c", "accepted": True}).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_object_that_nothing_is_known_of_is_a_conflict(admin, path):
    SchemaSnapshot.objects.all().delete()

    assert admin.get(path, environment="dev").status_code == 409


def test_who_may_not_change_flows_decides_nothing(program, path):
    line = {"path": "charge.currency", "field": "Currency__c", "accepted": True}

    refused = program(Role.OPERATOR).post(path, line)

    assert refused.status_code == 403
    assert program(Role.OPERATOR).get(path, environment="dev").status_code == 200
    assert not MappingDecision.objects.exists()


def test_another_workspace_finds_nothing_here(path):
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert stranger.get(path, environment="dev").status_code == 404
    assert stranger.post(path, {"path": "a.b", "field": "X__c", "accepted": True}).status_code == 404


@pytest.mark.parametrize("lines", [5, [5, None], "x"])
def test_lines_that_make_no_sense_fill_nothing(admin, path, stage, lines):
    draft = designer.open_draft(stage.deployment.flow, actor="ada", now=timezone.now())
    settings = {"edit": "set_settings", "step": "map", "settings": {"target": "Payment__c", "lines": lines}}
    designer.apply(draft, edits.read([settings]), revision=draft.revision, actor="ada", now=timezone.now())

    assert admin.get(path, environment="dev").status_code == 200


def test_the_sure_ones_are_accepted_together_as_one_change(admin, path, stage):
    draft = designer.open_draft(stage.deployment.flow, actor="ada", now=timezone.now())
    before = draft.document["steps"]

    refused = admin.post(f"{path}accept/", {"revision": draft.revision + 7}, environment="dev")
    told = admin.post(f"{path}accept/", {"revision": draft.revision}, environment="dev").json()

    draft.refresh_from_db()
    fields = {one["field"] for one in told["accepted"]}
    lines = next(step for step in draft.document["steps"] if step["id"] == "map")["settings"]["lines"]
    assert refused.status_code == 409
    assert told["revision"] == draft.revision
    assert all(one["score"] >= 0.9 and one["line"] for one in told["accepted"])
    assert lines[1:] == [one["line"] for one in told["accepted"]]
    assert set(MappingDecision.objects.values_list("field", flat=True)) == fields != set()
    admin.post(f"flows/{stage.deployment.flow.public_id}/draft/undo/")
    draft.refresh_from_db()
    assert draft.document["steps"] == before


def test_who_may_not_change_flows_accepts_nothing(program, path):
    assert program(Role.OPERATOR).post(f"{path}accept/", {"revision": 1}).status_code == 403
    assert not MappingDecision.objects.exists()
