"""This module tests what the org refuses to save, with the code, the message and the fields that it names."""

from __future__ import annotations

import pytest


def errors(answer):
    assert answer.status_code == 400, answer.text
    return [(error["errorCode"], error.get("fields")) for error in answer.json()]


def payment(outsider, **values):
    return outsider.upsert({"External_ID__c": "pi_1", **values})


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        pytest.param({"Name": "x" * 81}, "STRING_TOO_LONG", "Name", id="too long"),
        pytest.param({"Name": "🙂" * 41}, "STRING_TOO_LONG", "Name", id="an emoji counts twice"),
        pytest.param({"Currency__c": "euro"}, "STRING_TOO_LONG", "Currency__c", id="currency"),
        pytest.param(
            {"Status__c": "Lost"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Status__c", id="unknown choice"
        ),
        pytest.param({"Amount__c": 10**15}, "NUMBER_OUTSIDE_VALID_RANGE", "Amount__c", id="too big"),
        pytest.param(
            {"Amount__c": "999999999999999.9999"}, "NUMBER_OUTSIDE_VALID_RANGE", "Amount__c", id="rounded up"
        ),
        pytest.param({"Account__c": "nonsense"}, "MALFORMED_ID", "Account__c", id="no id"),
        pytest.param({"Account__c": "003gK000000700CQAQ"}, "MALFORMED_ID", "Account__c", id="a contact's id"),
        pytest.param(
            {"Account__c": "001gK0000007zzzAAQ"},
            "MALFORMED_ID",
            "Account__c",
            id="an id with a wrong checksum",
        ),
        pytest.param(
            {"CreatedDate": "2026-01-01T00:00:00Z"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "CreatedDate",
            id="a field that is not writable",
        ),
    ],
)
def test_each_bad_value_is_refused_by_name(outsider, values, code, field):
    answer = payment(outsider, **values)

    assert errors(answer) == [(code, [field])]
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 0


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"Amount__c": "lots"}, id="a number"),
        pytest.param({"Amount__c": True}, id="a number that is a flag"),
        pytest.param({"Amount__c": "NaN"}, id="not a number"),
        pytest.param({"Livemode__c": "maybe"}, id="a flag"),
        pytest.param({"Livemode__c": None}, id="an empty flag"),
        pytest.param({"Paid_At__c": "yesterday"}, id="a time"),
        pytest.param({"Paid_At__c": "2026-02-30T00:00:00Z"}, id="a time that never was"),
        pytest.param({"Paid_At__c": "2026-01-01T00:00:00"}, id="a time without a zone"),
        pytest.param({"Paid_At__c": 1727148367}, id="unix time"),
        pytest.param({"Failure_Code__c": 12}, id="text"),
        pytest.param({"Failure_Code__c": {"a": 1}}, id="an object"),
        pytest.param({"Account__c": 1}, id="a look-up"),
    ],
)
def test_a_json_value_of_the_wrong_type_fails_the_request(outsider, values):
    answer = payment(outsider, **values)

    assert errors(answer) == [("JSON_PARSER_ERROR", None)]
    assert "Cannot deserialize instance of" in answer.json()[0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"Amount__c": NaN}', id="NaN"),
        pytest.param(b'{"Failure_Code__c": "\\ud800"}', id="a lone surrogate"),
        pytest.param(b'{"Failure_Code__c": "\xff"}', id="bad UTF-8"),
        pytest.param(b'{"a":' * 30_000, id="deep"),
    ],
)
def test_a_body_that_is_no_object_is_refused(outsider, body):
    headers = {"Content-Type": "application/json"}

    answer = outsider.call("PATCH", "/sobjects/Payment__c/External_ID__c/pi_1", data=body, headers=headers)

    assert errors(answer) == [("JSON_PARSER_ERROR", None)]


def test_a_body_of_another_kind_is_refused(outsider):
    answer = outsider.call(
        "POST", "/sobjects/Account", data="Name=Acme", headers={"Content-Type": "text/plain"}
    )

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_everything_that_is_wrong_is_told_at_once(outsider):
    answer = outsider.post("/sobjects/Opportunity", {"Name": "x" * 121, "NextStep": "y" * 256})

    assert errors(answer) == [
        ("STRING_TOO_LONG", ["Name"]),
        ("STRING_TOO_LONG", ["NextStep"]),
        ("REQUIRED_FIELD_MISSING", ["StageName", "CloseDate"]),
    ]
    assert answer.json()[2]["message"] == "Required fields are missing: [StageName, CloseDate]"


def test_a_field_that_is_not_writable_is_told_how_to_mend(outsider):
    message = payment(outsider, SystemModstamp="2026-01-01T00:00:00Z").json()[0]["message"]

    assert message.startswith("Unable to create/update fields: SystemModstamp. Please check the security")


def test_a_required_field_cannot_be_emptied(outsider):
    account = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]

    assert errors(outsider.patch(f"/sobjects/Account/{account}", {"Name": None})) == [
        ("REQUIRED_FIELD_MISSING", ["Name"])
    ]


def test_an_unknown_field_is_told_with_its_object(outsider):
    answer = payment(outsider, Nope__c=1)

    assert answer.json() == [
        {"message": "No such column 'Nope__c' on sobject of type Payment__c", "errorCode": "INVALID_FIELD"}
    ]


def test_an_id_that_nobody_has_is_refused_without_a_field(outsider):
    answer = payment(outsider, Account__c="001gK0000007zzz")

    assert errors(answer) == [("INVALID_CROSS_REFERENCE_KEY", [])]


def test_a_taken_external_id_names_its_holder(outsider):
    holder = payment(outsider).json()["id"]

    answer = outsider.post("/sobjects/Payment__c", {"External_ID__c": "pi_1"})

    assert errors(answer) == [("DUPLICATE_VALUE", [])]
    assert answer.json()[0]["message"] == (
        f"duplicate value found: External_ID__c duplicates value on record with id: {holder[:15]}"
    )


def test_an_email_address_must_be_one(outsider):
    answer = outsider.post("/sobjects/Contact", {"LastName": "Ada", "Email": "ada at example"})

    assert errors(answer) == [("INVALID_EMAIL_ADDRESS", ["Email"])]


@pytest.mark.parametrize("text", ["🙂" * 40, "x" * 80, " " + "x" * 80 + " "])
def test_text_that_just_fits_is_kept(outsider, text):
    payment(outsider, Name=text)

    assert outsider.get("/sobjects/Payment__c/External_ID__c/pi_1").json()["Name"] == text.strip()


@pytest.mark.parametrize(
    ("rule", "values", "refused"),
    [
        pytest.param({"operator": "<", "value": 0}, {"Amount__c": -1}, True, id="below"),
        pytest.param({"operator": "<", "value": 0}, {"Amount__c": 0}, False, id="not below"),
        pytest.param({"operator": "=", "value": 5}, {"Amount__c": 5}, True, id="equal"),
        pytest.param({"operator": "blank"}, {}, True, id="blank"),
        pytest.param({"operator": "present"}, {"Amount__c": 1}, True, id="present"),
        pytest.param({"operator": ">=", "value": 1}, {}, False, id="nothing to compare"),
    ],
)
def test_a_validation_rule_refuses_what_it_describes(outsider, rule, values, refused):
    outsider.control(
        "POST", "rules", {"object": "Payment__c", "field": "Amount__c", "message": "Not so.", **rule}
    )

    answer = payment(outsider, **values)

    fired = outsider.control("GET", "rules")
    assert (answer.status_code == 400) is refused
    assert fired["rules"][0]["fired"] == len(fired["fired"]) == int(refused)
    if refused:
        assert answer.json() == [
            {
                "message": "Not so.",
                "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "fields": ["Amount__c"],
            }
        ]


def test_a_rule_may_speak_at_the_top_of_the_page(outsider):
    rule = {"object": "Payment__c", "field": "Amount__c", "operator": "blank", "error_field": ""}
    outsider.control("POST", "rules", rule)

    assert errors(payment(outsider)) == [("FIELD_CUSTOM_VALIDATION_EXCEPTION", [])]


def test_a_rule_can_lock_a_record_for_approval(outsider):
    payment(outsider, Status__c="Completed")
    rule = {"object": "Payment__c", "field": "Status__c", "value": "Disputed", "code": "ENTITY_IS_LOCKED"}
    outsider.control("POST", "rules", rule)

    assert errors(payment(outsider, Status__c="Disputed"))[0][0] == "ENTITY_IS_LOCKED"


def test_a_shorter_field_and_a_removed_choice_refuse_what_they_took(outsider):
    change = {"object": "Payment__c", "field": "Status__c", "choices": ["Pending", "Completed"]}
    outsider.control("POST", "fields", change)
    outsider.control("POST", "fields", {"object": "Payment__c", "field": "Failure_Code__c", "length": 5})

    answer = payment(outsider, Status__c="Failed", Failure_Code__c="card_declined")

    assert {code for code, _ in errors(answer)} == {
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "STRING_TOO_LONG",
    }


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"object": "Payment__c", "field": "Amount__c", "operator": "~"}, id="operator"),
        pytest.param({"object": "Payment__c", "field": "Nope__c"}, id="field"),
        pytest.param({"object": "Nope__c", "field": "Amount__c"}, id="object"),
        pytest.param([], id="shape"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(outsider, rule):
    answer = outsider.http.post(f"{outsider.address}/_sandbox/rules", json=rule, timeout=60)

    assert answer.status_code == 400
    assert outsider.control("GET", "rules")["rules"] == []
