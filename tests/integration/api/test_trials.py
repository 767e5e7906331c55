"""Trials by REST: trying, test cases, comparing with what is live, and who may."""

from __future__ import annotations

import json

import pytest

from flows.models import Deployment, Event, FlowVersion, TestCase
from flows.publishing import publish
from integrator import vault
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.flows.given import a_charge
from tests.integration.flows.two_systems import DUN, UPSERT

BODY = {
    "id": "evt_1", "object": "event", "type": "charge.succeeded", "created": 1764000000,
    "data": {"object": a_charge(payment_intent="pi_7", brand="visa")},
}  # fmt: skip


@pytest.fixture
def path(stage):
    """Return the address of a live flow that saves payments."""
    flow, pair = stage.deployment.flow, stage.pair
    document = {
        "format": 1,
        "name": "Payments",
        "trigger": {"kind": "stripe.event", "types": ["charge.succeeded"]},
        "steps": [*UPSERT, DUN],
    }
    version = publish(flow=flow, document=document, actor="ada", now=NOON)
    Deployment.objects.filter(pk=stage.deployment.pk).update(ended_at=NOON)
    Deployment.objects.create(flow=flow, version=version, pair=pair, deployed_at=NOON, deployed_by="ada")
    return f"flows/{flow.public_id}/"


def without(field):
    document = json.loads(json.dumps(FlowVersion.objects.latest("number").document))
    lines = document["steps"][0]["settings"]["lines"]
    document["steps"][0]["settings"]["lines"] = [line for line in lines if line["field"] != field]
    return document


def test_a_pasted_event_shows_the_record_and_what_would_be_started(admin, path):
    answer = admin.post(f"{path}try/", {"body": BODY})

    told = answer.json()
    assert answer.status_code == 200
    assert told["ending"] == "done"
    assert told["records"] == [
        {"slot": "salesforce", "object": "Payment__c", "key_field": "External_ID__c", "key": "pi_7",
         "fields": {"Status__c": "succeeded", "Card_Brand__c": "visa"}},
    ]  # fmt: skip
    assert [call["purpose"] for call in told["calls"]] == ["Start the Flow Stripe_Dunning"]
    assert [entry["step"] for entry in told["entries"]] == ["source", "describe", "save", "dun"]


def test_a_flow_is_tried_as_far_as_a_step(admin, path):
    told = admin.post(f"{path}try/", {"body": BODY, "to": "describe"}).json()
    nowhere = admin.post(f"{path}try/", {"body": BODY, "to": "nowhere"})

    assert [entry["step"] for entry in told["entries"]] == ["source", "describe"]
    assert (told["records"], told["calls"]) == ([], [])
    assert nowhere.status_code == 400
    assert "no step nowhere" in nowhere.content.decode()


def test_a_recorded_event_is_found_in_its_environment_only(admin, stage, path):
    found = admin.post(f"{path}try/", {"event": stage.event.pk}, environment="dev")
    elsewhere = admin.post(f"{path}try/", {"event": stage.event.pk}, environment="qa")
    nowhere = admin.post(f"{path}try/", {"event": stage.event.pk})

    assert (found.status_code, elsewhere.status_code, nowhere.status_code) == (200, 400, 400)


def test_an_older_version_and_a_document_of_ones_own_can_be_tried(admin, path):
    older = admin.post(f"{path}try/", {"body": BODY, "version": 1}).json()
    own = admin.post(f"{path}try/", {"body": BODY, "document": without("Card_Brand__c")}).json()

    assert older["ending"] == "ended"
    assert own["records"][0]["fields"] == {"Status__c": "succeeded"}
    assert FlowVersion.objects.count() == 2


def test_secrets_in_an_event_are_masked_in_what_is_shown(admin, path):
    body = {**BODY, "data": {"object": a_charge(brand="sk_test_CANARY4eC39HqLyjWDarjtT1zdp7dc")}}

    assert "CANARY" not in admin.post(f"{path}try/", {"body": body}).content.decode()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "event"),
        ({"body": {}}, "event"),
        ({"body": {"type": "x"}}, "event"),
        ({"sample": "nothing.here"}, "event"),
        ({"sample": "../payments.x"}, "event"),
        ({"event": 999_999}, "event"),
        ({"body": BODY, "version": 77}, "version"),
        ({"body": BODY, "draft": True}, "version"),
        ({"body": BODY, "document": {"name": "x"}}, "document.steps"),
        ({"body": BODY, "live_reads": True}, "event"),
        ({"body": BODY, "to": "save", "document": {"steps": ["x", {"exits": ["y"]}]}}, "to"),
        ({"body": BODY, "to": "save", "document": {"steps": "x"}}, "to"),
    ],
    ids=str,
)
def test_what_cannot_be_tried_names_the_field(admin, path, given, field):
    answer = admin.post(f"{path}try/", given)

    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_who_may_not_change_flows_may_not_hand_in_a_document(program, path):
    operator = program("operator")

    assert operator.post(f"{path}try/", {"body": BODY}).status_code == 200
    assert operator.post(f"{path}try/", {"body": BODY, "document": without("x")}).status_code == 403
    assert operator.post(f"{path}test-cases/run/", {"document": without("x")}).status_code == 403
    assert program("viewer").post(f"{path}try/", {"body": BODY}).status_code == 403


# Test cases


def test_a_saved_trial_passes_until_the_flow_does_something_else(admin, path):
    made = admin.post(f"{path}test-cases/", {"name": "A card", "body": BODY})

    same = admin.post(f"{path}test-cases/run/", {}).json()
    changed = admin.post(f"{path}test-cases/run/", {"document": without("Card_Brand__c")}).json()

    assert made.status_code == 201
    assert (same["passed"], same["results"][0]["differences"]) == (True, [])
    assert changed["passed"] is False
    assert changed["results"][0]["differences"] == [
        {"where": "Payment__c pi_7", "field": "Card_Brand__c", "before": "visa", "after": None}
    ]


def test_what_a_test_case_holds_is_sealed_and_told_to_the_trail(admin, path):
    admin.post(f"{path}test-cases/", {"name": "A card", "body": BODY})

    case = TestCase.objects.get()
    assert b"pi_7" not in bytes(case.given) + bytes(case.expected)
    assert b"pi_7" in vault.unseal(case.given, owner=f"case:{case.flow_id}")
    assert AuditEntry.objects.filter(action="case.saved").count() == 1
    assert "pi_7" not in admin.get(f"{path}test-cases/").content.decode()


def test_saving_under_the_same_name_replaces(admin, path):
    for brand in ("visa", "amex"):
        body = {**BODY, "data": {"object": a_charge(payment_intent="pi_7", brand=brand)}}
        admin.post(f"{path}test-cases/", {"name": "A card", "body": body})

    (case,) = TestCase.objects.all()
    assert case.expected_outcome()["records"]["Payment__c pi_7"]["Card_Brand__c"] == "amex"


def test_a_test_case_is_deleted_with_its_event(admin, path):
    admin.post(f"{path}test-cases/", {"name": "A card", "body": BODY})
    case = TestCase.objects.get()

    assert admin("DELETE", f"{path}test-cases/{case.public_id}/").status_code == 204
    assert not TestCase.objects.exists()
    assert AuditEntry.objects.filter(action="case.deleted").exists()


def test_a_test_case_whose_key_is_lost_says_so_and_harms_no_other(admin, path):
    for name in ("A", "B"):
        admin.post(f"{path}test-cases/", {"name": name, "body": BODY})
    TestCase.objects.filter(name="A").update(given=b"damaged")

    lost, good = admin.post(f"{path}test-cases/run/", {}).json()["results"]

    assert (lost["passed"], good["passed"]) == (False, True)
    assert "does not open" in lost["trouble"]


# Beside the live version


def test_a_document_is_compared_with_the_live_version(admin, stage, path):
    same = admin.post(f"{path}shadow/", {}, environment="dev").json()
    changed = admin.post(f"{path}shadow/", {"document": without("Status__c")}, environment="dev").json()

    assert (same["done"], same["same"], same["left"], same["next"]) == (1, 1, 0, None)
    assert (changed["differing"], len(changed["groups"])) == (1, 1)
    (group,) = changed["groups"]
    assert (group["where"], group["field"], group["count"]) == ("Payment__c", "Status__c", 1)
    assert group["examples"][0]["event"] == stage.event.external_id


def test_a_comparison_goes_on_where_it_stopped_for_its_owner_only(admin, program, stage, path, monkeypatch):
    monkeypatch.setattr("flows.trials.shadows.SECONDS", 0.0)
    for _ in range(2):
        stage.event.pk, stage.event.external_id = None, f"{stage.event.external_id}x"
        stage.event.save()

    first = admin.post(f"{path}shadow/", {}, environment="dev").json()
    stolen = program("operator").post(f"{path}shadow/", {"next": first["next"]}, environment="dev")
    second = admin.post(f"{path}shadow/", {"next": first["next"]}, environment="dev").json()

    assert (first["total"], first["done"], second["done"]) == (3, 1, 2)
    assert stolen.status_code == 400
    assert admin.post(f"{path}shadow/", {"next": "x"}, environment="dev").status_code == 400


def test_an_event_that_cannot_be_opened_is_counted_apart(admin, stage, path):
    Event.objects.update(body=b"damaged")

    assert admin.post(f"{path}shadow/", {}, environment="dev").json()["skipped"] == 1


def test_where_nothing_is_live_there_is_nothing_to_compare_with(admin, path):
    Deployment.objects.update(ended_at=NOON)

    assert admin.post(f"{path}shadow/", {}, environment="dev").status_code == 409
    assert admin.post(f"{path}shadow/", {}, environment="qa").status_code == 400
    assert admin.post(f"{path}shadow/", {}).status_code == 400


def test_a_test_case_belongs_to_the_environment_of_its_event(admin, stage, path):
    event = Event.objects.get(pk=stage.event.pk)
    admin.post(f"{path}test-cases/", {"name": "Recorded", "event": event.pk}, environment="dev")
    admin.post(f"{path}test-cases/", {"name": "Pasted", "body": BODY})

    names = {
        place: [one["name"] for one in admin.post(f"{path}test-cases/run/", {}, **place_).json()["results"]]
        for place, place_ in (("all", {}), ("dev", {"environment": "dev"}), ("qa", {"environment": "qa"}))
    }

    assert names == {"all": ["Pasted", "Recorded"], "dev": ["Pasted", "Recorded"], "qa": ["Pasted"]}
