"""Flows and expressions are checked by REST, and nothing is changed by it."""

from __future__ import annotations

import time
from copy import deepcopy

import pytest

from connectors.models import SchemaSnapshot
from flows import checking, designer
from flows.models import Draft, FlowVersion
from flows.recipes import catalogue
from tests.builders import NOON, a_person
from tests.integration.api.conftest import staged


@pytest.fixture
def document():
    return deepcopy(catalogue.load("payments").raw)


@pytest.fixture
def known(stage):
    """Let the org's Payment__c be known, with one field only, and the others be gone."""
    described = {"fields": [{"name": "External_ID__c", "type": "string", "length": 255, "externalId": True}]}
    for name in ("Payment__c", "Stripe_Customer__c", "Account", "Opportunity", "Order"):
        content = described if name == "Payment__c" else {"gone": True}
        SchemaSnapshot.objects.create(
            connection=stage.deployment.pair.salesforce, object=name, number=1, version="v67.0", digest="x",
            content=content, taken_at=NOON, checked_at=NOON,
        )  # fmt: skip


@pytest.fixture
def draft(stage, document):
    """Let the flow's draft say what the template says."""
    found = designer.open_draft(stage.deployment.flow, actor="ada", now=NOON)
    found.become(document, step_ids=[], actor="ada", now=NOON)
    return found


def path_of(stage):
    return f"flows/{stage.deployment.flow.public_id}/check/"


def test_a_document_is_checked_against_what_is_known_of_the_org(admin, stage, known, document):
    answer = admin.post(path_of(stage), {"document": document}).json()

    by_code = {(issue["code"], issue["field"]): issue for issue in answer["issues"]}
    assert answer["environment"] == "dev"
    missing = by_code["no_such_field", "Amount__c"]
    assert (missing["level"], missing["step"]) == ("error", "map_payment")
    assert missing["fix"]
    assert ("external_id_not_unique", "External_ID__c") in by_code
    assert by_code["no_such_object", "object"]["level"] == "error"
    assert answer["cost"]["events"] > 0


def test_nothing_is_kept_of_a_check(admin, stage, document):
    before = FlowVersion.objects.count(), Draft.objects.count()

    admin.post(path_of(stage), {"document": document})

    assert (FlowVersion.objects.count(), Draft.objects.count()) == before


def test_a_document_that_cannot_be_read_is_told_step_by_step(admin, stage, document):
    document["steps"][0]["kind"] = "teleport"

    answer = admin.post(path_of(stage), {"document": document}).json()

    assert answer["cost"] is None
    assert ("invalid", "map_payment") in {(issue["code"], issue["step"]) for issue in answer["issues"]}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"steps": 5, "trigger": 7}, id="wrong types"),
        pytest.param({"trigger": {"types": "x"}, "steps": [{"settings": None}]}, id="half a step"),
    ],
)
def test_any_document_is_answered(admin, stage, document):
    answer = admin.post(path_of(stage), {"document": document})

    assert answer.status_code == 200
    assert answer.json()["issues"][0]["code"] == "invalid"


def test_the_flow_of_another_workspace_is_not_there(admin, document):
    theirs = path_of(staged("globex"))

    assert admin.post(theirs, {"document": document}).status_code == 404


def test_an_environment_without_connections_is_refused(admin, stage, document):
    answer = admin.post(path_of(stage), {"document": document, "environment": "qa"})

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["environment"]


def test_a_draft_that_would_fail_is_not_published(admin, stage, known, draft):
    path = f"flows/{stage.deployment.flow.public_id}/draft/publish/"

    answer = admin.post(path, {"revision": draft.revision, "note": "More"})

    assert answer.status_code == 400
    assert "The org has no field Amount__c" in str(answer.json()["errors"])
    assert stage.deployment.flow.versions.count() == 1


def test_a_draft_that_would_fail_is_not_published_from_where_nothing_is_connected(
    admin, stage, known, draft, client
):
    flow = stage.deployment.flow
    client.force_login(a_person("ada@acme.test", "designer", stage.workspace))

    by_program = admin.post(
        f"flows/{flow.public_id}/draft/publish/", {"revision": draft.revision, "note": "x"}, environment="qa"
    )
    by_hand = client.post(
        f"/w/acme/qa/flows/{flow.public_id}/design/publish/", {"@revision": draft.revision, "note": "x"}
    )

    assert (by_program.status_code, by_hand.status_code) == (400, 422)
    assert flow.versions.count() == 1


def test_what_is_published_is_what_was_checked(stage, draft):
    Draft.objects.locked(draft.flow).become(draft.document, step_ids=[], actor="otto", now=NOON)

    with pytest.raises(designer.Conflict):
        checking.publish(draft=draft, pairs=[], revision=draft.revision + 1, note="x", actor="ada", now=NOON)


# Expressions


def checked(program, text, **more):
    more = more or {"event_type": "charge.succeeded"}
    return program.post("expressions/check/", {"text": text, **more})


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        pytest.param("charge.amount + 1", "integer", id="a number"),
        pytest.param("text.upper(charge.currency)", "string", id="a text"),
        pytest.param("charge.captured", "boolean", id="a truth"),
        pytest.param("charge.metadata.anything", "unknown", id="metadata"),
    ],
)
def test_an_expression_is_told_its_type(admin, stage, text, type_):
    assert checked(admin, text).json() == {"type": type_, "faults": [], "issues": []}


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        pytest.param("charge.currency\n + 1", (2, 2), "a text and a whole number", id="types"),
        pytest.param("charge.amount +", (1, 16), "missing at the end", id="an end too early"),
        pytest.param("chargee.amount", (1, 1), "no chargee", id="a root that is not there"),
        pytest.param("", (1, 1), "1 to 4,000", id="nothing"),
    ],
)
def test_a_fault_is_told_with_its_place(admin, stage, text, place, says):
    answer = checked(admin, text).json()
    (fault,) = answer["faults"]

    assert answer["type"] is None
    assert (fault["line"], fault["column"]) == place
    assert says in fault["message"]


def test_what_is_doubtful_in_an_expression_is_told(admin, stage):
    (issue,) = checked(admin, "charge.amount / 100").json()["issues"]

    assert (issue["code"], issue["level"]) == ("integer_division", "error")


def test_an_expression_of_a_flow_reads_its_events_and_its_steps(admin, stage, draft):
    flow = stage.deployment.flow.public_id

    assert checked(admin, "steps.map_payment.Name", flow=flow, step="save_payment").json()["type"]
    assert checked(admin, "charge.amount", flow=flow).json()["type"] == "integer"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="neither"),
        pytest.param({"flow": "x", "event_type": "charge.succeeded"}, id="both"),
        pytest.param({"flow": "nobody"}, id="a flow that is not there"),
        pytest.param({"event_type": "charge.succeeded", "environment": "nowhere"}, id="no environment"),
    ],
)
def test_what_an_expression_may_read_has_to_be_said(admin, stage, more):
    answer = admin.post("expressions/check/", {"text": "1", **more})

    assert answer.status_code == 400


def test_an_expression_is_completed(admin, stage):
    asked = {"text": "1 + charge.amount_r", "position": 19, "event_type": "charge.succeeded"}

    (first, *_) = admin.post("expressions/complete/", asked).json()

    assert (first["insert"], first["start"], first["end"]) == ("charge.amount_refunded", 4, 19)
    assert first["kind"] == "path"


def test_a_flow_of_many_maps_is_checked_soon_and_with_few_queries(stage, django_assert_max_num_queries):
    lines = [{"field": f"F{number}__c", "from": ["charge.id"]} for number in range(150)]
    settings = {"target": "Payment__c", "lines": lines}
    steps = [{"id": f"map_{number}", "kind": "map", "settings": settings} for number in range(60)]
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}

    began = time.process_time()
    with django_assert_max_num_queries(40):
        checking.check(
            {"format": 1, "name": "Many", "trigger": trigger, "steps": steps}, stage.pair, now=NOON
        )

    assert time.process_time() - began < 4.0
