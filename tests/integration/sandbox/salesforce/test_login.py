"""This module tests the org's front door: what a login needs, and every way to be refused."""

from __future__ import annotations

import datetime as dt
import re
import time
from email.utils import parsedate_to_datetime

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from tests.integration.sandbox.salesforce.rig import (
    CONSUMER_KEY,
    JWT_BEARER,
    PRIVATE,
    PRIVATE_PEM,
    PUBLIC_PEM,
    USERNAME,
    Outsider,
    ask_for_token,
    login,
)

OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def register(outsider: Outsider, **change) -> dict:
    usual = {"consumer_key": CONSUMER_KEY, "public_key_pem": PUBLIC_PEM, "username": USERNAME}
    return outsider.control("POST", "app", {**usual, **change})


def test_a_signed_assertion_opens_a_session(app):
    answer = login(app.address)

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"access_token", "scope", "instance_url", "id", "token_type"}
    assert body["token_type"] == "Bearer"
    assert body["instance_url"] == app.address
    assert re.fullmatch(r".+/id/00D\w{15}/005\w{15}", body["id"])
    assert Outsider(app.address, body["access_token"]).get("/limits").status_code == 200


def test_the_identity_address_tells_who_is_logged_in(app):
    body = login(app.address).json()

    known = app.http.get(body["id"], headers={"Authorization": f"Bearer {body['access_token']}"}, timeout=60)
    unknown = app.http.get(body["id"], headers={"Authorization": "Bearer nonsense"}, timeout=60)

    assert known.json()["username"] == USERNAME
    assert known.json()["organization_id"] == app.control("GET", "org")["org_id"]
    assert (unknown.status_code, unknown.text) == (403, "Bad_OAuth_Token")


def test_the_app_may_hold_a_certificate(outsider):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "integrator")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, PRIVATE.public_key(), 1, now, now + dt.timedelta(days=1))
        .sign(PRIVATE, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    register(outsider, public_key_pem=certificate)

    assert login(outsider.address).status_code == 200


@pytest.mark.parametrize(
    ("claims", "error", "description"),
    [
        pytest.param(
            {"aud": "https://other.my.salesforce.com"}, "invalid_grant", "audience is invalid", id="host"
        ),
        pytest.param(
            {"aud": "https://test.salesforce.com"},
            "app_not_found",
            "External client app is not installed in this org",
            id="the common login host",
        ),
        pytest.param(
            {"exp": int(time.time()) - 60}, "invalid_grant", "expired authorization code", id="past"
        ),
        pytest.param({"exp": "soon"}, "invalid_grant", "expired authorization code", id="no number"),
        pytest.param(
            {"exp": int(time.time()) + 86_400}, "invalid_grant", "expired authorization code", id="far"
        ),
        pytest.param(
            {"exp": int(time.time() * 1000)}, "invalid_grant", "expired authorization code", id="milliseconds"
        ),
        pytest.param(
            {"sub": "eve@acme.example"},
            "invalid_grant",
            "user hasn't approved this consumer",
            id="other user",
        ),
        pytest.param({"iss": "unknown"}, "invalid_client_id", "client identifier invalid", id="unknown app"),
    ],
)
def test_each_wrong_claim_has_its_own_error(app, claims, error, description):
    answer = login(app.address, **claims)

    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


@pytest.mark.parametrize(
    ("change", "error", "description"),
    [
        pytest.param(
            {"approved": False}, "invalid_grant", "user hasn't approved this consumer", id="unapproved"
        ),
        pytest.param({"active": False}, "invalid_grant", "inactive user", id="inactive"),
        pytest.param(
            {"installed": False},
            "app_not_found",
            "External client app is not installed in this org",
            id="not installed",
        ),
        pytest.param({"public_key_pem": public_pem(OTHER)}, "invalid_grant", "invalid assertion", id="key"),
    ],
)
def test_each_wrong_setting_of_the_app_has_its_own_error(outsider, change, error, description):
    register(outsider, **change)

    answer = login(outsider.address)

    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


def test_only_an_old_connected_app_may_use_the_common_login_host(outsider):
    register(outsider, old_connected_app=True)

    assert login(outsider.address, aud="https://login.salesforce.com").status_code == 200


def test_the_my_domain_address_is_the_audience_and_the_instance_may_differ(app):
    app.control(
        "POST", "org", {"my_domain": "https://acme.my.salesforce.com", "instance_url": "https://x.example"}
    )

    refused = login(app.address)
    accepted = login(app.address, aud="https://acme.my.salesforce.com")

    assert refused.json()["error_description"] == "audience is invalid"
    assert accepted.json()["instance_url"] == "https://x.example"
    assert accepted.json()["id"].startswith("https://acme.my.salesforce.com/id/")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        pytest.param({}, "unsupported_grant_type", id="empty"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="password"),
        pytest.param({"grant_type": JWT_BEARER, "assertion": "junk"}, "invalid_grant", id="junk"),
        pytest.param({"grant_type": JWT_BEARER}, "invalid_grant", id="no assertion"),
    ],
)
def test_a_form_that_is_no_login_is_refused(app, form, error):
    answer = ask_for_token(app.address, **form)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("algorithm", ["HS256", "RS512", "PS256"])
def test_only_rs256_is_accepted(app, algorithm):
    key = "x" * 64 if algorithm == "HS256" else PRIVATE_PEM

    answer = login(app.address, key=key, algorithm=algorithm)

    assert answer.json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


def test_an_unsigned_assertion_is_refused(app):
    claims = {"iss": CONSUMER_KEY, "sub": USERNAME, "aud": app.address, "exp": int(time.time()) + 60}

    answer = ask_for_token(
        app.address, grant_type=JWT_BEARER, assertion=jwt.encode(claims, None, algorithm="none")
    )

    assert answer.json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


def test_a_user_may_log_in_so_many_times_an_hour(app):
    app.control("POST", "sessions", {"logins_an_hour": 2})

    answers = [login(app.address) for _ in range(3)]

    door = app.control("GET", "state")["door"]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert answers[2].json() == {"error": "invalid_grant", "error_description": "login rate exceeded"}
    assert door["logins"] == 2
    assert door["refused_logins"] == {"invalid_grant: login rate exceeded": 1}


def test_a_new_key_replaces_the_old_one_at_once(app):
    register(app, public_key_pem=public_pem(OTHER))

    assert login(app.address).status_code == 400
    assert login(app.address, key=pem(OTHER)).status_code == 200


def test_keys_that_salesforce_would_not_take_cannot_be_registered(outsider):
    key = ec.generate_private_key(ec.SECP256R1())

    answer = outsider.http.post(
        f"{outsider.address}/_sandbox/app",
        json={"consumer_key": "k", "public_key_pem": public_pem(key), "username": USERNAME},
        timeout=60,
    )

    assert answer.status_code == 400


def test_a_clock_that_runs_ahead_expires_good_assertions(app):
    app.control("POST", "org", {"skew": 600})

    answer = login(app.address)

    dates = answer.raw.headers.getlist("Date")
    assert answer.json()["error_description"] == "expired authorization code"
    assert len(dates) == 1
    assert parsedate_to_datetime(dates[0]).timestamp() == pytest.approx(time.time() + 600, abs=5)


def test_a_revoked_token_opens_nothing(app):
    token = login(app.address).json()["access_token"]

    app.http.post(f"{app.address}/services/oauth2/revoke", data={"token": token}, timeout=60)

    assert Outsider(app.address, token).get("/limits").status_code == 401
