"""A key can be rotated while the product runs, and the old one taken away afterwards."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import BinaryField

from connectors import connections
from connectors.models import AccessToken, Credential, Topic
from flows.models import Event
from integrator import vault
from integrator.accounts.adapter import SecondFactor
from integrator.management.commands import rotate_keys
from tests.builders import NOON, a_connection, a_person, an_environment

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
ADA = {"actor": "ada@acme.test", "now": NOON}
pytestmark = pytest.mark.django_db


def rotate(**options: Any) -> dict[str, dict[str, int]]:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out, **options)
    return dict(json.loads(out.getvalue()))


@pytest.fixture
def sealed(settings):
    """Credentials, a secret, a session and events, all sealed with the old key."""
    settings.ENCRYPTION_KEYS = [OLD]
    connection = connections.create(
        environment=an_environment(),
        system="stripe",
        name="Billing",
        base_url="https://api.stripe.com",
        settings={},
        secrets={"secret_key": "sk_test_planted"},
        **ADA,
    )
    connections.add_webhook_endpoint(connection=connection, secret="whsec_planted_secret", **ADA)
    AccessToken.objects.create(connection=connection, ciphertext=vault.seal(b"token", owner="token:1"))
    AccessToken.objects.create(connection=a_connection("salesforce"))  # without a session
    for number in range(5):
        Event.objects.create(
            connection=connection,
            external_id=f"evt_{number}",
            body=vault.seal(b"{}", owner=f"event:{connection.pk}"),
            received_at=NOON,
        )
    return connection


def test_everything_opens_with_the_new_key_alone_afterwards(sealed, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    counts = rotate(batch=2)

    settings.ENCRYPTION_KEYS = [NEW]
    assert counts["connectors.credential.ciphertext"] == {"resealed": 1, "current": 0, "unreadable": 0}
    assert counts["connectors.accesstoken.ciphertext"]["resealed"] == 1
    assert counts["connectors.webhooksecret.ciphertext"]["resealed"] == 1
    assert counts["flows.event.body"]["resealed"] == 5
    credential = Credential.objects.get()
    owner = f"credential:{sealed.pk}:secret_key"
    assert vault.unseal(credential.ciphertext, owner=owner) == b"sk_test_planted"
    for event in Event.objects.all():
        assert vault.unseal(event.body, owner=f"event:{sealed.pk}") == b"{}"


def test_a_second_run_changes_nothing(sealed, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    before = bytes(Credential.objects.get().ciphertext)

    counts = rotate()

    assert bytes(Credential.objects.get().ciphertext) == before
    assert sum(count["resealed"] for count in counts.values()) == 0
    assert counts["flows.event.body"]["current"] == 5


def test_a_run_that_was_stopped_is_taken_up_where_it_was(sealed, settings, monkeypatch):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    real, done = vault.reseal, []

    def stop_after_three(value: bytes) -> bytes:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(value)
        return real(value)

    monkeypatch.setattr(vault, "reseal", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        rotate(batch=1)
    monkeypatch.setattr(vault, "reseal", real)

    counts = rotate()

    assert sum(count["resealed"] for count in counts.values()) == 8 - 3
    assert sum(count["current"] for count in counts.values()) == 3


def test_a_row_that_changes_meanwhile_is_left_to_its_writer(sealed, settings, monkeypatch):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    real = vault.reseal
    newer = vault.seal(b"newer", owner=f"credential:{sealed.pk}:secret_key")

    def change_first(value: bytes) -> bytes:
        Credential.objects.update(ciphertext=newer)
        return real(value)

    monkeypatch.setattr(vault, "reseal", change_first)
    rotate_keys.reseal(Credential, "ciphertext", batch=10)

    assert bytes(Credential.objects.get().ciphertext) == newer


def test_what_no_key_opens_is_counted_and_stops_nobody_from_noticing(sealed, settings):
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(CommandError, match="8 values do not open"):
        rotate()

    settings.ENCRYPTION_KEYS = [OLD]
    assert vault.unseal(Credential.objects.get().ciphertext, owner=f"credential:{sealed.pk}:secret_key")


def test_no_sealed_column_is_forgotten():
    """Every binary column of ours is sealed, but for positions; a new one is added to the command's list."""
    ours = {
        (model, column.name)
        for label in ("connectors", "flows", "monitoring", "accounts")
        for model in apps.get_app_config(label).get_models()
        for column in model._meta.local_fields
        if isinstance(column, BinaryField)
    }

    positions = {(Topic, "replay_id")}  # in a stream: they mean something to Salesforce alone
    assert ours - positions == set(rotate_keys.SEALED)


def test_the_seeds_of_second_factors_are_sealed_anew_too(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    factor = TOTP.activate(a_person(), "JBSWY3DPEHPK3PXP").instance
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    first, again = (rotate()["mfa.authenticator.data"] for _ in range(2))

    settings.ENCRYPTION_KEYS = [NEW]
    factor.refresh_from_db()
    assert (first["resealed"], again["resealed"], again["current"]) == (1, 0, 1)
    assert "JBSWY3DPEHPK3PXP" not in str(factor.data)
    assert SecondFactor().decrypt(factor.data["secret"]) == "JBSWY3DPEHPK3PXP"
