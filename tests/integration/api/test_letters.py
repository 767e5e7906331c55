"""Dead letters by REST: retried alone or together, discarded with a reason, and never twice."""

from __future__ import annotations

import pytest

from flows.models import DeadLetter
from integrator.accounts.models import AuditEntry
from tests.integration.flows.reading import a_dead_run


def test_letters_are_found_by_what_failed(admin, stage):
    for query in (
        {"error_class": "refused"},
        {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
        {"fingerprint": stage.letter.fingerprint},
        {"flow": stage.deployment.flow.public_id},
        {"external_id": stage.event.external_id},
        {"resolved": "false"},
    ):
        assert [row["id"] for row in admin.get("dead-letters/", **query).json()["results"]] == [
            stage.letter.public_id
        ]
    assert admin.get("dead-letters/", resolved="true").json()["results"] == []


def test_a_letter_is_retried_once(admin, stage):
    path = f"dead-letters/{stage.letter.public_id}/retry/"

    first, second = admin.post(path), admin.post(path)

    assert (first.status_code, first.json()["resolution"]) == (200, "retried")
    assert (second.status_code, second["Content-Type"]) == (409, "application/problem+json")
    stage.run.refresh_from_db()
    assert stage.run.state == "ready"


def test_a_letter_is_discarded_with_a_reason(admin, stage):
    path = f"dead-letters/{stage.letter.public_id}/discard/"

    refused, done = admin.post(path, {}), admin.post(path, {"reason": "Refunded by hand"})

    assert [error["field"] for error in refused.json()["errors"]] == ["reason"]
    assert done.json()["resolution"] == "discarded"
    assert AuditEntry.objects.get(action="deadletter.discarded").actor == "token admin program"


@pytest.mark.parametrize(
    ("which", "retried"),
    [
        ({}, 1),
        ({"environment": "dev"}, 1),
        ({"environment": "qa"}, 0),
        ({"code": "OTHER"}, 0),
        ({"error_class": "refused"}, 1),
    ],
)
def test_many_letters_are_retried_by_what_failed(admin, stage, which, retried):
    assert admin.post("dead-letters/retry-all/", which).json() == {"retried": retried}


def test_a_misspelt_filter_retries_nothing(admin, stage):
    answer = admin.post("dead-letters/retry-all/", {"cod": "OTHER"})

    assert answer.status_code == 400
    assert DeadLetter.objects.unresolved().count() == 1


def test_causes_are_listed_and_arranged(admin, stage):
    (before,) = admin.get("dead-letters/causes/", environment="dev").json()["results"]
    changes = {"environment": "dev", "assignee": "admin-acme@maker.test", "tags": ["Finance"]}

    after = admin("PATCH", f"dead-letters/causes/{stage.letter.fingerprint}/", changes)

    assert (before["count"], before["newest"], before["assignee"]) == (1, stage.letter.public_id, None)
    assert len(before["trend"]) == 14
    assert (after.json()["assignee"], after.json()["tags"]) == ("admin-acme@maker.test", ["finance"])
    assert len(admin.get("dead-letters/causes/", environment="dev", tag="finance").json()["results"]) == 1
    assert admin.get("dead-letters/causes/", environment="dev", assigned="nobody").json()["results"] == []
    assert admin("PATCH", "dead-letters/causes/unknown/", {"environment": "dev"}).status_code == 404


def test_a_cause_is_retried_one_first_and_stopped(admin, stage):
    path = f"dead-letters/causes/{stage.letter.fingerprint}/retry/"

    told = admin.get(path, environment="dev", per_minute="10").json()
    going = admin.post(path, {"environment": "dev", "per_minute": 10})
    shown = admin.get(f"dead-letters/retries/{going.json()['id']}/").json()
    stopped = admin.post(f"dead-letters/retries/{going.json()['id']}/stop/").json()

    assert (told["count"], told["first"], told["seconds"]) == (1, stage.letter.public_id, 0)
    assert (going.status_code, shown["state"], shown["progress"]["running"]) == (201, "first", 1)
    assert stopped["reason"] == "token admin program stopped it"
    assert admin.post(path, {"environment": "dev"}).status_code == 409
    assert len(admin.get("dead-letters/retries/", state="stopped").json()["results"]) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(lambda stage: {"q": stage.event.external_id}, True, id="an event"),
        pytest.param(lambda stage: {"q": stage.letter.public_id}, True, id="a letter"),
        pytest.param(lambda stage: {"q": stage.letter.fingerprint[:12]}, True, id="a fingerprint"),
        pytest.param(lambda _: {"q": "bad custom_validation"}, True, id="words"),
        pytest.param(lambda _: {"q": "bad weather"}, False, id="not all words"),
        pytest.param(lambda stage: {"flow": stage.deployment.flow.public_id}, True, id="a flow"),
        pytest.param(lambda _: {"flow": "nobody"}, False, id="no flow"),
        pytest.param(lambda _: {"error_class": "refused"}, True, id="a class"),
        pytest.param(lambda _: {"error_class": "lock"}, False, id="another class"),
    ],
)
def test_causes_are_found(admin, stage, query, found):
    rows = admin.get("dead-letters/causes/", environment="dev", **query(stage)).json()["results"]

    assert [row["newest"] for row in rows] == [stage.letter.public_id] * found


def test_causes_are_read_page_by_page(admin, stage):
    fields = ["A__c", "B__c", "C__c"]
    for field in fields:
        a_dead_run(stage.pair, field=field)

    first = admin.get("dead-letters/causes/", environment="dev", limit="2").json()
    second = admin.client.get(first["next"], headers={"Authorization": f"Bearer {admin.token}"}).json()

    assert [row["field"] for row in first["results"]] == ["C__c", "B__c"]
    assert [row["field"] for row in second["results"]] == ["A__c", ""]
    assert second["next"] is None


def test_a_cause_is_discarded_with_a_reason(admin, stage):
    path = f"dead-letters/causes/{stage.letter.fingerprint}/discard/"

    unexplained = admin.post(path, {"environment": "dev", "reason": " "})
    elsewhere = admin.post(path, {"environment": "qa", "reason": "Refunded by hand"})
    done = admin.post(path, {"environment": "dev", "reason": "Refunded by hand"})
    again = admin.post(path, {"environment": "dev", "reason": "Refunded by hand"})

    assert [error["field"] for error in unexplained.json()["errors"]] == ["reason"]
    assert (elsewhere.status_code, again.status_code) == (409, 409)
    assert (done.status_code, done.json()) == (200, {"discarded": 1})
    assert DeadLetter.objects.get().resolution == "discarded"
    entry = AuditEntry.objects.get(action="deadletters.discarded")
    assert (entry.actor, entry.details["reason"]) == ("token admin program", "Refunded by hand")


def test_all_of_a_cause_are_retried_without_waiting_for_the_first(admin, stage):
    path = f"dead-letters/causes/{stage.letter.fingerprint}/retry/"

    going = admin.post(path, {"environment": "dev", "one_first": False}).json()

    assert (going["one_first"], going["state"], going["progress"]["running"]) == (False, "done", 1)
