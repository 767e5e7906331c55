"""This module tests composite and composite graph: several calls in one that use each other's results."""

from __future__ import annotations

import pytest

from tests.integration.sandbox.salesforce.rig import VERSION


def part(method, path, name, body=None):
    made = {"method": method, "url": VERSION + path, "referenceId": name}
    return made if body is None else {**made, "body": body}


def an_account(name="Acme", reference="acc"):
    return part("POST", "/sobjects/Account", reference, {"Name": name})


def a_contact(**values):
    return part(
        "POST", "/sobjects/Contact", "con", {"LastName": "Lovelace", "AccountId": "@{acc.id}", **values}
    )


def send(outsider, *parts, all_or_none=False):
    return outsider.post("/composite", {"allOrNone": all_or_none, "compositeRequest": list(parts)})


def count(outsider, sobject):
    return outsider.control("GET", "records", object=sobject)["count"]


def test_a_later_call_uses_what_an_earlier_one_answered(outsider):
    answer = send(
        outsider,
        part("PATCH", "/sobjects/Account/Integration_Key__c/eff_1", "acc", {"Name": "Acme"}),
        a_contact(),
        part("GET", "/sobjects/Account/@{acc.id}?fields=Name", "read"),
        part("GET", "/query?q=SELECT+Id+FROM+Contact", "found"),
        part("PATCH", "/sobjects/Contact/@{found.records[0].Id}", "named", {"FirstName": "@{read.Name}"}),
    )

    told = answer.json()["compositeResponse"]
    assert [each["httpStatusCode"] for each in told] == [201, 201, 200, 200, 204]
    assert [each["referenceId"] for each in told] == ["acc", "con", "read", "found", "named"]
    (contact,) = outsider.control("GET", "records", object="Contact")["records"]
    assert (contact["AccountId"], contact["FirstName"]) == (told[0]["body"]["id"], "Acme")
    assert told[1]["httpHeaders"]["Location"].endswith(contact["Id"])


def test_without_all_or_none_the_others_stand_and_who_refers_to_a_failure_is_halted(outsider):
    answer = send(outsider, an_account(""), a_contact(), an_account("Other", "other"))

    told = answer.json()["compositeResponse"]
    assert answer.status_code == 200
    assert [each["httpStatusCode"] for each in told] == [400, 400, 201]
    assert told[0]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert told[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert count(outsider, "Account") == 1


def test_all_or_none_takes_everything_back(outsider):
    told = send(outsider, an_account(), a_contact(Nope__c=1), an_account("B", "b"), all_or_none=True).json()

    codes = [each["body"][0]["errorCode"] for each in told["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "INVALID_FIELD", "PROCESSING_HALTED"]
    assert count(outsider, "Account") == count(outsider, "Contact") == 0
    assert outsider.control("GET", "writes", object="Account")["writes"] == []


def test_all_or_none_holds_for_collections_and_events_within(outsider):
    payment = {"attributes": {"type": "Payment__c"}, "External_ID__c": "pi_1"}
    event = part("POST", "/sobjects/Stripe_Payment_Failed__e", "event", {"Payment_ID__c": "pi_1"})
    collection = part(
        "PATCH", "/composite/sobjects/Payment__c/External_ID__c", "many", {"records": [payment]}
    )

    send(outsider, collection, event, an_account(""), all_or_none=True)
    nothing = (count(outsider, "Payment__c"), outsider.control("GET", "events")["counts"])
    send(outsider, collection, event, an_account(), all_or_none=True)

    assert nothing == (0, {})
    assert count(outsider, "Payment__c") == 1
    assert outsider.control("GET", "events")["counts"] == {"Stripe_Payment_Failed__e": 1}


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        pytest.param([an_account(reference=f"a{n}") for n in range(26)], "LIMIT_EXCEEDED", id="too many"),
        pytest.param(
            [part("GET", "/query?q=SELECT+Id+FROM+Account", f"q{n}") for n in range(6)],
            "LIMIT_EXCEEDED",
            id="too many queries",
        ),
        pytest.param([an_account(), an_account()], "INVALID_INPUT", id="a name twice"),
        pytest.param([an_account(reference="no name")], "INVALID_INPUT", id="no name"),
        pytest.param([], "JSON_PARSER_ERROR", id="nothing"),
    ],
)
def test_a_request_that_cannot_be_is_refused_as_a_whole(outsider, parts, code):
    answer = send(outsider, *parts)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    assert count(outsider, "Account") == 0


def test_graphs_stand_or_fall_each_by_itself(outsider):
    graphs = [
        {"graphId": "1", "compositeRequest": [an_account("One"), a_contact()]},
        {"graphId": "2", "compositeRequest": [an_account("Two"), a_contact(LastName=None)]},
    ]

    told = outsider.post("/composite/graph", {"graphs": graphs}).json()["graphs"]

    assert [(graph["graphId"], graph["isSuccessful"]) for graph in told] == [("1", True), ("2", False)]
    failed = told[1]["graphResponse"]["compositeResponse"]
    assert [each["body"][0]["errorCode"] for each in failed] == [
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
    ]
    assert outsider.names("SELECT Name FROM Account") == ["One"]


def test_after_fourteen_failed_graphs_the_rest_is_not_tried(outsider):
    graphs = [
        {"graphId": str(n), "compositeRequest": [an_account("" if n < 14 else "Good")]} for n in range(16)
    ]

    told = outsider.post("/composite/graph", {"graphs": graphs}).json()["graphs"]

    assert [graph["isSuccessful"] for graph in told] == [False] * 16
    last = told[15]["graphResponse"]["compositeResponse"][0]
    assert last["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert count(outsider, "Account") == 0


def test_a_graph_has_limits(outsider):
    parts = [an_account(reference=f"a{n}") for n in range(501)]

    for graphs in ([{"graphId": "1", "compositeRequest": parts}], [], [{"compositeRequest": parts[:1]}]):
        assert outsider.post("/composite/graph", {"graphs": graphs}).status_code == 400
