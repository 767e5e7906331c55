"""A test of a Salesforce connection says precisely what is wrong, whatever is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors import connections, credentials, registry
from connectors.base import Diagnosis
from connectors.models import AccessToken, Connection
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.connectors.rig import USERNAME
from tests.unit.connectors.peers import a_peer, http_answer

SHORT = 1024


def pem_of(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_of(connection: Connection) -> Diagnosis:
    return connections.test(connection=connection, actor="ada@acme.test", now=NOON)


test_of.__test__ = False  # a verb, not a test


def test_a_good_connection_says_where_it_leads_and_is_pinned_there(untested_crm):
    diagnosis = test_of(untested_crm)

    assert diagnosis.ok
    assert diagnosis.details["livemode"] is False
    assert len(diagnosis.details["account"]) == 18
    untested_crm.refresh_from_db()
    assert untested_crm.pinned_account == diagnosis.details["account"]
    assert untested_crm.pinned_livemode is False
    assert untested_crm.last_success_at == NOON


@pytest.mark.parametrize(
    ("app", "code"),
    [
        pytest.param({"approved": False}, "not_approved", id="not pre-authorised"),
        pytest.param({"installed": False}, "app_not_found", id="the app is not installed"),
        pytest.param({"active": False}, "inactive_user", id="the user is inactive"),
        pytest.param({"consumer_key": "3MVG9.other"}, "", id="the key of another app"),
    ],
)
def test_what_is_wrong_with_the_app_is_named(untested_crm, org, app, code):
    if not code:
        _enter(untested_crm, consumer_key="3MVG9.unknown")
        code = "unknown_app"
    else:
        org.post("app", **org.app, **app)

    diagnosis = test_of(untested_crm)

    assert not diagnosis.ok
    assert diagnosis.details["code"] == code
    assert diagnosis.remedy


def test_an_audience_of_the_old_hosts_is_explained(untested_crm):
    untested_crm.settings |= {"audience": "https://test.salesforce.com"}

    diagnosis = test_of(untested_crm)

    assert diagnosis.details["code"] == "app_not_found"
    assert "My Domain" in diagnosis.remedy


def test_an_audience_that_is_another_org_is_explained(untested_crm):
    untested_crm.settings |= {"audience": "https://other.my.salesforce.com"}

    assert test_of(untested_crm).details["code"] == "audience"


def test_an_old_connected_app_may_use_the_old_audience(untested_crm, org):
    org.post("app", **org.app, old_connected_app=True)
    untested_crm.settings |= {"audience": "https://login.salesforce.com"}

    assert test_of(untested_crm).ok


def test_a_key_that_does_not_fit_the_certificate_is_told_from_one_that_cannot_be_read(untested_crm):
    _enter(untested_crm, private_key=pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    wrong = test_of(untested_crm)
    _enter(untested_crm, private_key="-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----")
    unreadable = test_of(untested_crm)

    assert wrong.details["code"] == "bad_assertion"
    assert unreadable.details["code"] == "key_unreadable"
    assert "planted" not in repr(unreadable)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="an elliptic curve"),
        pytest.param(lambda: rsa.generate_private_key(65537, SHORT), id="1024 bits"),
    ],
)
def test_a_key_of_the_wrong_kind_is_refused_before_anything_is_sent(untested_crm, org, key):
    _enter(untested_crm, private_key=pem_of(key()))

    diagnosis = test_of(untested_crm)

    assert diagnosis.details["code"] == "key_kind"
    assert org.logins() == 0


def test_a_clock_that_is_ten_minutes_off_is_found_by_the_date_header(untested_crm):
    body = b'{"error": "invalid_grant", "error_description": "expired authorization code"}'
    theirs = format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True)
    with a_peer(http_answer(body, status="400 Bad Request", Date=theirs)) as peer:
        untested_crm.base_url = peer.address
        diagnosis = test_of(untested_crm)

    assert diagnosis.title == "The clocks differ"
    assert 590 < diagnosis.details["clock_skew"] < 610
    assert "ahead" in diagnosis.explanation


def test_a_used_up_login_limit_is_named(untested_crm, org):
    org.post("sessions", logins_an_hour=0)

    assert test_of(untested_crm).details["code"] == "login_rate"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param({"kind": "garbage"}, "not_there", id="a page of a proxy"),
        pytest.param({"kind": "empty"}, "not_there", id="an empty answer"),
        pytest.param({"kind": "before", "params": {"status": 503}}, "not_there", id="a 503"),
        pytest.param(
            {"kind": "before", "params": {"status": 302, "headers": {"Location": "https://evil.example/"}}},
            "redirected",
            id="a redirect",
        ),
    ],
)
def test_an_answer_that_is_not_salesforces_is_told(untested_crm, org, fault, code):
    org.break_(match_path="/services/oauth2/token", **fault)

    diagnosis = test_of(untested_crm)

    assert diagnosis.details["code"] == code
    assert org.logins() == 1


def test_a_refusal_of_a_login_holds_nothing_that_no_database_takes(untested_crm, org):
    body = r'{"error": "invalid_\u0000grant", "error_description": "no \ud83d \u0000"}'
    org.break_("before", match_path="/services/oauth2/token", params={"status": 400, "body": body})

    diagnosis = test_of(untested_crm)

    assert "invalid_\ufffdgrant: no \ufffd \ufffd" in diagnosis.explanation


def test_a_login_that_leads_to_a_foreign_address_gets_no_session_there(untested_crm, org):
    org.post("org", instance_url="https://evil.example")

    diagnosis = test_of(untested_crm)
    org.post("org", instance_url=org.address)

    assert diagnosis.details["code"] == "wrong_place"
    # What an earlier test gave up on may still come in, with a session that nobody knows any more.
    assert [call for call in org.calls("/services/data") if call["status"] != 401] == []
    assert not AccessToken.objects.exclude(ciphertext=b"").exists()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        pytest.param("http://127.0.0.1:1", "connect", id="nothing listens"),
        pytest.param("https://no-such-org.invalid", "dns", id="no such name"),
    ],
)
def test_a_network_that_does_not_lead_there_is_told(untested_crm, address, kind):
    untested_crm.base_url = address
    account = credentials.account_for(untested_crm, credentials.sealed_of(untested_crm))

    # Asked of the connector: a connection to an address that is none of the vendor's is not even tested.
    assert registry.load()["salesforce"].test(account).details["kind"] == kind


def test_plain_http_where_tls_is_expected_is_a_tls_problem(untested_crm, org):
    untested_crm.base_url = org.address.replace("http://", "https://")

    assert test_of(untested_crm).details["kind"] == "tls"


@pytest.mark.parametrize("version", ["v50.0", "v99.0"])
def test_a_version_that_the_org_will_not_speak_for_long_is_told(untested_crm, version):
    untested_crm.api_version = version

    diagnosis = test_of(untested_crm)

    assert diagnosis.title == "The API version does not fit"
    assert diagnosis.details["newest"].startswith("v")


def test_a_session_that_is_refused_at_once_is_told(untested_crm, org):
    org.break_(
        "before",
        match_path="/services/data/v",
        params={"status": 401, "body": [{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}]},
    )

    diagnosis = test_of(untested_crm)

    assert diagnosis.title == "The session is refused"
    assert diagnosis.details["code"] == "no_session"


def test_used_up_api_calls_are_told(untested_crm, org):
    org.post("limits", daily=10, used=10)

    diagnosis = test_of(untested_crm)

    assert diagnosis.details["code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "24 hours" in diagnosis.remedy


def test_another_org_than_the_pinned_one_is_told(crm, org):
    org.post("org", org_number=2)

    diagnosis = test_of(crm)

    assert diagnosis.title == "This leads to another org"
    assert diagnosis.details["pinned"] == crm.pinned_account
    assert diagnosis.details["found"] != crm.pinned_account


def test_a_user_who_may_not_read_the_organization_leaves_it_open_what_it_is(untested_crm, org):
    org.break_(
        "before",
        match_path="/query",
        params={
            "status": 400,
            "body": [{"message": "sObject type not supported", "errorCode": "INVALID_TYPE"}],
        },
    )

    diagnosis = test_of(untested_crm)

    assert diagnosis.ok
    assert diagnosis.details["livemode"] is None


def test_every_test_is_audited_without_a_secret(untested_crm, pem):
    test_of(untested_crm)

    entry = AuditEntry.objects.get(action="connection.tested")
    assert entry.actor == "ada@acme.test"
    assert entry.details["ok"] is True
    assert USERNAME not in str(entry.details)
    assert pem[40:80] not in str(list(AuditEntry.objects.values_list("details", flat=True)))


def _enter(connection: Connection, **secrets: str) -> None:
    """Store secrets as they are; an older version took any."""
    credentials.store(connection, secrets, now=NOON)
