"""Health by REST: counts that add up, what waits, and who works."""

from __future__ import annotations

import pytest

from monitoring import standing
from tests.builders import NOON
from tests.integration.flows.given import a_worker, an_event


def test_received_is_the_sum_of_the_fates(admin, stage):
    an_event(stage.stripe)

    health = admin.get("health/").json()

    assert health["received"] == sum(health["fates"].values()) == 2
    assert (health["fates"]["dead"], health["fates"]["queued"]) == (1, 1)
    assert (health["undispatched"], health["dead_letters"]) == (1, 1)
    assert health["oldest_waiting_seconds"] > 0


def test_one_environment_alone(admin, stage):
    assert admin.get("health/", environment="dev").json()["received"] == 1
    assert admin.get("health/", environment="qa").json()["received"] == 0


def test_connections_tell_their_state(admin, stage):
    found = admin.get("health/").json()["connections"]

    assert {(row["system"], row["state"]) for row in found} == {
        ("stripe", "active"),
        ("salesforce", "active"),
    }


@pytest.mark.django_db(transaction=True)
def test_living_workers_are_counted(admin):
    worker = a_worker()

    alive = admin.get("health/").json()["workers"]["alive"]

    worker.close() if hasattr(worker, "close") else None
    assert alive == 1


def test_asking_is_cheap(admin, stage, django_assert_max_num_queries):
    admin.get("health/")  # notes the use of the token

    with django_assert_max_num_queries(14):
        admin.get("health/")


def test_a_dear_count_is_given_out_for_ten_times_as_long_as_it_took(stage, monkeypatch):
    monkeypatch.setattr(standing, "CHEAP", 0.05)
    standing._known.clear()
    environments = [stage.pair.environment]
    ticks = iter([0.0, 1.0, 1.0, 5.0, 12.0, 12.0, 12.1, 12.1])

    def ask():
        return standing.counts(environments, now=NOON, clock=lambda: next(ticks))

    first = ask()
    an_event(stage.stripe)
    assert ask() is first
    assert sum(ask().fates.values()) == 2
    standing._known.clear()
