"""The doctor finds who does not work, what cannot be opened, and why nothing arrives; each fault is made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from connectors import connections, outbound
from connectors.models import Connection, Topic
from integrator import vault
from monitoring.conservation import hour_of
from monitoring.doctor import database, outside, sealed, work
from monitoring.doctor.findings import Finding, State
from monitoring.doctor.look import Look
from monitoring.models import ConservationHour, Duty
from tests.builders import NOON, a_connection
from tests.integration.flows.given import a_worker, an_event, die
from tests.integration.monitoring.public_address import answers

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def look(**fields: Any) -> Look:
    return Look(**{"now": NOON, **fields})


def only(findings: Iterable[Finding]) -> Finding:
    """Return the one finding that there is."""
    (found,) = findings
    return found


# Who works


def test_workers_that_stopped_beating_are_found_before_anything_waits():
    worker = a_worker()
    Duty.objects.create(name="alerts", holder="host:1:1", held_until=timezone.now() + MINUTE)
    assert work.workers(look(now=timezone.now())).state is State.OK

    die(worker)
    found = work.workers(look(now=timezone.now()))

    assert found.state is State.WARNING
    assert "0 alive" in found.detail
    assert "manage.py work" in found.remedy


def test_workers_that_had_nothing_to_do_yet_are_believed_to_be_there_while_somebody_watches():
    assert work.workers(look()).state is State.WARNING

    Duty.objects.create(name="alerts", holder="host:1:1", held_until=NOON + MINUTE)

    assert work.workers(look()).state is State.OK


def test_workers_that_never_began_while_work_waits_are_not_said_to_have_had_nothing_to_do():
    an_event(a_connection("stripe"), {"id": "ch_1", "object": "charge"}, received_at=NOON - MINUTE)

    found = work.workers(look())

    assert found.state is State.BROKEN
    assert found.detail.startswith("none has begun yet; the oldest work has waited for")


def test_nobody_who_watches_is_found():
    assert only(work.watching(look())).state is State.WARNING
    Duty.objects.create(name="alerts", holder="host:1:1", held_until=NOON)
    assert only(work.watching(look())).state is State.OK

    assert only(work.watching(look(now=NOON + 5 * MINUTE))).state is State.BROKEN


def test_a_topic_that_nobody_hears_is_found_and_one_that_is_heard_is_counted():
    org = a_connection("salesforce")
    Topic.objects.create(connection=org, name="/event/Paid__e", created_at=NOON - DAY)

    found = only(work.listener(look()))

    assert (found.state, "manage.py listen" in found.remedy) == (State.BROKEN, True)
    assert found.about == "acme/dev/Salesforce /event/Paid__e"

    Topic.objects.update(lease_until=NOON + MINUTE, listener="host:1", kept_until=NOON)
    assert only(work.listener(look())).detail == "1 topic, 1 listener"


# What is kept


@pytest.mark.django_db(transaction=True)
def test_commits_that_are_not_on_the_disk_at_once_are_found(on_postgresql):
    switch = "SET synchronous_commit = {}" if on_postgresql else "PRAGMA synchronous = {}"

    def after(statement: str) -> State:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        return next(found.state for found in database.durability(look()) if found.name == "durability")

    try:
        assert after(switch.format("off")) is State.BROKEN
    finally:
        assert after(switch.format("on" if on_postgresql else "full")) is State.OK


def test_connections_of_everybody_are_counted_by_a_user_who_may_not_look_into_them(
    on_postgresql, monkeypatch
):
    if not on_postgresql:
        pytest.skip("SQLite has no connections that could run out")
    monkeypatch.setattr(database, "CROWDED", 0.0)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE pg_signal_backend")

    assert "connections" in {one.about for one in database.durability(look())}


# What is encrypted


def test_contents_whose_key_is_gone_are_found_among_the_rest(settings):
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    stripe = a_connection()
    settings.ENCRYPTION_KEYS = [old]
    an_event(stripe)
    settings.ENCRYPTION_KEYS = [new, old]
    for _ in range(20):
        an_event(stripe)

    being_rotated = sealed.contents(look())
    settings.ENCRYPTION_KEYS = [new]
    lost = sealed.contents(look())

    assert being_rotated.state is State.OK
    assert "1 value of those looked at needs an older key" in being_rotated.detail
    assert lost.state is State.BROKEN
    assert "event: body (1 of" in lost.detail


def test_a_key_opens_what_it_sealed_and_nothing_else(settings):
    value = vault.seal(b"plain", owner="somebody")
    assert vault.opens(value)

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    assert not vault.opens(value)


# The ways to other systems


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"last_success_at": NOON - MINUTE}, State.OK),
        ({"pinned_account": ""}, State.WARNING),
        ({"state": "paused", "state_reason": "Moving"}, State.WARNING),
        ({"state": "resting", "state_reason": "Limit", "paused_until": NOON + MINUTE}, State.WARNING),
        ({"state": "resting", "state_reason": "It leads elsewhere"}, State.BROKEN),
        ({"last_success_at": NOON - DAY, "last_failure_at": NOON, "last_failure": "reset"}, State.WARNING),
        ({"api_used": 90, "api_limit": 100}, State.WARNING),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else value.word,
)
def test_a_connection_is_told_as_it_is_known(fields, state):
    a_connection("salesforce", **fields)

    found = only(outside.connected(look()))

    assert found.state is state
    assert bool(found.remedy) is (state is not State.OK)


def a_webhook(**fields: object) -> Connection:
    """Return a connection to Stripe with an endpoint that was added two days ago."""
    stripe = a_connection(**({"base_url": "https://api.stripe.com"} | fields))
    connections.add_webhook_endpoint(connection=stripe, secret="whsec_planted_secret", actor="x", now=NOON)
    stripe.webhook_endpoints.update(created_at=NOON - 2 * DAY)
    return stripe


@pytest.fixture
def _reachable(settings):
    settings.PUBLIC_URL = "https://integrator.example.com"


def of_webhooks() -> Finding:
    return only(outside.webhooks(look()))


@pytest.mark.usefixtures("_reachable")
def test_a_delivery_of_a_minute_ago_shows_that_webhooks_arrive():
    stripe = a_webhook()
    assert of_webhooks().state is State.WARNING  # nothing in two days

    stripe.webhook_endpoints.get().secrets.update(last_used_at=NOON - MINUTE)

    assert (of_webhooks().state, of_webhooks().detail) == (State.OK, "last delivery 1 min ago")


@pytest.mark.usefixtures("_reachable")
def test_webhooks_that_bring_nothing_while_the_list_does_are_broken():
    stripe = a_webhook()
    ConservationHour.objects.create(
        connection=stripe, hour=hour_of(NOON), found=7, delivered=0, counted_at=NOON
    )

    assert of_webhooks().state is State.BROKEN
    assert "7 events came from Stripe's list" in of_webhooks().detail


@pytest.mark.usefixtures("_reachable")
def test_an_endpoint_whose_secrets_have_expired_is_broken():
    a_webhook().webhook_endpoints.get().secrets.update(expires_at=NOON - MINUTE)

    assert of_webhooks().state is State.BROKEN


def test_a_connection_without_an_endpoint_is_told_unless_that_is_wanted():
    stripe = a_connection()
    assert "no endpoint" in of_webhooks().detail

    stripe.configure(walk_only=True)

    assert of_webhooks().state is State.OK


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://integrator.example.com"])
def test_stripe_cannot_deliver_to_this_machine_or_without_tls_but_the_simulated_one_can(settings, address):
    settings.PUBLIC_URL = address
    stripe = a_webhook()
    assert address in of_webhooks().detail
    assert "INTEGRATOR_PUBLIC_URL" in of_webhooks().remedy

    Connection.objects.update(base_url="http://127.0.0.1:1")
    stripe.webhook_endpoints.get().secrets.update(last_used_at=NOON)

    assert of_webhooks().state is State.OK


@pytest.mark.parametrize(
    ("said", "believed", "told"),
    [
        (b"ok\n", True, "ok: last delivery 1 min ago"),
        (b"ok\n", False, "warning: {} has no certificate that Stripe would accept"),
        (b"Welcome to my router", True, "warning: somebody else answers at {} (HTTP 200)"),
    ],
    ids=["well", "certificate", "somebody else"],
)
def test_the_public_address_is_asked_where_that_is_wanted(said, believed, told, settings, tmp_path):
    a_webhook().webhook_endpoints.get().secrets.update(last_used_at=NOON - MINUTE)
    with answers(said, tmp_path, believed=believed) as settings.PUBLIC_URL:
        (asked,) = outside.webhooks(look(ask=True))

    assert f"{asked.state.word}: {asked.detail}" == told.format(settings.PUBLIC_URL)
    assert of_webhooks().state is State.OK  # nobody is asked


def test_a_public_address_that_nobody_answers_is_told_with_what_to_do(settings):
    a_webhook().webhook_endpoints.get().secrets.update(last_used_at=NOON)
    settings.PUBLIC_URL = "https://integrator.invalid"

    found = only(outside.webhooks(look(ask=True)))

    assert found.state is State.WARNING
    assert "https://integrator.invalid does not answer when it is asked from here" in found.detail
    assert "certificate and proxy" in found.remedy


def test_somebody_else_is_told_however_much_they_say(settings, tmp_path, monkeypatch):
    a_webhook()
    monkeypatch.setattr(outbound, "MAX_BYTES", 1 << 16)
    with answers(b"Welcome" * 100_000, tmp_path, believed=True) as settings.PUBLIC_URL:
        found = only(outside.webhooks(look(ask=True)))

    assert "somebody else answers" in found.detail


def test_a_silent_public_address_does_not_hide_that_events_are_missed_and_is_asked_once(
    settings, monkeypatch
):
    asked = []
    monkeypatch.setattr(outside, "_silent", lambda *_: asked.append(1) or "nobody answers")
    settings.PUBLIC_URL = "https://integrator.example.com"
    missing, other = a_webhook(), a_webhook(name="Other")
    ConservationHour.objects.create(
        connection=missing, hour=hour_of(NOON), found=7, delivered=0, counted_at=NOON
    )

    found = {one.about: one for one in outside.webhooks(look(ask=True))}

    broken, warned = found[f"acme/dev/{missing.name}"], found[f"acme/dev/{other.name}"]
    assert (broken.state, warned.state) == (State.BROKEN, State.WARNING)
    assert "7 events came from Stripe's list within an hour, and nobody answers" in broken.detail
    assert len(asked) == 1


def test_a_clock_that_is_behind_shows_by_events_that_come_before_they_happened():
    stripe = a_connection()
    an_event(stripe, received_at=NOON + MINUTE)
    assert database.clock_of_senders(look()).state is State.OK

    for _ in range(2):
        an_event(stripe, received_at=NOON - 3 * MINUTE)

    assert database.clock_of_senders(look()).state is State.BROKEN
