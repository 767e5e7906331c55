"""This module tests the journal of calls: bounded, filtered, counted, without secrets."""

from __future__ import annotations

import re

import pytest

from connectors.sandbox.journal import Call, Journal, mask_header, route_of


def a_call(journal: Journal, **values: object) -> Call:
    """Add a call of which only some things matter."""
    fixed = {
        "method": "GET",
        "path": "/v1/customers",
        "query": "",
        "headers": [],
        "body": b"",
        "status": 200,
        "started": 0.0,
        "duration": 0.0,
    }
    return journal.add(**{**fixed, **values})


def test_only_the_newest_calls_are_kept_but_all_are_counted():
    journal = Journal(size=3)

    for _ in range(5):
        a_call(journal)

    assert [call.id for call in journal.calls()] == [3, 4, 5]
    assert journal.counts()["total"] == 5


def test_calls_are_filtered():
    journal = Journal()
    a_call(journal, path="/v1/customers")
    a_call(journal, path="/v1/charges")
    a_call(journal, path="/v1/customers", method="POST")

    assert [call.id for call in journal.calls(path="customers")] == [1, 3]
    assert [call.id for call in journal.calls(method="post")] == [3]
    assert [call.id for call in journal.calls(since=1)] == [2, 3]
    assert [call.id for call in journal.calls(limit=2)] == [2, 3]
    assert journal.calls(limit=0) == []
    with pytest.raises(re.error):
        journal.calls(path="(")


def test_counts_are_by_route_status_and_fault():
    journal = Journal()
    a_call(journal, path="/v1/customers/cus_0123456789abcdef")
    a_call(journal, path="/v1/customers/cus_fedcba9876543210", status=None, fault="reset")

    assert journal.counts() == {
        "total": 2,
        "last_id": 2,
        "routes": {"GET /v1/customers/{id}": 2},
        "statuses": {"200": 1, "none": 1},
        "faults": {"reset": 1},
    }


def test_hostile_paths_do_not_grow_the_counts_for_ever():
    journal = Journal()

    for number in range(3000):
        a_call(journal, path=f"/x{number}")

    assert len(journal.counts()["routes"]) == 2001
    assert journal.counts()["total"] == 3000


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/payment_intents/pi_3MtwBwLkdIwHu7ix28a3tqPa/confirm", "/v1/payment_intents/{id}/confirm"),
        (
            "/services/data/v67.0/sobjects/Account/001Dn00000AbCdE",
            "/services/data/v67.0/sobjects/Account/{id}",
        ),
        ("/v1/webhook_endpoints", "/v1/webhook_endpoints"),
    ],
)
def test_ids_are_taken_out_of_routes(path, route):
    assert route_of(path) == route


def test_no_secret_is_kept():
    call = a_call(
        Journal(),
        headers=[("authorization", "Bearer sk_test_1234567890"), ("accept", "*/*")],
        body=b"grant_type=jwt&assertion=eyJhbGciOi.x.y&client_secret=hush&b=1",
    )

    assert call.headers == {"authorization": "Bearer ****7890", "accept": "*/*"}
    assert call.body == "grant_type=jwt&assertion=****&client_secret=****&b=1"


def test_a_short_credential_shows_nothing():
    assert mask_header("Authorization", "Bearer abc") == "****"


def test_clearing_forgets_the_calls_but_not_the_numbering():
    journal = Journal()
    a_call(journal)

    journal.clear()

    assert journal.calls() == []
    assert journal.counts()["total"] == 0
    assert a_call(journal).id == 2
