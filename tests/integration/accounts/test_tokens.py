"""API tokens: shown once, kept as a digest, expiring, and never stronger than their maker."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from integrator.accounts import tokens
from integrator.accounts.models import ApiToken, AuditEntry, User
from integrator.accounts.roles import Role
from tests.builders import a_person, a_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def axel():
    return a_person("axel@acme.test", Role.ADMIN)


def a_token(person, role=Role.VIEWER, *, days=30):
    now = timezone.now()
    return tokens.create(
        workspace=a_workspace(),
        user=person,
        name="Nightly export",
        role=role,
        expires_at=now + timedelta(days=days),
        actor=person.email,
        now=now,
    )


def ask(client, text):
    return client.get("/api/v1/health/", headers={"Authorization": f"Bearer {text}"})


def test_a_token_opens_the_interface(client, axel):
    _, text = a_token(axel)

    assert ask(client, text).status_code == 200


def test_only_a_digest_is_kept(axel):
    token, text = a_token(axel)

    kept = str(ApiToken.objects.values().get(pk=token.pk))
    assert text not in kept
    assert text not in repr(token) + str(token) + str(AuditEntry.objects.values().get())
    assert text.startswith("igr_")
    assert len(text) >= 64


def test_no_log_line_shows_a_token(axel, caplog):
    _, text = a_token(axel)

    logging.getLogger("anywhere").warning("seen: %s", text)

    # The handler's own formatter masks; caplog shows the raw record, so the mask is asked directly.
    (handler,) = logging.getLogger().handlers[:1]
    assert text not in handler.format(caplog.records[-1])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(
            lambda token: tokens.revoke(token=token, actor="axel", now=timezone.now()), id="revoked"
        ),
        pytest.param(
            lambda token: ApiToken.objects.filter(pk=token.pk).update(expiry=timezone.now()), id="expired"
        ),
        pytest.param(lambda _: User.objects.update(is_active=False), id="of somebody shut out"),
    ],
)
def test_a_dead_token_opens_nothing(client, axel, spoil):
    token, text = a_token(axel)

    spoil(token)

    answer = ask(client, text)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "This token is unknown, revoked or expired."


@pytest.mark.parametrize("text", ["igr_" + "0" * 64, "x", "igr_é", "", "a b"])
def test_a_guessed_token_opens_nothing(client, text):
    assert ask(client, text).status_code == 401


def test_a_token_in_the_address_opens_nothing(client, axel):
    _, text = a_token(axel)

    assert client.get(f"/api/v1/health/?token={text}").status_code == 401


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_token_lives_a_year_at_most(axel, days):
    with pytest.raises(tokens.BadExpiry):
        a_token(axel, days=days)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.APPROVER, Role.OPERATOR])
def test_a_token_is_no_stronger_than_its_maker(role):
    ada = a_person("ada@acme.test", Role.DESIGNER)

    with pytest.raises(tokens.RoleTooHigh):
        a_token(ada, role)


def test_the_last_use_is_noted_now_and_then(client, axel, django_assert_max_num_queries):
    token, text = a_token(axel)

    ask(client, text)
    noted = ApiToken.objects.get(pk=token.pk).last_used_at
    ask(client, text)

    assert noted is not None
    assert ApiToken.objects.get(pk=token.pk).last_used_at == noted


def test_the_act_is_in_the_trail(axel):
    token, _ = a_token(axel)

    tokens.revoke(token=token, actor="axel@acme.test", now=timezone.now())

    assert list(AuditEntry.objects.order_by("position").values_list("action", flat=True)) == [
        "token.created",
        "token.revoked",
    ]
