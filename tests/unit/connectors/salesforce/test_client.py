"""What goes into a body is exact, and ids are compared in one form."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import outbound
from connectors.base import Account
from connectors.salesforce import logins
from connectors.salesforce.auth import Token
from connectors.salesforce.client import Org, encoded
from connectors.salesforce.ids import as_18
from connectors.salesforce.logins import problem_for
from integrator.kernel import errors
from tests.unit.connectors.peers import a_peer


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_is_written_with_all_its_digits(value):
    told = json.loads(encoded({"Amount__c": value}), parse_float=Decimal, parse_int=Decimal)

    assert told == {"Amount__c": value}


def test_times_have_a_zone_and_dates_have_none():
    fields = {
        "At__c": datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        "On__c": date(2026, 11, 24),
        "Gone__c": None,
    }

    assert json.loads(encoded(fields)) == {
        "At__c": "2026-11-24T12:00:00Z",
        "On__c": "2026-11-24",
        "Gone__c": None,
    }


def test_a_relation_by_external_id_may_stand_in_the_values():
    assert encoded({"Account__r": {"Stripe_Customer_Id__c": "cus_1"}})


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("-Infinity"),
        float("nan"),
        {"deep": [Decimal("NaN")]},
        datetime(2026, 11, 24),  # noqa: DTZ001  # a time without a zone is what is tested
        object(),
        "\ud800",
        b"bytes",
    ],
    ids=[
        "NaN",
        "infinity",
        "a float NaN",
        "deep inside",
        "no zone",
        "an object",
        "half a character",
        "bytes",
    ],
)
def test_what_has_no_place_in_json_is_refused_with_its_name(value):
    with pytest.raises(errors.Refused) as caught:
        encoded({"Fine__c": "x", "Bad__c": value})

    assert caught.value.field == "Bad__c"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("001D000000IqhSL", "001D000000IqhSLIAZ"),
        ("001D000000IqhSLIAZ", "001D000000IqhSLIAZ"),
        ("000000000000000", "000000000000000AAA"),
    ],
)
def test_an_id_is_brought_to_18_characters(short, long):
    assert as_18(short) == long


@pytest.mark.parametrize("value", ["", "001", "001D000000IqhSLIA", "001D000000Iqh-L", "x" * 19])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(ValueError, match="no Salesforce id"):
        as_18(value)


@pytest.mark.parametrize(
    ("error", "description", "code"),
    [
        ("invalid_grant", "user hasn't approved this consumer", "not_approved"),
        ("invalid_grant", "audience is invalid", "audience"),
        ("invalid_grant", "expired authorization code", "expired_assertion"),
        ("invalid_grant", "invalid assertion", "bad_assertion"),
        ("invalid_grant", "invalid app access", "app_access"),
        ("invalid_grant", "inactive user", "inactive_user"),
        ("invalid_grant", "user locked", "locked_user"),
        ("invalid_grant", "login rate exceeded", "login_rate"),
        ("invalid_grant", "something new", "other_grant"),
        ("app_not_found", "External client app is not installed in this org", "app_not_found"),
        ("invalid_client_id", "client identifier invalid", "unknown_app"),
        ("invalid_client", "invalid client credentials", "unknown_app"),
        ("unsupported_grant_type", "grant type not supported", "grant_type"),
        ("a_new_error", "whatever", "other"),
        ("", "", "other"),
    ],
)
def test_each_answer_of_the_login_has_one_meaning_and_a_remedy(error, description, code):
    problem = problem_for(error, description)

    assert problem.code == code
    assert problem.explanation
    assert problem.remedy


def test_every_login_problem_is_found_again_by_its_code():
    """The code is what the row in the database keeps for the processes that come later."""
    assert all(logins.BY_CODE[problem.code].failure is problem.failure for problem in logins.BY_CODE.values())
    assert logins.BY_CODE["login_rate"].failure is errors.RateLimited
    assert logins.BY_CODE["unreachable"].failure is errors.Transient


def an_org(address: str) -> Org:
    account = Account(1, address, "v67.0", {}, secret=lambda _name: "")
    return Org(account, Token("token", address, "00D000000000001EAA", 1))


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_call_that_never_left_was_not_made_for_sure(repeatable):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    with pytest.raises(errors.Transient) as failure:
        an_org(f"http://127.0.0.1:{port}").request("POST", "/x", body=b"{}", repeatable=repeatable)

    assert failure.value.code == "network"


@pytest.mark.parametrize(
    ("repeatable", "kind", "code"),
    [(True, errors.Transient, "network"), (False, errors.Uncertain, "unanswered")],
)
def test_a_call_whose_answer_was_lost_may_have_been_made(repeatable, kind, code):
    with a_peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") as peer, outbound.within(0.5):
        peer.over.wait(0.01)
        threading.Timer(0.1, peer.over.set).start()

        with pytest.raises(kind) as failure:
            an_org(peer.address).request("POST", "/x", body=b"{}", repeatable=repeatable)

    assert failure.value.code == code
    assert len(peer.requests) == 1
