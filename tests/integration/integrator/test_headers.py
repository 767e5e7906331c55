"""This module tests that every answer tells browsers to be strict, and that odd methods get none."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from integrator.accounts.roles import Role
from tests.answered import said
from tests.builders import a_person, a_workspace
from tests.integration.accounts.test_routes import ROUTES, filled

pytestmark = pytest.mark.django_db

ELSEWHERE = ["/", "/nowhere/", "/api/v1/health/", "/api/v1/nowhere/", "/healthz", "/accounts/login/"]
POLICY = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
}


@pytest.fixture
def administrator():
    a_workspace()
    client = Client(raise_request_exception=False)
    client.force_login(a_person("axel@acme.test", Role.ADMIN))
    return client


def answers(client):
    """Yield the answer of every kind of page, refusals and strangers' ones included."""
    for address in [*ELSEWHERE, *(filled(route.path) for route in ROUTES)]:
        yield address, client.get(address)


def test_every_answer_carries_the_whole_policy(administrator):
    for address, answer in answers(administrator):
        policy = re.sub(r" 'nonce-[^']+'", "", answer["Content-Security-Policy"]).split("; ")

        assert set(policy) >= POLICY, address
        assert "unsafe" not in answer["Content-Security-Policy"], address


def test_every_answer_is_kept_from_frames_caches_and_guessing(administrator):
    wanted = {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    for address, answer in answers(administrator):
        assert {name: answer.get(name) for name in wanted} == wanted, address
        assert "camera=()" in answer["Permissions-Policy"], address
        assert "no-store" in answer["Cache-Control"], address


def test_a_nonce_is_never_used_twice(administrator):
    pages = [administrator.get("/api/docs/") for _ in range(2)]
    nonces = [re.search(r"'nonce-([^']+)'", page["Content-Security-Policy"])[1] for page in pages]

    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in pages[0].content.decode()


def test_no_page_needs_a_script_or_style_without_a_nonce(administrator):
    for address, answer in answers(administrator):
        text = said(answer).decode("utf-8", "replace")  # a download is no text

        assert re.findall(r"<script(?![^>]*(?:src|nonce)=)", text) == [], address
        assert re.findall(r"<style(?![^>]*nonce=)|\sstyle=\"|\son\w+=\"", text) == [], address


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("address", ["/", "/healthz", "/w/acme/dev/", "/api/v1/health/", "/accounts/login/"])
def test_a_method_that_nobody_needs_is_refused(administrator, method, address):
    answer = administrator.generic(method, address, headers={"X-Canary": "sk_live_canary"})

    assert answer.status_code == 405
    assert b"canary" not in answer.content


def test_the_cookies_are_out_of_reach_of_scripts_and_other_sites(client):
    a_person("ada@acme.test", Role.VIEWER)
    client.get("/accounts/login/")

    client.post("/accounts/login/", {"login": "ada@acme.test", "password": "correct horse battery"})

    assert set(client.cookies) == {"sessionid", "csrftoken"}
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")


def test_no_other_site_may_read_an_answer(administrator):
    answer = administrator.get("/api/v1/health/", headers={"Origin": "https://evil.test"})

    assert [name for name in answer.headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("host", ["evil.test", "testserver.evil.test", "testserver:80@evil.test", ""])
def test_another_host_name_is_refused(client, host):
    answer = client.get("/accounts/login/", headers={"Host": host})

    assert answer.status_code == 400
    assert b"evil" not in answer.content


def test_a_host_name_in_a_forwarded_header_is_not_believed(client):
    a_person("ada@acme.test", Role.VIEWER)

    answer = client.get("/", headers={"X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test"})

    assert "evil" not in answer["Location"]


def test_a_program_that_asks_without_tls_is_refused_and_not_led_on(client, settings):
    settings.SECURE_SSL_REDIRECT = True

    answer = client.get("/api/v1/health/", headers={"Authorization": "Bearer igr_canary"})

    assert answer.status_code == 403
    assert "https" in answer.json()["detail"]
    assert "canary" not in answer.content.decode()


def test_a_refusal_is_logged_with_who_asked_for_what(client, caplog):
    a_workspace()
    client.force_login(a_person("vera@acme.test", Role.VIEWER))

    client.get("/w/acme/settings/audit/")

    (line,) = [record.msg for record in caplog.records if "access.refused" in str(record.msg)]
    assert (line["who"], line["path"], line["method"]) == ("vera@acme.test", "/w/acme/settings/audit/", "GET")
    assert line["request_id"]


def test_everything_that_has_a_body_says_what_it_is(administrator):
    for address, answer in answers(administrator):
        body = said(answer)
        if body and "html" in answer["Content-Type"]:
            assert answer["Content-Type"] == "text/html; charset=utf-8", address
        assert body == b"" or answer["Content-Type"], address


def test_a_parameter_that_comes_twice_widens_nothing(administrator):
    once = administrator.get("/api/v1/events/?environment=qa").json()
    twice = administrator.get("/api/v1/events/?environment=dev&environment=qa").json()

    assert once["results"] == twice["results"] == []
