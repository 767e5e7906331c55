"""Signing in: by e-mail and password, slowly for whoever guesses, and never to another site."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrator.accounts import people
from integrator.accounts.roles import Role
from tests.builders import a_person, a_workspace

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory_of_earlier_attempts():
    cache.clear()


@pytest.fixture
def ada():
    return a_person("ada@acme.test", Role.DESIGNER)


def sign_in(client, email="ada@acme.test", password=PASSWORD, **more):
    return client.post("/accounts/login/", {"login": email, "password": password, **more})


def signed_in(client):
    return client.get("/api/docs/").status_code == 200


def test_the_right_password_opens(client, ada):
    answer = sign_in(client)

    assert answer.status_code == 302
    assert signed_in(client)


def test_the_session_is_a_new_one(client, ada):
    client.session.save()
    before = client.session.session_key

    sign_in(client)

    assert client.session.session_key != before


def words(answer):
    return re.sub(r'value="[^"]*"|nonce="[^"]*"', "", answer.content.decode())


def test_an_unknown_person_and_a_wrong_password_get_the_same_answer(ada):
    known = sign_in(Client(), "ada@acme.test", "wrong")
    unknown = sign_in(Client(), "nobody@acme.test", "wrong")

    assert words(known) == words(unknown)
    assert (known.status_code, unknown.status_code) == (200, 200)
    assert "errors" in words(known)


def test_somebody_who_guesses_is_stopped_even_with_the_right_password(client, ada):
    for _ in range(6):
        sign_in(client, password="wrong")

    sign_in(client)

    assert not signed_in(client)


def test_others_are_not_stopped_by_it(ada):
    a_person("otto@acme.test", Role.OPERATOR)
    for _ in range(6):
        sign_in(Client(), password="wrong")

    otto = Client()
    sign_in(otto, "otto@acme.test")

    assert signed_in(otto)


@pytest.mark.parametrize(
    "address",
    ["https://evil.test/", "//evil.test/", "/\\evil.test/", "javascript:alert(1)", "https:evil.test"],
)
def test_nobody_is_led_to_another_site(client, ada, address):
    answer = sign_in(client, next=address)

    assert "evil" not in answer["Location"]
    assert not answer["Location"].startswith("javascript")


def test_whoever_followed_a_link_comes_back_to_it(client, ada):
    assert sign_in(client, next="/w/acme/settings/people/")["Location"] == "/w/acme/settings/people/"


def test_tries_are_logged_without_the_password(client, ada, caplog):
    caplog.set_level("INFO")

    sign_in(client, password="hunter2-wrong")
    sign_in(client)

    said = [record.getMessage() for record in caplog.records if record.name.endswith("sign_in_log")]
    assert ["sign-in failed" in said[0], "signed in" in said[1]] == [True, True]
    assert "ada@acme.test" in said[0]
    assert "hunter2" not in caplog.text


def test_signing_in_needs_a_csrf_token(ada):
    assert sign_in(Client(enforce_csrf_checks=True)).status_code == 403


def test_nobody_signs_up_by_themselves(client):
    page = client.get("/accounts/signup/")
    client.post("/accounts/signup/", {"email": "eve@evil.test", "password1": PASSWORD, "password2": PASSWORD})

    assert b"closed" in page.content
    assert not signed_in(client)


def test_nobody_changes_the_address_that_the_trail_knows_them_by(client, ada):
    sign_in(client)

    assert client.post("/accounts/email/", {"email": "eve@evil.test", "action_add": ""}).status_code == 404
    assert client.get("/accounts/email/").status_code == 404


def test_a_session_is_worthless_after_signing_out(client, ada):
    sign_in(client)
    stolen = client.cookies["sessionid"].value

    client.post("/accounts/logout/")

    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert not signed_in(thief)


def test_a_new_password_ends_every_session(client, ada):
    sign_in(client)
    other = Client()
    sign_in(other)

    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": "new horse battery 1", "password2": "new horse battery 1"},
    )

    assert not signed_in(other)


def test_somebody_new_chooses_a_password_by_their_link(client):
    ada = people.add(
        workspace=a_workspace(), email="ada@acme.test", role=Role.VIEWER, actor="axel", now=timezone.now()
    ).user
    link = people.invitation(user=ada)

    form = client.get(link, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
    sign_in(client)

    assert signed_in(client)
    assert b"Bad Token" in Client().get(link, follow=True).content


def test_a_forgotten_password_is_mailed_about_and_nobody_learns_who_exists(client, ada):
    known = client.post("/accounts/password/reset/", {"email": "ada@acme.test"})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@acme.test"})

    assert known["Location"] == unknown["Location"]
    assert mail.outbox[0].to == ["ada@acme.test"]


@pytest.mark.parametrize(
    "path",
    ["2fa/", "2fa/totp/activate/", "password/change/", "logout/", "password/reset/", "login/", "signup/"],
)
def test_the_pages_around_signing_in_have_our_look(client, ada, path):
    if path not in {"password/reset/", "login/", "signup/"}:
        sign_in(client)

    answer = client.get(f"/accounts/{path}", follow=True)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'class="entrance"' in page
    assert page.count("<h1") == 1
    assert not re.search(r"<style|style=|<script>", page)


def test_a_second_factor_can_be_set_up_and_is_asked_for(client, ada):
    sign_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    client.post("/accounts/2fa/totp/activate/", {"code": code})

    answer = sign_in(Client())

    assert get_adapter().is_mfa_enabled(ada)
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")


def test_where_no_mail_is_sent_nobody_is_told_that_one_was(client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    answer = client.get("/accounts/password/reset/")

    assert b"sends no mail" in answer.content
    assert b"<form" not in answer.content
