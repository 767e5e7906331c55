"""This module tests what makes an org difficult: sessions, limits, locked rows, faults, rival writers."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
import requests

from tests.integration.sandbox.salesforce.rig import Outsider


def payments(count):
    return [{"External_ID__c": f"pi_{number}", "Amount__c": number} for number in range(count)]


def fault(outsider, kind, path="composite", **more):
    outsider.control("POST", "faults", {"kind": kind, "match_path": path, "times": 1, **more})


def fired(outsider):
    return [each["fired"] for each in outsider.control("GET", "faults")["faults"]]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        pytest.param(None, "INVALID_SESSION_ID", id="no token"),
        pytest.param("Bearer 00D!nonsense", "INVALID_SESSION_ID", id="unknown token"),
        pytest.param("Basic abc", "INVALID_AUTH_HEADER", id="another scheme"),
    ],
)
def test_only_a_session_opens_the_org(outsider, header, code):
    headers = {"Authorization": header} if header else {}

    answer = requests.get(f"{outsider.address}/services/data/v67.0/limits", headers=headers, timeout=60)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, code)


def test_sessions_expire_at_once_or_with_time(outsider):
    short = {}
    for lifetime in (60, 0):
        outsider.control("POST", "sessions", {"lifetime": lifetime})
        token = outsider.control("POST", "sessions", {"username": "x@y.example"})["access_token"]
        short[lifetime] = Outsider(outsider.address, token)
    young, old = short[60].get("/limits").status_code, short[0].get("/limits").status_code

    outsider.control("DELETE", "sessions")

    assert (young, old, outsider.get("/limits").status_code) == (200, 401, 401)
    assert outsider.get("/limits").json() == [
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
    ]


def test_every_answer_tells_the_usage(outsider):
    outsider.control("POST", "limits", {"daily": 100, "used": 97})

    headers = [outsider.get(path).headers["Sforce-Limit-Info"] for path in ("/limits", "/sobjects/Nope__c")]

    assert headers == ["api-usage=98/100", "api-usage=99/100"]
    assert outsider.get("/limits").json()["DailyApiRequests"] == {"Max": 100, "Remaining": 0}


def test_a_used_up_day_refuses_every_call(outsider):
    outsider.control("POST", "limits", {"daily": 5, "used": 5})

    answer = outsider.collection(payments(1))

    assert answer.status_code == 403
    assert answer.json() == [
        {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    ]
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=5/5"
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 0


def test_too_many_calls_at_once_are_a_fault_of_the_menu(outsider):
    text = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    body = [{"message": text, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    fault(outsider, "before", params={"status": 403, "body": body})

    refused, accepted = outsider.collection(payments(1)), outsider.collection(payments(1))

    assert (refused.status_code, refused.json()) == (403, body)
    assert accepted.status_code == 200
    assert fired(outsider) == [1]


def test_another_org_behind_the_same_address_has_another_id(outsider):
    first = outsider.query("SELECT Id FROM Organization").json()["records"][0]["Id"]

    outsider.control("POST", "org", {"org_number": 2})

    second = outsider.query("SELECT Id FROM Organization").json()["records"][0]["Id"]
    assert first != second
    assert second == outsider.control("GET", "org")["org_id"]


def test_a_lost_answer_has_had_its_effect(outsider):
    fault(outsider, "after")

    with pytest.raises(requests.ConnectionError):
        outsider.collection(payments(3))

    again = outsider.collection(payments(3)).json()
    assert [item["created"] for item in again] == [False, False, False]
    assert outsider.control("GET", "writes", object="Payment__c")["writes"][0]["abandoned"] is True
    assert fired(outsider) == [1]


@pytest.mark.parametrize(
    ("kind", "params", "written"),
    [
        pytest.param("before", {"status": 503, "body": "<html>maintenance</html>"}, 0, id="maintenance"),
        pytest.param("garbage", {}, 0, id="a proxy's page"),
        pytest.param("garbage", {"done": True}, 1, id="a proxy's page after the work"),
        pytest.param("after_status", {"status": 500}, 1, id="an error after the work"),
        pytest.param("empty", {}, 0, id="nothing"),
    ],
)
def test_an_answer_that_is_no_answer(outsider, kind, params, written):
    fault(outsider, kind, params=params)

    answer = outsider.collection(payments(1))

    assert not answer.ok or answer.content == b""
    assert outsider.control("GET", "records", object="Payment__c")["count"] == written
    assert fired(outsider) == [1]


def test_an_answer_can_be_cut(outsider):
    fault(outsider, "partial")

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        outsider.collection(payments(50))

    assert outsider.control("GET", "records", object="Payment__c")["count"] == 50


def test_locked_rows_are_drawn_by_seed_and_listed(outsider):
    lock = {"object": "Payment__c", "probability": 0.3, "seed": 7}

    def failures():
        outsider.control("DELETE", "locks")
        outsider.control("POST", "locks", lock)
        items = outsider.collection(payments(100)).json()
        listed = outsider.control("GET", "locks")["fired"]
        return [i for i, item in enumerate(items) if not item["success"]], listed, items

    first, listed, items = failures()
    second, *_ = failures()

    assert first == second
    assert 15 < len(first) < 45
    assert [entry["external_id"] for entry in listed] == [f"pi_{number}" for number in first]
    assert items[first[0]]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


def test_one_row_can_be_locked_for_its_nth_save(outsider):
    outsider.control("POST", "locks", {"object": "Payment__c", "external_id": "pi_1", "nth": 2})

    statuses = [outsider.upsert(payments(2)[1]).status_code for _ in range(3)]

    assert statuses == [201, 400, 200]
    assert outsider.upsert(payments(1)[0]).status_code == 201


def test_every_write_is_remembered_with_its_client_and_call(outsider):
    product = outsider.another("integrator")
    product.collection(payments(2))
    product.upsert({"External_ID__c": "pi_1", "Amount__c": 9})

    told = outsider.control("GET", "writes", external_id="pi_1")

    first, last = told["writes"]
    assert [(write["action"], write["client"]) for write in told["writes"]] == [
        ("create", "integrator"),
        ("update", "integrator"),
    ]
    assert (first["values"]["Amount__c"], last["values"]) == (1, {"Amount__c": 9})
    assert first["call"] < last["call"]
    assert first["arrived"] <= first["at"] <= first["answered"] <= last["arrived"]
    assert told["counts"] == {"Payment__c create": 2, "Payment__c update": 1}
    assert told["overlapped"] == 0


def test_two_writers_on_one_record_are_found_out(outsider):
    outsider.control("POST", "latency", {"seconds": 0.1})
    writers = [
        threading.Thread(
            target=outsider.another(f"writer-{number}").upsert,
            args=({"External_ID__c": "pi_1", "Amount__c": number},),
        )
        for number in range(2)
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    told = outsider.control("GET", "writes", object="Payment__c")
    held = outsider.control("GET", "records", object="Payment__c", external_id="pi_1")
    assert told["overlapped"] == 1
    assert {told["overlaps"][0][side]["client"] for side in ("first", "second")} == {"writer-0", "writer-1"}
    assert held["count"] == 1
    assert held["records"][0]["Amount__c"] == told["writes"][-1]["values"]["Amount__c"]


def test_writers_on_different_records_do_not_overlap(outsider):
    outsider.control("POST", "latency", {"seconds": 0.3})
    writers = [
        threading.Thread(target=outsider.another("w").upsert, args=(payment,)) for payment in payments(8)
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    calls = outsider.control("GET", "journal")["calls"]
    spans = sorted((call["started"], call["started"] + call["duration"]) for call in calls)[-8:]
    assert any(later < ended for (_, ended), (later, _) in pairwise(spans))  # they were under way together
    assert outsider.control("GET", "writes")["overlapped"] == 0


def test_doubles_of_any_field_are_counted(outsider):
    for number in range(3):
        outsider.upsert({"External_ID__c": f"pi_{number}", "Order_ID__c": "order-1" if number else "order-2"})

    told = outsider.control("GET", "records", object="Payment__c", by="Order_ID__c")

    assert (told["count"], told["duplicates"]) == (3, {"order-1": 2})


def test_the_journal_counts_calls_and_hides_the_token(outsider):
    outsider.collection(payments(1))

    calls = outsider.control("GET", "journal", path="composite")["calls"]

    assert [call["method"] for call in calls] == ["PATCH"]
    assert str(outsider.http.headers["Authorization"]) not in str(calls)


def test_a_reset_empties_the_org_and_keeps_its_apps(app):
    before = app.control("GET", "org")
    app.collection(payments(2))
    app.control("POST", "org", {"org_number": 2, "my_domain": "https://x.example", "skew": 60, "name": "X"})

    app.control("POST", "reset")

    state = app.control("GET", "state")
    assert app.control("GET", "org") == before
    assert state["records"]["Payment__c"] == 0
    assert state["door"]["sessions"] == 0
    assert len(state["door"]["apps"]) == 1
    assert app.get("/limits").status_code == 401


def test_an_address_outside_the_api_is_a_page(outsider):
    answer = outsider.http.get(f"{outsider.address}/lightning", timeout=60)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_answers_are_chunked_and_dated(outsider):
    answer = outsider.get("/sobjects")

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in answer.headers
    assert answer.headers["Date"]


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_client_that_had_its_answer_did_not_abandon_the_call(outsider, connection):
    outsider.http.headers["Connection"] = connection

    outsider.collection(payments(1))

    assert outsider.control("GET", "writes")["writes"][0]["abandoned"] is False
