"""Questions by REST: seen by everybody, their evidence by few, answered once."""

from __future__ import annotations

import pytest

from flows.engine.approving import Terms
from flows.engine.outcome import AskHuman, Option
from flows.models import Review
from integrator.accounts.models import AuditEntry
from integrator.accounts.roles import Role
from tests.integration.api.conftest import Program, staged
from tests.integration.flows.asking import SURE, WHICH, a_question


@pytest.fixture
def question(stage):
    """Return the open question which record is meant."""
    return a_question(stage.pair, WHICH)


def test_questions_are_found_by_what_they_are_about(admin, stage, question):
    a_question(stage.pair, SURE)

    for query in (
        {"kind": "several"},
        {"run": question.run.public_id},
        {"external_id": question.run.event.external_id},
        {"object_id": question.run.event.object_id},
    ):
        assert [row["id"] for row in admin.get("reviews/", **query).json()["results"]] == [question.public_id]
    assert len(admin.get("reviews/", open="true").json()["results"]) == 2
    assert admin.get("reviews/", open="false").json()["results"] == []
    assert admin.get("reviews/", environment="qa").json()["results"] == []


def test_a_question_tells_its_options_and_evidence(admin, question):
    told = admin.get(f"reviews/{question.public_id}/").json()

    assert told["question"] == "Which account is it?"
    assert told["options"][1] == {
        "value": "001000000000002AAA",
        "label": "Acme Ltd, 555-1",
        "description": "001000000000002AAA",
    }
    assert [record["Name"] for record in told["evidence"]["records"]] == ["Acme", "Acme Ltd"]


def test_without_payloads_records_are_ids_and_there_is_no_evidence(program, question):
    told = program(Role.VIEWER).get(f"reviews/{question.public_id}/")

    assert told.json()["evidence"] is None
    assert [option["label"] for option in told.json()["options"]] == [
        "001000000000001AAA",
        "001000000000002AAA",
        "None of them",
    ]
    assert "555-1" not in told.content.decode()


def test_a_question_is_answered_once(admin, question):
    path = f"reviews/{question.public_id}/answer/"

    first = admin.post(path, {"answer": "001000000000001AAA"})
    second = admin.post(path, {"answer": "none"})

    assert (first.status_code, first.json()["resolution"], first.json()["answer"]) == (
        200,
        "answered",
        "001000000000001AAA",
    )
    assert second.status_code == 409
    question.run.refresh_from_db()
    assert question.run.state == "ready"


def test_nothing_beside_the_answer_changes_what_the_audit_trail_says(admin, question):
    forged = {name: {"take": "value"} for name in ("answer", "run", "comment")}

    admin.post(f"reviews/{question.public_id}/answer/", {"answer": "none", "fields": forged})

    details = AuditEntry.objects.get(action="review.answered").details
    assert details == {"run": question.run.public_id, "answer": "none"}


@pytest.mark.parametrize("body", [{}, {"answer": ""}, {"answer": "001000000000009AAA"}, {"answer": ["none"]}])
def test_what_is_no_answer_is_named(admin, question, body):
    answer = admin.post(f"reviews/{question.public_id}/answer/", body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["answer"]
    assert Review.objects.open().count() == 1


def test_a_question_is_discarded_with_a_reason(admin, question):
    path = f"reviews/{question.public_id}/discard/"

    assert admin.post(path, {}).status_code == 400
    assert admin.post(path, {"reason": "A test"}).json()["resolution"] == "discarded"
    assert AuditEntry.objects.get(action="review.discarded").actor == "token admin program"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DESIGNER, Role.APPROVER])
def test_who_may_not_answer_is_refused(program, question, role):
    assert program(role).post(f"reviews/{question.public_id}/answer/", {"answer": "none"}).status_code == 403


def test_another_workspaces_question_is_not_there(question):
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert stranger.get(f"reviews/{question.public_id}/").status_code == 404
    assert stranger.post(f"reviews/{question.public_id}/answer/", {"answer": "none"}).status_code == 404
    assert stranger.get("reviews/").json()["results"] == []
    assert Review.objects.open().count() == 1


def test_an_approval_is_decided_by_whom_it_is_asked_of_and_explained(program, stage):
    terms = Terms("approver", [], [], "declining")
    options = (Option("approved", "Approve"), Option("declined", "Decline"))
    asked = AskHuman("Pay 5?", kind="approval", options=options, evidence={"amount": 5}, terms=terms)
    review = a_question(stage.pair, asked)
    path, approver, operator = f"reviews/{review.public_id}/", program(Role.APPROVER), program(Role.OPERATOR)

    told = approver.get(path).json()
    refused = operator.post(f"{path}decide/", {"answer": "approved"})
    unexplained = approver.post(f"{path}decide/", {"answer": "declined"})
    decided = approver.post(f"{path}decide/", {"answer": "declined", "comment": "Not now"})

    assert (told["asked_of"], told["evidence"]) == ("the role approver", {"amount": 5})
    assert refused.status_code == operator.post(f"{path}answer/", {"answer": "approved"}).status_code == 403
    assert [error["field"] for error in unexplained.json()["errors"]] == ["comment"]
    assert (decided.json()["answer"], decided.json()["comment"]) == ("declined", "Not now")
    assert program(Role.AUDITOR).post(f"{path}decide/", {"answer": "approved"}).status_code == 403


def test_only_approvals_are_decided(admin, question):
    assert admin.post(f"reviews/{question.public_id}/decide/", {"answer": "none"}).status_code == 404
