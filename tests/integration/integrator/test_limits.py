"""This module tests that nobody can ask, guess or nest without an end."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrator.accounts import limits, tokens
from integrator.accounts.roles import Role
from integrator.nesting import ShallowJson
from tests.builders import a_person, a_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_yet():
    cache.clear()
    yield
    cache.clear()


def a_token(name):
    now = timezone.now()
    person = a_person(f"{name}@acme.test", Role.ADMIN)
    made = tokens.create(
        workspace=a_workspace(), user=person, name=name, role=Role.ADMIN,
        expires_at=now + timedelta(days=1), actor="axel", now=now,
    )  # fmt: skip
    return {"Authorization": f"Bearer {made[1]}"}


def test_a_minute_before_counts_for_the_part_that_is_not_over():
    for _ in range(10):
        limits.count("x", now=599.0)

    assert limits.count("x", now=600.0) == 11
    assert limits.count("x", now=630.0) == pytest.approx(7.0)
    assert limits.count("x", now=720.0) == pytest.approx(1 + 0.0)
    assert limits.count("y", now=600.0) == 1


def test_a_program_that_reads_too_often_is_told_when_to_come_back(client, settings):
    settings.API_READS_PER_MINUTE = 3
    token = a_token("eager")

    answers = [client.get("/api/v1/health/", headers=token) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert 0 <= int(answers[-1]["Retry-After"]) <= 60


def test_one_programs_haste_is_not_anothers_and_reading_is_not_changing(client, settings):
    settings.API_READS_PER_MINUTE = settings.API_CHANGES_PER_MINUTE = 1
    eager, other = a_token("eager"), a_token("other")
    for _ in range(3):
        client.get("/api/v1/health/", headers=eager)

    assert client.get("/api/v1/health/", headers=other).status_code == 200
    changed = client.post("/api/v1/integrations/", {"name": "Payroll"}, "application/json", headers=eager)
    again = client.post("/api/v1/integrations/", {"name": "Other"}, "application/json", headers=eager)
    assert (changed.status_code, again.status_code) == (201, 429)


def test_a_person_in_a_browser_has_a_limit_too(client, settings):
    settings.API_READS_PER_MINUTE = 1
    a_workspace()
    client.force_login(a_person("ada@acme.test", Role.VIEWER))

    assert [client.get("/api/v1/health/").status_code for _ in range(2)] == [200, 429]


def test_whoever_guesses_tokens_is_slowed_down_and_noted_but_a_good_token_still_works(client, caplog):
    good = a_token("good")
    bad = {"Authorization": "Bearer igr_" + "0" * 64}

    answers = [
        client.get("/api/v1/health/", headers=bad).status_code for _ in range(limits.MOST_REFUSALS + 9)
    ]

    assert set(answers[: limits.MOST_REFUSALS]) == {401}
    assert set(answers[limits.MOST_REFUSALS :]) == {429}
    assert client.get("/api/v1/health/", headers=good).status_code == 200
    noted = [record for record in caplog.records if "token was refused" in record.getMessage()]
    assert len(noted) == 2
    assert "igr_0" not in caplog.text


def test_a_forged_address_does_not_help_somebody_who_guesses_a_password():
    a_person("ada@acme.test", Role.VIEWER)

    def sign_in(password, number):
        client = Client()
        data = {"login": "ada@acme.test", "password": password}
        client.post("/accounts/login/", data, headers={"X-Forwarded-For": f"10.0.0.{number}"})
        return client.get("/api/docs/").status_code == 200

    assert not any(sign_in("wrong", number) for number in range(6))
    assert not sign_in("correct horse battery", 77)


def test_asking_for_links_has_an_end(client, mailoutbox):
    a_person("ada@acme.test", Role.VIEWER)

    answers = [client.post("/accounts/password/reset/", {"email": "ada@acme.test"}) for _ in range(8)]

    assert len(mailoutbox) <= 5
    assert answers[-1].status_code in {200, 429}
    assert answers[-1].status_code == 429 or b"Too many" in answers[-1].content


@pytest.mark.parametrize("shape", ["[", '{"a":'])
@pytest.mark.parametrize(
    ("levels", "status"),
    [
        pytest.param(ShallowJson.deepest + 2, 400, id="a little too deep"),
        pytest.param(50_000, 400, id="far too deep"),
    ],
)
def test_a_body_that_is_nested_too_deeply_is_the_callers_mistake(client, shape, levels, status):
    closing = "]" if shape == "[" else "}"
    body = '{"name": ' + shape * levels + "1" + closing * levels + "}"

    answer = client.post("/api/v1/integrations/", body, "application/json", headers=a_token("deep"))

    assert answer.status_code == status
    assert "nested too deeply" in answer.json()["detail"]


def test_a_body_of_any_reasonable_depth_is_read(client):
    nested = json.loads("[" * (ShallowJson.deepest - 1) + "]" * (ShallowJson.deepest - 1))

    answer = client.post(
        "/api/v1/integrations/", {"name": nested}, "application/json", headers=a_token("deep")
    )

    assert "nested" not in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_kind_is_refused(client, kind):
    answer = client.generic(
        "POST", "/api/v1/integrations/", '{"name": "x"}', content_type=kind, headers=a_token("kind")
    )

    assert answer.status_code == 415
