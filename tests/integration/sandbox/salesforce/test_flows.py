"""This module tests the org's Flows: those that callers start, and those that saved records start."""

from __future__ import annotations

import pytest

from flows import offering

FLOW = "/actions/custom/flow/Stripe_Dunning"


def runs(outsider, flow=""):
    return outsider.control("GET", "flows", flow=flow)["runs"]


def an_effect(key="eff_1", **values):
    return {"External_ID__c": key, "Kind__c": "dunning", **values}


def tasks(outsider):
    return outsider.control("GET", "records", object="Task")["records"]


def test_the_flows_that_can_be_started_are_listed_and_described(outsider):
    listed = outsider.get("/actions/custom/flow").json()["actions"]
    described = outsider.get(FLOW).json()

    assert [action["name"] for action in listed] == ["Stripe_Dunning"]
    assert {each["name"] for each in described["inputs"]} == {"Effect_ID", "Payload", "Record_ID"}
    assert "Flow__InterviewStatus" in {each["name"] for each in described["outputs"]}
    assert outsider.get("/actions/custom").json()["flow"].endswith("/actions/custom/flow")


def test_a_started_flow_does_its_work_and_is_counted(outsider):
    payment = outsider.upsert({"External_ID__c": "pi_1"}).json()["id"]

    answer = outsider.post(FLOW, {"inputs": [{"Effect_ID": "eff_1", "Record_ID": payment}]})

    (told,) = answer.json()
    assert (answer.status_code, told["isSuccess"], told["errors"]) == (200, True, None)
    assert told["outputValues"]["Flow__InterviewStatus"] == "Finished"
    (run,) = runs(outsider)
    assert (run["flow"], run["trigger"], run["inputs"]["Effect_ID"]) == ("Stripe_Dunning", "api", "eff_1")
    (task,) = tasks(outsider)
    assert (task["WhatId"], task["Integration_Key__c"]) == (payment, "eff_1")


def test_each_input_is_an_interview_of_its_own_and_one_that_fails_takes_only_its_own_work_back(outsider):
    payment = outsider.upsert({"External_ID__c": "pi_1"}).json()["id"]
    inputs = [{"Effect_ID": key, "Record_ID": payment} for key in ("eff_1", "eff_1", "eff_2")]

    answer = outsider.post(FLOW, {"inputs": inputs})

    assert answer.status_code == 400
    assert [told["isSuccess"] for told in answer.json()] == [True, False, True]
    assert "unhandled fault" in answer.json()[1]["errors"][0]["message"]
    assert len(tasks(outsider)) == len(runs(outsider)) == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param("Nope", {"inputs": [{}]}, 404, "NOT_FOUND", id="no such flow"),
        pytest.param("Stripe_Effect_Runner", {"inputs": [{}]}, 404, "NOT_FOUND", id="not to be started"),
        pytest.param("Stripe_Dunning", {"inputs": 1}, 400, "JSON_PARSER_ERROR", id="no list"),
        pytest.param("Stripe_Dunning", {"inputs": [{}] * 201}, 400, "EXCEEDED_ID_LIMIT", id="too many"),
    ],
)
def test_a_start_that_cannot_be_is_refused_as_a_whole(outsider, path, body, status, code):
    answer = outsider.post(f"/actions/custom/flow/{path}", body)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)
    assert runs(outsider) == []


def test_an_input_that_the_flow_does_not_know_fails_its_interview(outsider):
    answer = outsider.post(FLOW, {"inputs": [{"Nonsense": 1}]})

    assert answer.json()[0]["errors"][0]["statusCode"] == "INVALID_INPUT"


def test_a_new_effect_runs_the_dunning_flow_once_whatever_is_upserted_again(outsider):
    payment = outsider.upsert({"External_ID__c": "pi_1"}).json()["id"]
    effect = an_effect(Record_ID__c=payment, Payload__c="{}")

    for _ in range(3):
        outsider.upsert(effect, "Integration_Effect__c")

    assert [run["flow"] for run in runs(outsider)] == ["Stripe_Effect_Runner", "Stripe_Dunning"]
    assert len(tasks(outsider)) == 1
    (held,) = outsider.control("GET", "records", object="Integration_Effect__c")["records"]
    assert held["Done_At__c"] is not None


def test_another_kind_of_effect_runs_nothing_more(outsider):
    outsider.upsert(an_effect(Kind__c="other"), "Integration_Effect__c")

    assert [run["flow"] for run in runs(outsider)] == ["Stripe_Effect_Runner"]


def test_a_flow_that_fails_stops_the_save_and_leaves_nothing(outsider):
    outsider.control("POST", "flows", {"flow": "Stripe_Dunning", "fails": "Nobody to write to"})
    records = [an_effect("eff_1"), an_effect("eff_2", Kind__c="other")]

    answer = outsider.collection(records, "Integration_Effect__c").json()

    assert answer[0]["errors"][0]["statusCode"] == "CANNOT_EXECUTE_FLOW_TRIGGER"
    assert "Nobody to write to" in answer[0]["errors"][0]["message"]
    assert answer[1]["success"]
    assert outsider.control("GET", "records", object="Integration_Effect__c")["count"] == 1
    assert [run["flow"] for run in runs(outsider)] == ["Stripe_Effect_Runner"]


def test_all_or_none_takes_interviews_and_events_back(outsider):
    records = [an_effect("eff_1"), an_effect("eff_2", Nope__c=1)]

    outsider.collection(records, "Integration_Effect__c", all_or_none=True)

    assert runs(outsider) == []


def test_a_flow_can_be_registered_switched_off_and_told_what_to_return(outsider):
    outsider.control("POST", "flows", {"flow": "Score", "inputs": ["A"], "outputs": {"Score": 7}})
    first = outsider.post("/actions/custom/flow/Score", {"inputs": [{"A": 1}]}).json()
    outsider.control("POST", "flows", {"flow": "Score", "active": False})
    second = outsider.post("/actions/custom/flow/Score", {"inputs": [{}]})

    assert first[0]["outputValues"]["Score"] == 7
    assert second.status_code == 404
    rows = outsider.query("SELECT ApiName FROM FlowDefinitionView WHERE IsActive = true").json()["records"]
    assert {row["ApiName"] for row in rows} == {"Stripe_Dunning", "Stripe_Effect_Runner"}


def test_the_query_for_what_a_step_may_start_tells_which_flows_have_a_trigger(outsider):
    rows = outsider.query(offering.FLOWS).json()["records"]

    assert {row["ApiName"]: row["TriggerType"] for row in rows} == {
        "Stripe_Dunning": None,
        "Stripe_Effect_Runner": "RecordAfterSave",
    }


def test_an_opportunity_that_is_won_is_told_once_if_the_flow_is_active(outsider):
    outsider.control("POST", "flows", {"flow": "Opportunity_Closed_Won", "active": True})
    body = {"Name": "Big", "StageName": "Prospecting", "CloseDate": "2026-11-24"}
    made = outsider.post("/sobjects/Opportunity", body).json()["id"]

    for phone in ("Closed Won", "Closed Won", "Closed Lost"):
        outsider.patch(f"/sobjects/Opportunity/{made}", {"StageName": phone})

    events = outsider.control("GET", "events")["events"]
    assert [event["values"] for event in events] == [{"Opportunity_ID__c": made}]
