"""What the doctor judges without a database: settings, clocks, the disk, and what an examination comes to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.doctor import database, machine
from monitoring.doctor.findings import Finding, State, well, worst
from monitoring.doctor.look import Look
from tests.builders import NOON

LOOK = Look(now=NOON)


@pytest.fixture
def in_production(settings):
    """Settings as they should be where people reach the product from elsewhere."""
    settings.PUBLIC_URL = "https://integrator.example.com"
    settings.ALLOWED_HOSTS = ["integrator.example.com"]
    settings.SANDBOX = settings.DEBUG = False
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


def dangers() -> dict[str, Finding]:
    return {found.about: found for found in machine.dangers(LOOK) if not found.well}


def test_an_examination_is_as_grave_as_its_gravest_finding():
    grave = Finding("disk", State.BROKEN, "full", "Make room.")

    assert worst([well("redis", "answers"), grave, Finding("clock", State.WARNING, "6 s")]) is State.BROKEN
    assert worst([]) is State.OK


def test_settings_as_they_should_be_are_no_danger(in_production):
    assert dangers() == {}
    assert [found.state for found in machine.dangers(LOOK)] == [State.OK]


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("DEBUG", True, "DEBUG"),
        ("SECRET_KEY", "for-development-only-" + "0" * 40, "SECRET_KEY"),
        ("PUBLIC_URL", "http://integrator.example.com", "INTEGRATOR_PUBLIC_URL"),
        ("FORWARDED_ALLOW_IPS", "*", "FORWARDED_ALLOW_IPS"),
        ("ALLOWED_HOSTS", ["*"], "ALLOWED_HOSTS"),
        ("METRICS_TOKEN", "hunter2", "INTEGRATOR_METRICS_TOKEN"),
        ("MAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "EMAIL_URL"),
    ],
)
def test_a_dangerous_setting_is_named_and_its_value_is_not_told(in_production, setting, value, named):
    setattr(in_production, setting, value)

    (found,) = dangers().values()

    assert (found.about, found.state) == (named, State.BROKEN)
    assert found.remedy
    assert str(value) not in found.detail


def test_what_is_dangerous_in_public_is_worth_a_look_on_ones_own_machine(in_production):
    in_production.PUBLIC_URL, in_production.DEBUG = "http://127.0.0.1:8000", True

    assert {found.state for found in dangers().values()} == {State.WARNING}


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0.4, State.OK), (-6, State.WARNING), (30, State.WARNING), (90, State.BROKEN), (-3600, State.BROKEN)],
)
def test_clocks_may_differ_by_seconds(seconds, state):
    found = database.judged(timedelta(seconds=seconds), "the database's")

    assert found.state is state
    assert ("Synchronise the clocks" in found.remedy) is (state is not State.OK)


def test_a_full_disk_is_found(tmp_path):
    nothing, everything = (0.0, 0), (1.1, 10**18)

    assert machine.disk(LOOK, place=tmp_path, enough=nothing, least=nothing).state is State.OK
    assert machine.disk(LOOK, place=tmp_path, enough=everything, least=nothing).state is State.WARNING
    full = machine.disk(LOOK, place=tmp_path, enough=everything, least=(0.0, 10**18))
    assert full.state is State.BROKEN
    assert "Make room" in full.remedy


def test_a_redis_that_is_away_costs_no_event(settings):
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"

    found = machine.broker(LOOK)

    assert found.state is State.WARNING
    assert found.detail.startswith("does not answer: ")
    assert "hunter2" not in found.detail + found.remedy
