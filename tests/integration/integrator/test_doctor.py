"""The command `doctor` says what is wrong, and its exit code how grave that is."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from connectors import connections
from flows.models import Event
from integrator.accounts.models import AuditEntry
from monitoring.doctor import table
from monitoring.models import Duty
from tests.builders import a_connection, an_environment
from tests.integration.flows.given import a_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _settings_as_they_should_be(settings):
    settings.PUBLIC_URL, settings.SANDBOX = "https://integrator.example.com", False
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def installation():
    """An installation that works: somebody does the work and watches, and a connection is in use."""
    a_worker()
    Duty.objects.create(name="alerts", holder="host:1:1", held_until=timezone.now() + timedelta(minutes=5))
    return a_connection("salesforce", last_success_at=timezone.now())


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code of the command and what it printed."""
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def examined() -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(run("--json")[1])}


def test_a_sound_installation_is_told_line_by_line(installation):
    code, said = run()

    assert code == 0, said
    lines = said.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert len(lines) > 10


def test_what_is_only_worth_a_look_is_1(installation):
    Duty.objects.update(failed_at=timezone.now(), failure="ValueError")

    assert run()[0] == 1


def test_work_that_nobody_takes_up_is_2(installation):
    received = timezone.now() - timedelta(minutes=2)
    Event.objects.create(connection=a_connection(), external_id="evt_1", received_at=received, body=b"")

    code, said = run()

    assert code == 2
    assert "broken  Workers: 1 alive" in said
    assert "Start manage.py work" in said


def test_a_lost_key_is_found_and_the_credential_named(settings, installation):
    connections.create(
        environment=an_environment(),
        system="stripe",
        name="Billing",
        base_url="https://api.stripe.com",
        settings={},
        secrets={"secret_key": "sk_test_" + "a" * 24},
        actor="test",
        now=timezone.now(),
    )
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    found = examined()

    assert not found["credentials"]["well"]
    assert "Billing" in found["credentials"]["detail"]
    assert not found["encrypted contents"]["well"]
    assert "sk_test" not in json.dumps(found)


def test_missing_keys_are_found_and_the_rest_is_looked_at_all_the_same(settings, installation):
    settings.ENCRYPTION_KEYS = []

    found = examined()

    assert found["encryption keys"]["state"] == "broken"
    assert found["workers"]["state"] == "ok"


def test_a_pending_migration_is_named_and_tables_are_left_alone(installation):
    applied = MigrationRecorder.Migration.objects.filter(app="monitoring").order_by("-id").first()
    assert applied is not None
    applied.delete()

    found = examined()

    assert f"monitoring.{applied.name}" in found["migrations"]["detail"]
    assert found["migrations"]["remedy"] == "Run manage.py migrate."
    assert "workers" not in found


def test_a_database_that_is_away_is_found(monkeypatch):
    def refused() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refused)

    found = examined()

    assert found["database"]["state"] == "broken"
    assert "DATABASE_URL" in found["database"]["remedy"]
    assert set(found) <= {"settings", "encryption keys", "redis", "disk", "database"}


def test_a_check_that_cannot_be_run_is_a_finding_and_silences_no_other(monkeypatch, installation):
    def stumble(look: object) -> None:
        raise RuntimeError("sk_live_canary")

    first, *others = table.STAGES
    broken = table.Stage(None, (table.Check("keys", stumble), *first.checks))
    monkeypatch.setattr(table, "STAGES", (broken, *others))

    code, said = run()

    assert code == 2
    assert "could not be looked at (RuntimeError)" in said
    assert "canary" not in said
    assert "Workers" in said


@pytest.mark.django_db(transaction=True)
def test_other_systems_are_called_only_if_asked_for(installation):
    tested = AuditEntry.objects.filter(action="connection.tested")

    assert run()[0] == run("--offline")[0] == 0
    assert tested.count() == 0

    code, said = run("--ask")

    assert tested.count() == 1
    assert code == 2
    assert "The address may not be used" in said
