"""What is written to Salesforce arrives once, exactly, and under the right external id."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors import gateway
from connectors.models import Connection
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox


def a_payment(external_id: str, **values: Any) -> dict[str, Any]:
    return {
        "object": "Payment__c",
        "external_id_field": "External_ID__c",
        "external_id": external_id,
        "values": {"Status__c": "Completed", **values},
    }


def upsert(crm: Connection, *requests: dict[str, Any]) -> list[Any]:
    return gateway.call_many(connection_id=crm.pk, action="upsert", requests=requests)


def stored(org: Sandbox) -> dict[str, dict[str, Any]]:
    records = org.get("records", object="Payment__c")["records"]
    return {record["External_ID__c"]: record for record in records}


def test_an_upsert_creates_a_record_and_then_updates_it(crm, org):
    (first,) = upsert(crm, a_payment("pi_1"))
    (second,) = upsert(crm, a_payment("pi_1", Status__c="Refunded"))

    assert first["created"]
    assert not second["created"]
    assert first["id"] == second["id"]
    assert len(first["id"]) == 18
    assert stored(org)["pi_1"]["Status__c"] == "Refunded"


@pytest.mark.parametrize(
    "external_id",
    [
        "a/b",
        "a:b?x#y",
        "with space",
        "plus+sign",
        "mail@acme.inc",
        "ends.with.inc",
        "..",
        ".",
        "50%25off",
        "ümläut €",
        "quote'\"\\",
    ],
)
@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a collection"])
def test_an_external_id_arrives_as_it_is(crm, org, external_id, together):
    others = [a_payment("pi_other")] if together else []

    results = upsert(crm, a_payment(external_id), *others)

    assert all(isinstance(result, dict) and result["created"] for result in results), results
    assert external_id in stored(org)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a collection"])
def test_money_is_written_with_all_its_digits(crm, org, together):
    amount = Decimal("90071992547409.935")
    others = [a_payment("pi_other")] if together else []

    upsert(crm, a_payment("pi_1", Amount__c=amount), *others)

    (call,) = org.calls("sobjects/Payment__c", "PATCH")
    assert '"Amount__c":90071992547409.935' in call["body"].replace(": ", ":")


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), float("nan"), float("inf"), object(), "\ud800"]
)
def test_a_value_that_json_cannot_hold_is_refused_by_name_and_spares_its_neighbours(crm, org, value):
    bad, good = upsert(crm, a_payment("pi_1", Amount__c=value), a_payment("pi_2"))

    assert isinstance(bad, errors.Refused)
    assert bad.field == "Amount__c"
    assert good["created"]
    assert set(stored(org)) == {"pi_2"}


def test_every_write_carries_our_name_and_spares_the_owners(crm, org):
    upsert(crm, a_payment("pi_1"))
    upsert(crm, a_payment("pi_2"), a_payment("pi_3"))

    for call in org.calls("sobjects/Payment__c", "PATCH"):
        headers = {name.lower(): value for name, value in call["headers"].items()}
        assert headers["sforce-call-options"] == "client=Integrator"
        assert headers["sforce-auto-assign"].lower() == "false"
        assert headers["content-type"] == "application/json"


def test_450_records_take_three_calls(crm, org):
    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(450)))

    assert all(result["created"] for result in results)
    assert len(org.calls("composite/sobjects/Payment__c", "PATCH")) == 3
    assert len(stored(org)) == 450


def test_the_results_of_a_collection_stand_in_the_order_of_the_requests(crm):
    results = upsert(crm, a_payment("pi_1"), a_payment("pi_2", Status__c="Nonsense"), a_payment("pi_3"))

    assert results[0]["created"]
    assert isinstance(results[1], errors.Refused)
    assert results[1].code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert results[1].field == "Status__c"
    assert results[2]["created"]


def test_the_same_record_twice_is_written_in_order_in_separate_calls(crm, org):
    results = upsert(
        crm,
        a_payment("pi_1", Status__c="Pending"),
        a_payment("pi_2"),
        a_payment("pi_1", Status__c="Completed"),
        a_payment("pi_1", Status__c="Refunded"),
    )

    assert [result["created"] for result in results] == [True, True, False, False]
    assert stored(org)["pi_1"]["Status__c"] == "Refunded"
    for call in org.calls("composite/sobjects", "PATCH"):
        keys = [record["External_ID__c"] for record in json.loads(call["body"])["records"]]
        assert len(keys) == len(set(keys))


def test_null_clears_a_field_and_an_absent_field_stays(crm, org):
    upsert(crm, a_payment("pi_1", Failure_Code__c="card_declined", Card_Last4__c="4242"))
    upsert(crm, a_payment("pi_1", Failure_Code__c=None))

    record = stored(org)["pi_1"]
    assert record["Failure_Code__c"] is None
    assert record["Card_Last4__c"] == "4242"


def test_the_external_id_in_the_values_is_not_sent_twice(crm, org):
    (result,) = upsert(crm, a_payment("pi_1", External_ID__c="pi_1"))

    assert result["created"]
    (call,) = org.calls("sobjects/Payment__c", "PATCH")
    assert "External_ID__c" not in call["body"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"external_id": ""}, "empty", id="no external id"),
        pytest.param({"external_id": None}, "empty", id="null"),
        pytest.param({"external_id": "  "}, "empty", id="spaces"),
        pytest.param({"object": "Payment__c/../Account"}, "API names", id="a path in the object"),
        pytest.param({"external_id_field": "Id?x"}, "API names", id="a query in the field"),
        pytest.param({"values": {"Id": "001"}}, "record id", id="a record id"),
        pytest.param({"values": {"External_ID__c": "pi_9"}}, "another value", id="another external id"),
    ],
)
def test_a_request_that_cannot_be_right_is_never_sent(crm, org, change, words):
    (result,) = upsert(crm, a_payment("pi_1") | change)

    assert isinstance(result, errors.Refused)
    assert words in str(result)
    assert not org.calls("sobjects", "PATCH")


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
@pytest.mark.parametrize(
    "change", [{"external_id_field": "Nonsense__c"}, {"object": "Nonsense__c"}], ids=["field", "object"]
)
def test_a_name_that_the_org_does_not_know_is_refused_and_not_missing(crm, count, change):
    results = upsert(crm, *(a_payment(f"pi_{number}") | change for number in range(count)))

    assert all(isinstance(result, errors.Refused) for result in results), results
    assert all("Nonsense__c" in str(result) for result in results), results


def test_an_external_id_that_is_not_unique_asks_a_person(crm, org):
    upsert(crm, a_payment("pi_1"), a_payment("pi_2"))
    org.post("fields", object="Payment__c", field="Charge_ID__c", external_id=True)
    upsert(crm, a_payment("pi_1", Charge_ID__c="ch_1"), a_payment("pi_2", Charge_ID__c="ch_1"))

    (result,) = upsert(
        crm, a_payment("ch_1") | {"external_id_field": "Charge_ID__c", "values": {"Status__c": "Failed"}}
    )

    assert isinstance(result, errors.Ambiguous)
    assert "2 records" in str(result)
    assert {record["Status__c"] for record in stored(org).values()} == {"Completed"}
    assert {object_ for object_, _ in result.records} == {"Payment__c"}
    assert {id for _, id in result.records} == {record["Id"] for record in stored(org).values()}


def test_a_locked_row_is_transient_and_its_neighbour_is_written(crm, org):
    upsert(crm, a_payment("pi_1"), a_payment("pi_2"))
    org.post("locks", object="Payment__c", external_id="pi_1")

    locked, free = upsert(crm, a_payment("pi_1"), a_payment("pi_2"))

    assert isinstance(locked, errors.Transient)
    assert locked.code == "UNABLE_TO_LOCK_ROW"
    assert not free["created"]


def test_a_validation_rule_is_final_and_names_its_words(crm, org):
    org.post(
        "rules",
        object="Payment__c",
        field="Amount__c",
        operator="<",
        value=0,
        message="No negative payments, please.",
    )

    (result,) = upsert(crm, a_payment("pi_1", Amount__c=Decimal("-1.00")))

    assert isinstance(result, errors.Refused)
    assert result.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert "No negative payments" in str(result)


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in a collection"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "after"}, id="done, then the connection is closed"),
        pytest.param({"kind": "after_status", "params": {"status": 500}}, id="done, then a 500"),
        pytest.param({"kind": "partial"}, id="done, then half an answer"),
        pytest.param({"kind": "garbage", "params": {"done": True}}, id="done, then a page of a proxy"),
        pytest.param({"kind": "garbage", "params": {"style": "text", "done": True}}, id="done, then text"),
        pytest.param({"kind": "empty", "params": {"done": True}}, id="done, then nothing"),
        pytest.param({"kind": "before", "params": {"status": 503}}, id="a 503"),
        pytest.param({"kind": "reset"}, id="reset"),
    ],
)
def test_a_lost_answer_is_transient_and_trying_again_makes_no_second_record(crm, org, fault, count):
    requests = [a_payment(f"pi_{number}") for number in range(count)]
    org.break_(**fault, match_path="sobjects", match_method="PATCH", times=1)

    first = upsert(crm, *requests)
    second = upsert(crm, *requests)

    assert {type(result) for result in first} == {errors.Transient}, first
    assert all(isinstance(result, dict) for result in second), second
    assert len(stored(org)) == count


PAGES = [300, 400, 403, 404, 405, 407, 408, 410, 421, 429, 451]


@pytest.mark.parametrize("count", [1, 8], ids=["alone", "in a collection"])
@pytest.mark.parametrize("kind", ["garbage", "empty"])
@pytest.mark.parametrize("status", PAGES)
def test_a_page_of_a_proxy_says_nothing_about_the_records(crm, org, status, kind, count):
    requests = [a_payment(f"pi_{number}") for number in range(count)]
    org.break_(kind, match_path="sobjects", match_method="PATCH", times=1, params={"status": status})

    first = upsert(crm, *requests)

    assert {(type(result), result.code) for result in first} == {(errors.Transient, "unavailable")}, first
    assert org.fired() == {kind: 1}
    assert len(org.calls("sobjects", "PATCH")) == 1  # halves would fare no better
    assert all(isinstance(result, dict) for result in upsert(crm, *requests))
    assert len(stored(org)) == count


def test_proxies_that_answer_three_times_in_a_row_let_the_connection_rest(crm, org):
    org.break_("garbage", match_path="sobjects", match_method="PATCH", params={"status": 403})

    for number in range(3):
        upsert(crm, a_payment(f"pi_{number}"))

    crm.refresh_from_db()
    assert crm.state == Connection.State.RESTING
    assert org.fired() == {"garbage": 3}


@pytest.mark.parametrize("count", [1, 8], ids=["alone", "in a collection"])
def test_a_401_that_is_a_page_costs_one_new_login(crm, org, count):
    before = org.logins()
    org.break_("garbage", match_path="sobjects", match_method="PATCH", times=1, params={"status": 401})

    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(count)))

    assert all(isinstance(result, dict) for result in results), results
    assert org.fired() == {"garbage": 1}
    assert org.logins() == before + 1


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_call_that_is_too_large_for_a_proxy_is_sent_again_in_halves(crm, org, status):
    org.break_("garbage", match_path="composite/sobjects", times=3, params={"status": status})

    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(8)))

    assert all(isinstance(result, dict) for result in results), results
    assert org.fired() == {"garbage": 3}
    assert len(org.calls("composite/sobjects")) == 1 + 2 + 4


def test_a_record_that_is_too_large_alone_is_refused(crm, org):
    org.break_("garbage", match_path="sobjects", times=1, params={"status": 413})

    (result,) = upsert(crm, a_payment("pi_1"))

    assert isinstance(result, errors.Refused)
    assert result.code == "HTTP_413"


PARSER_ERROR = [{"message": "Unexpected character", "errorCode": "JSON_PARSER_ERROR"}]
NO_COLUMN = [
    {"message": "No such column 'Gone__c' on sobject of type Payment__c", "errorCode": "INVALID_FIELD"}
]


def _refuse(org: Sandbox, body: list[dict[str, str]], **fault: Any) -> None:
    org.break_("before", match_path="composite/sobjects", params={"status": 400, "body": body}, **fault)


def test_a_call_that_is_refused_as_a_whole_is_sent_again_in_halves(crm, org):
    _refuse(org, PARSER_ERROR, times=3)  # the whole, the first half and one quarter

    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(8)))

    assert all(isinstance(result, dict) for result in results), results
    assert len(stored(org)) == 8


def test_whoever_is_refused_alone_is_at_fault(crm, org):
    _refuse(org, PARSER_ERROR)

    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(4)))

    assert [type(result) for result in results] == [errors.Refused] * 4
    assert len(org.calls("composite/sobjects")) == 1 + 2 + 4


def test_the_search_for_the_guilty_has_an_end_and_tells_the_reason(crm, org):
    _refuse(org, PARSER_ERROR)

    results = upsert(crm, *(a_payment(f"pi_{number}") for number in range(200)))

    assert {type(result) for result in results} == {errors.Transient}
    assert "Unexpected character" in str(results[0])
    assert len(org.calls("composite/sobjects")) < 40


def test_a_column_that_is_gone_fails_those_who_name_it_and_spares_the_others(crm, org):
    _refuse(org, NO_COLUMN, times=1)

    results = upsert(crm, a_payment("pi_1", Gone__c="x"), a_payment("pi_2"), a_payment("pi_3", Gone__c=None))

    assert [type(result) for result in results] == [errors.Refused, dict, errors.Refused]
    assert results[0].field == "Gone__c"
    assert len(org.calls("composite/sobjects")) == 2


def test_a_column_that_is_gone_for_all_costs_one_call(crm, org):
    _refuse(org, NO_COLUMN)

    results = upsert(crm, *(a_payment(f"pi_{number}", Gone__c="x") for number in range(50)))

    assert [type(result) for result in results] == [errors.Refused] * 50
    assert len(org.calls("composite/sobjects")) == 1


def test_a_slow_org_is_given_up_at_the_deadline(crm, org):
    org.break_("slow", match_path="sobjects", times=1, params={"seconds": 5})

    (result,) = gateway.call_many(
        connection_id=crm.pk, action="upsert", requests=[a_payment("pi_1")], deadline=0.5
    )

    assert isinstance(result, errors.Transient)
    assert result.code == "timeout"
