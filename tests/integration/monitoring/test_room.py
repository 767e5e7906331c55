"""This module tests that a disk which gets full is one alert, from early on until there is room again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from integrator.accounts.roles import Role
from monitoring import alerts, room
from monitoring.facts import MB, Disk
from monitoring.models import Alert
from tests.builders import NOON, a_pair, a_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _somebody_to_tell() -> None:
    a_pair()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(monkeypatch)


def of_disks() -> Any:
    """Return the alerts about disks: with Redis there is one that nobody keeps pages live in this test."""
    return Alert.objects.filter(kind="disk")


class Disks:
    """A disk of 100 GB of which `has` says how many are free, and time that goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self._now = monkeypatch, NOON

    def has(self, gigabytes: int, *, minutes: float = 1) -> list[tuple[str, str]]:
        """Let so much be free for so long, and return the urgency and the title of its open alerts."""
        free = gigabytes * 1000 * MB
        self._monkeypatch.setattr(room, "disk", lambda: Disk(free, 100_000 * MB, embedded=True))
        for _ in range(2):
            alerts.evaluate(now=self._now)
            self._now += timedelta(minutes=minutes)
        return list(of_disks().open().values_list("severity", "title"))


def test_it_is_told_early_and_becomes_more_urgent_and_is_over(disk: Disks) -> None:
    assert disk.has(50) == []
    assert disk.has(9) == [("warning", "Room on the disk is getting short")]
    assert disk.has(1) == [("critical", "The disk is nearly full")]
    assert disk.has(11, minutes=10) == []
    assert of_disks().count() == 1


def test_what_comes_and_goes_around_the_line_is_one_incident(disk: Disks) -> None:
    for gigabytes in (9, 11, 9, 11, 9):
        assert len(disk.has(gigabytes)) == 1

    assert of_disks().count() == 1


def test_it_is_shown_to_people_and_to_programs(disk: Disks, client: Client) -> None:
    client.force_login(a_person("ada@acme.test", Role.ADMIN))
    disk.has(9)

    page = client.get("/w/acme/dev/alerts/").content.decode()
    (told,) = client.get("/api/v1/alerts/?kind=disk").json()["results"]

    assert "Room on the disk is getting short" in page
    assert told["text"].startswith("9% free (9.0 GB) where the database stands.")
    assert told["severity"] == "warning"
