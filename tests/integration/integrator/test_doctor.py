"""This module tests that the doctor finds what is wrong and says what to do."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone

from connectors import connections
from flows.models import Event
from tests.builders import a_connection, an_environment

pytestmark = pytest.mark.django_db(transaction=True)


def examine() -> dict[str, dict]:
    out = StringIO()
    with suppress(SystemExit):
        call_command("doctor", "--json", "--offline", stdout=out)
    return {finding["name"]: finding for finding in json.loads(out.getvalue())}


def test_a_sound_installation_has_no_findings():
    assert [name for name, finding in examine().items() if not finding["well"]] == []


def test_work_that_nobody_takes_up_is_found():
    received = timezone.now() - timedelta(minutes=2)
    Event.objects.create(connection=a_connection(), external_id="evt_1", received_at=received, body=b"")

    assert "manage.py work" in examine()["workers"]["remedy"]


def test_a_lost_key_is_found_and_the_credential_named(settings):
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

    finding = examine()["credentials"]

    assert not finding["well"]
    assert "Billing" in finding["detail"]
    assert "sk_test" not in json.dumps(finding)


def test_a_finding_is_an_exit_code(settings):
    settings.ENCRYPTION_KEYS = []

    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--offline", stdout=StringIO())

    assert end.value.code == 1


def test_missing_keys_are_found(settings):
    settings.ENCRYPTION_KEYS = []

    assert not examine()["encryption keys"]["well"]
