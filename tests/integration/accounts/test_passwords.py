"""Passwords and second factors: what may be chosen, how exactly it is compared, and that none goes around."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core import mail
from django.core.cache import cache
from django.test import Client

from integrator.accounts.models import User
from integrator.accounts.roles import Role
from tests.builders import a_person

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory_of_earlier_attempts():
    cache.clear()


@pytest.fixture
def ada():
    return a_person("ada.lovelace@acme.test", Role.DESIGNER)


def sign_in(client, password):
    client.post("/accounts/login/", {"login": "ada.lovelace@acme.test", "password": password})
    return client.get("/api/docs/").status_code == 200


def change(client, new, *, old=PASSWORD):
    data = {"oldpassword": old, "password1": new, "password2": new}
    return client.post("/accounts/password/change/", data)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("short-one", id="shorter than 12"),
        pytest.param("123456789012", id="digits alone"),
        pytest.param("passwordpassword", id="one that everybody has"),
        pytest.param("aaaaaaaaaaaaaaaa", id="one character"),
        pytest.param("Integrator2026", id="the product and a year"),
        pytest.param("AcmeStripeSalesforce1", id="the workspace and what it joins"),
        pytest.param("ada.lovelace@acme.test", id="the own address"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(client, ada, password):
    client.force_login(ada)

    answer = change(client, password)

    assert b"error" in answer.content
    assert sign_in(Client(), PASSWORD)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("only small letters and gaps", id="small letters"),
        pytest.param("a long one, with much in it; " * 5, id="140 characters"),
        pytest.param("пароль с пробелами 🐎", id="any script"),
        pytest.param("  gaps at both ends  ", id="gaps at both ends"),
        pytest.param("With Capitals And 'quotes\"", id="quotation marks"),
    ],
)
def test_any_other_is_taken_and_compared_exactly(client, ada, password):
    client.force_login(ada)

    change(client, password)

    assert sign_in(Client(), password)
    assert not sign_in(Client(), password.swapcase() if password.swapcase() != password else password[:-1])
    assert not sign_in(Client(), password[:-1])


def test_whoever_changes_it_knows_the_one_before(client, ada):
    client.force_login(ada)

    change(client, "another horse battery", old="guessed")

    assert sign_in(Client(), PASSWORD)
    assert not sign_in(Client(), "another horse battery")


def test_the_field_hides_what_is_typed_and_lets_helpers_fill_it(client):
    page = client.get("/accounts/login/").content.decode()
    (field,) = re.findall(r'<input[^>]*name="password"[^>]*>', page)

    assert 'type="password"' in field
    assert 'autocomplete="current-password"' in field
    assert "onpaste" not in page


def test_it_is_kept_as_a_slow_salted_hash(ada, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # Django's own choice
    ada.set_password(PASSWORD)
    algorithm, rounds, salt, digest = ada.password.split("$")

    assert algorithm == "pbkdf2_sha256"
    assert int(rounds) >= 600_000
    assert len(salt) >= 20
    assert PASSWORD not in digest


def test_somebody_who_is_shut_out_is_out_at_once(client, ada):
    assert sign_in(client, PASSWORD)

    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert client.get("/api/docs/").status_code == 302
    assert not sign_in(Client(), PASSWORD)


# The second factor


@pytest.fixture
def secret(ada):
    """Give Ada a second factor and return its seed."""
    seed = generate_totp_secret()
    Authenticator.objects.create(
        user=ada, type=Authenticator.Type.TOTP, data={"secret": get_adapter().encrypt(seed)}
    )
    return seed


def code_of(secret):
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def with_code(client, code):
    sign_in(client, PASSWORD)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    return client.get("/api/docs/").status_code == 200


def test_a_password_alone_does_not_open_what_has_a_second_factor(ada, secret):
    assert not sign_in(Client(), PASSWORD)
    assert not with_code(Client(), "000000")
    assert with_code(Client(), code_of(secret))


def test_a_code_opens_once(ada, secret):
    code = code_of(secret)

    assert with_code(Client(), code)
    assert not with_code(Client(), code)


def test_codes_cannot_be_tried_out(ada, secret):
    client = Client()
    sign_in(client, PASSWORD)
    for number in range(12):
        client.post("/accounts/2fa/authenticate/", {"code": f"{number:06}"})

    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})

    assert client.get("/api/docs/").status_code != 200


def test_a_reset_password_does_not_go_around_the_second_factor(client, ada, secret):
    client.post("/accounts/password/reset/", {"email": ada.email})
    link = re.search(r"https?://\S+", mail.outbox[0].body)[0]
    form = client.get(link, follow=True)

    client.post(
        form.request["PATH_INFO"], {"password1": "new horse battery", "password2": "new horse battery"}
    )

    assert client.get("/api/docs/").status_code == 302
    assert not sign_in(Client(), "new horse battery")


def test_the_second_factor_is_changed_only_by_who_has_just_proved_themselves(client, ada, secret):
    client.force_login(ada)

    answer = client.post("/accounts/2fa/totp/deactivate/")

    assert "reauthenticate" in answer["Location"]
    assert Authenticator.objects.filter(user=ada).exists()
