"""This module tests the figures for Prometheus: that they are true, cheap, and not for everybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from connectors.models import Connection
from flows.models import DeadLetter, Event, Run, Worker
from tests.builders import NOON, a_pair, a_workspace, an_environment
from tests.integration.flows.given import a_live_flow, runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    pair = a_pair()
    a_live_flow(pair)
    return pair


def figures(client, **headers):
    """Return every figure by its name and labels, as Prometheus itself would read them."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


HERE = "environment=dev"
IN_ACME = f"{{{HERE},workspace=acme}}"


def events(found, fate):
    return found[f"integrator_events{{{HERE},fate={fate},workspace=acme}}"]


def test_the_figures_are_those_of_the_database(client, pair):
    runs(pair, 3)
    dead, done, _ = Run.objects.order_by("id")
    Run.objects.filter(pk=dead.pk).update(state="dead", fate="dead", finished_at=NOON)
    Event.objects.filter(pk=dead.event_id).update(fate="dead")
    Run.objects.filter(pk=done.pk).update(state="done", fate="applied", finished_at=NOON)
    Event.objects.filter(pk=done.event_id).update(fate="applied")
    DeadLetter.objects.create(
        event_id=dead.event_id, run=dead, error_class="refused", message="x", suggestion="y",
        fingerprint="f", created_at=NOON,
    )  # fmt: skip

    found = figures(client)

    assert [events(found, fate) for fate in ("dead", "applied", "queued", "ignored")] == [1, 1, 1, 0]
    assert found[f"integrator_dead_letters_open{IN_ACME}"] == 1
    assert found[f"integrator_events_astray{IN_ACME}"] == 0
    assert found[f"integrator_reviews_open{IN_ACME}"] == 0


def test_an_event_that_nothing_stands_for_is_found(client, pair):
    (run,) = runs(pair, 1)
    Run.objects.filter(pk=run.pk).update(state="done", fate="applied", finished_at=NOON)

    assert figures(client)[f"integrator_events_astray{IN_ACME}"] == 1


def test_connections_say_their_state_and_their_budget(client, pair):
    Connection.objects.filter(pk=pair.salesforce_id).update(
        state="resting", api_used=120, api_limit=15_000, last_failure_at=NOON
    )

    found = figures(client)

    labels = f"connection={pair.salesforce.public_id},{HERE}"
    where = "system=salesforce,workspace=acme"
    assert found[f"integrator_connection_state{{{labels},state=resting,{where}}}"] == 1
    assert found[f"integrator_connection_state{{{labels},state=active,{where}}}"] == 0
    assert found[f"integrator_connection_api_used{{{labels},{where}}}"] == 120
    assert found[f"integrator_connection_api_limit{{{labels},{where}}}"] == 15_000
    assert (
        found[f"integrator_connection_last_failure_timestamp_seconds{{{labels},{where}}}"] == NOON.timestamp()
    )


def test_workers_count_while_their_heartbeat_is_fresh(client):
    now = timezone.now()
    for number, left in enumerate((30, 30, -30)):
        ends = now + timedelta(seconds=left)
        Worker.objects.create(
            name=f"w{number}", host="box", pid=number, started_at=now, expires_at=ends, last_claim_at=NOON
        )

    found = figures(client)

    assert found["integrator_workers{}"] == 2
    assert found["integrator_workers_alive{host=box}"] == 2
    assert found["integrator_last_claim_timestamp_seconds{}"] == NOON.timestamp()


def test_the_age_of_what_waits_is_told(client, pair):
    Event.objects.create(
        connection=pair.stripe, external_id="evt_1", body=b"",
        received_at=timezone.now() - timedelta(seconds=90),
    )  # fmt: skip

    found = figures(client)

    assert 89 < found["integrator_oldest_ready_seconds{}"] < 120
    assert found[f"integrator_events_undispatched{IN_ACME}"] == 1


def test_every_environment_is_there_though_nothing_is_in_it(client):
    an_environment()
    a_workspace("globex")

    found = figures(client)

    assert found["integrator_reviews_open{environment=production,workspace=globex}"] == 0


def test_no_statement_reads_more_when_there_is_more(client, pair):
    def statements():
        with CaptureQueriesContext(connection) as caught:
            figures(client)
        return len(caught)

    runs(pair, 1)
    before = statements()
    runs(pair, 30)

    assert statements() == before


def test_a_name_that_people_chose_cannot_break_the_text(client):
    Worker.objects.create(
        name="w", host='a"}\n integrator_forged 1', pid=1, started_at=NOON,
        expires_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip

    answer = client.get("/metrics").content.decode()

    assert not re.search(r"^ ?integrator_forged", answer, re.MULTILINE)
    assert "integrator_forged{}" not in figures(client)


# Who may read them


@pytest.mark.parametrize("address", ["10.0.0.7", "192.0.2.1", "", "nonsense", "2001:db8::1"])
def test_another_machine_finds_nothing(client, address):
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"])
def test_what_came_by_a_proxy_is_not_this_machine(client, name):
    assert client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        pytest.param("Bearer right-token", 200, id="the token"),
        pytest.param("Bearer right-tokem", 401, id="a wrong one"),
        pytest.param("Bearer é", 401, id="no ASCII"),
        pytest.param("", 401, id="none"),
    ],
)
def test_a_token_opens_them_to_any_machine_and_none_to_no_machine(client, settings, shown, status):
    settings.METRICS_TOKEN = "right-token"

    answers = [client.get("/metrics", REMOTE_ADDR=a, headers={"Authorization": shown})
               for a in ("10.0.0.7", "127.0.0.1")]  # fmt: skip

    assert {answer.status_code for answer in answers} == {status}


def test_nothing_but_reading_is_answered(client):
    assert client.post("/metrics").status_code == 405
