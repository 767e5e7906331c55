"""What the doctor judges without a database: settings, clocks, the disk, and what an examination comes to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring import room
from monitoring.doctor import database, machine
from monitoring.doctor.findings import Finding, State, well, worst
from monitoring.doctor.look import Look
from monitoring.facts import MB, Disk
from monitoring.room import disk as measured
from tests.builders import NOON

LOOK = Look(now=NOON)
GB = 1000 * MB


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


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [
        pytest.param(110 * GB, 1000 * GB, State.OK, id="more than a tenth"),
        pytest.param(90 * GB, 1000 * GB, State.OK, id="less than a tenth, and much all the same"),
        pytest.param(11 * GB, 100 * GB, State.OK, id="little, and more than a tenth"),
        pytest.param(9 * GB, 100 * GB, State.WARNING, id="less than a tenth"),
        pytest.param(1 * GB, 100 * GB, State.BROKEN, id="hardly anything of it"),
        pytest.param(GB // 10, GB // 2, State.BROKEN, id="hardly anything"),
        pytest.param(0, 0, State.BROKEN, id="nothing"),
    ],
)
def test_a_disk_that_gets_full_is_found(monkeypatch, free, total, state):
    monkeypatch.setattr(room, "disk", lambda: Disk(free, total, embedded=True))

    found = machine.disk(LOOK)

    assert found.state is state
    assert ("Make room" in found.remedy) is (state is not State.OK)


def test_the_disk_that_is_looked_at_is_the_one_that_the_product_needs():
    assert 0 < measured().free < measured().total


def test_a_redis_that_is_away_costs_no_event(settings):
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"

    found = machine.broker(LOOK)

    assert found.state is State.WARNING
    assert found.detail.startswith("does not answer: ")
    assert "hunter2" not in found.detail + found.remedy
