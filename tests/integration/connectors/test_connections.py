"""Connections are made, changed and stopped by people, on record, and no secret leaves the vault."""

from __future__ import annotations

import io
import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.db import transaction

from connectors import connections, credentials, gateway
from connectors.models import AccessToken, Connection, Credential, WebhookEndpoint, WebhookSecret
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import AuditEntry
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON, an_environment
from tests.integration.connectors.rig import CONSUMER_KEY, USERNAME

ADA = {"actor": "ada@acme.test", "now": NOON}
SIGNING = "whsec_planted_signing_secret"


def a_stripe_connection(**changes: Any) -> Connection:
    wanted = {
        "environment": an_environment(),
        "system": "stripe",
        "name": "Billing",
        "base_url": "https://api.stripe.com",
        "settings": {},
        "secrets": {"secret_key": "rk_test_planted_key_1234"},
        **ADA,
    }
    return connections.create(**(wanted | changes))


def acts() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.mark.django_db
def test_a_new_connection_speaks_the_pinned_version_and_is_on_record():
    connection = a_stripe_connection()

    assert connection.api_version == "2026-10-28.endive"
    assert connection.state == Connection.State.ACTIVE
    assert connection.pinned_account == ""
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("ada@acme.test", "connection.created")


@pytest.mark.django_db
def test_a_secret_is_sealed_and_only_its_end_is_ever_shown():
    connection = a_stripe_connection()

    credential = Credential.objects.get()
    assert credential.last4 == "1234"
    assert b"planted" not in bytes(credential.ciphertext)
    opened = vault.unseal(credential.ciphertext, owner=f"credential:{connection.pk}:secret_key")
    assert opened == b"rk_test_planted_key_1234"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"system": "sap"}, "system", id="an unknown system"),
        pytest.param({"name": "  "}, "name", id="no name"),
        pytest.param({"base_url": "https://evil.example"}, "base_url", id="a foreign address"),
        pytest.param({"base_url": "http://api.stripe.com"}, "base_url", id="without TLS"),
        pytest.param({"secrets": {}}, "secret_key", id="no secret"),
        pytest.param({"secrets": {"secret_key": " "}}, "secret_key", id="an empty secret"),
        pytest.param({"secrets": {"secret_key": "x", "password": "y"}}, "password", id="a foreign secret"),
        pytest.param({"settings": {"password": "x"}}, "password", id="a foreign setting"),
        pytest.param({"settings": {"livemode": "yes"}}, "livemode", id="a setting of the wrong type"),
        pytest.param({"settings": {"walk_only": 1}}, "walk_only", id="a switch that is a number"),
        pytest.param(
            {"settings": {"requests_per_second": True}}, "requests_per_second", id="a rate that is none"
        ),
        pytest.param(
            {
                "system": "salesforce",
                "base_url": "https://acme.my.salesforce.com",
                "secrets": {"consumer_key": "a", "private_key": "b"},
            },
            "username",
            id="no user name",
        ),
        pytest.param(
            {
                "system": "salesforce",
                "base_url": "https://acme.my.salesforce.com",
                "secrets": {"consumer_key": "a", "private_key": "b"},
                "settings": {"username": "u", "audience": "https://evil.example"},
            },
            "audience",
            id="a foreign audience",
        ),
        pytest.param(
            {"system": "salesforce", "base_url": "https://acme.lightning.force.com"},
            "base_url",
            id="the pages",
        ),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_right_is_not_taken(change, field):
    with pytest.raises(Unacceptable) as caught:
        a_stripe_connection(**change)

    assert caught.value.field == field
    assert not Connection.objects.exists()
    assert acts() == []


@pytest.mark.django_db
def test_loopback_is_refused_when_the_sandbox_is_off(settings):
    settings.SANDBOX = False

    with pytest.raises(Unacceptable, match="sandbox"):
        a_stripe_connection(base_url="http://127.0.0.1:4242")


@pytest.mark.django_db
def test_a_name_is_used_once_in_an_environment():
    a_stripe_connection()

    with pytest.raises(Unacceptable) as caught:
        a_stripe_connection()

    assert caught.value.field == "name"
    assert acts() == ["connection.created"]


@pytest.mark.django_db
def test_pausing_twice_is_pausing_once():
    connection = a_stripe_connection()

    for _ in range(2):
        connections.pause(connection=connection, reason="Audit week", **ADA)
    assert connection.state == Connection.State.PAUSED
    assert connection.state_reason == "Audit week"
    for _ in range(2):
        connections.resume(connection=connection, **ADA)

    assert connection.state == Connection.State.ACTIVE
    assert acts() == ["connection.created", "connection.paused", "connection.resumed"]


@pytest.mark.django_db
def test_what_a_person_paused_is_not_woken_by_anything_else():
    connection = a_stripe_connection()
    connections.pause(connection=connection, reason="Audit week", **ADA)

    assert not connection.rest(until=NOON, reason="A limit")
    assert not connection.wake()
    assert connection.state == Connection.State.PAUSED


def test_new_credentials_end_the_session_and_the_rest(crm, pem):
    token = AccessToken.objects.get()
    crm.rest(until=None, reason="The credential was refused")

    connections.rotate(connection=crm, secrets={"private_key": pem}, **ADA)

    row = AccessToken.objects.get()
    assert bytes(row.ciphertext) == b""
    assert row.generation > token.generation
    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE
    assert "connection.credentials_replaced" in acts()


@pytest.mark.django_db
def test_replacing_nothing_is_refused():
    connection = a_stripe_connection()

    with pytest.raises(Unacceptable):
        connections.rotate(connection=connection, secrets={}, **ADA)


@pytest.mark.django_db
def test_an_endpoint_that_somebody_made_gets_an_address_and_keeps_its_secret():
    endpoint = connections.add_webhook_endpoint(
        connection=a_stripe_connection(), secret=f" {SIGNING} ", **ADA
    )

    secret = WebhookSecret.objects.get()
    assert str(endpoint) == f"/hooks/stripe/{endpoint.public_id}/"
    assert vault.unseal(secret.ciphertext, owner=f"webhook:{endpoint.pk}") == SIGNING.encode()
    assert secret.last4 == "cret"


@pytest.mark.parametrize("secret", ["", "   ", "whsec_", "sk_test_1234567890"])
@pytest.mark.django_db
def test_a_signing_secret_that_is_none_is_refused(secret):
    with pytest.raises(Unacceptable):
        connections.add_webhook_endpoint(connection=a_stripe_connection(), secret=secret, **ADA)

    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db
def test_while_a_secret_is_rolled_both_are_valid():
    endpoint = connections.add_webhook_endpoint(connection=a_stripe_connection(), secret=SIGNING, **ADA)

    connections.roll_webhook_secret(
        endpoint=endpoint, secret="whsec_the_new_one_5678", overlap=timedelta(hours=1), **ADA
    )

    old, new = WebhookSecret.objects.order_by("id")
    assert old.expires_at == NOON + timedelta(hours=1)
    assert new.expires_at is None
    assert acts()[-1] == "webhook.secret_rolled"


@pytest.mark.parametrize("overlap", [timedelta(days=2), timedelta(seconds=-1)])
@pytest.mark.django_db
def test_an_overlap_that_stripe_does_not_know_is_refused(overlap):
    endpoint = connections.add_webhook_endpoint(connection=a_stripe_connection(), secret=SIGNING, **ADA)

    with pytest.raises(Unacceptable):
        connections.roll_webhook_secret(
            endpoint=endpoint, secret="whsec_the_new_one_5678", overlap=overlap, **ADA
        )

    assert WebhookSecret.objects.get().expires_at is None


def test_an_act_that_fails_leaves_no_entry(crm, monkeypatch):
    before = acts()
    monkeypatch.setattr(credentials, "store", _broken)

    with pytest.raises(OSError, match="disk"):
        connections.rotate(connection=crm, secrets={"consumer_key": "x"}, **ADA)

    assert acts() == before


def test_a_connection_is_not_tested_inside_a_transaction(crm):
    with transaction.atomic(), pytest.raises(RuntimeError):
        connections.test(connection=crm, **ADA)


def test_the_chain_of_what_was_done_holds(crm):
    connections.pause(connection=crm, reason="x", **ADA)
    connections.resume(connection=crm, **ADA)

    assert audit.verify(workspace=crm.environment.workspace) is None


def test_no_planted_secret_shows_anywhere(crm, billing, pem, org, stripe_sandbox):
    """Logs at their most talkative, representations, tracebacks, the audit trail, rows as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        seen = _use_everything(crm, billing, org, stripe_sandbox)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)

    rows = [*Connection.objects.all(), *Credential.objects.all(), *AccessToken.objects.all()]
    seen += [stream.getvalue(), serializers.serialize("json", [*rows, *AuditEntry.objects.all()])]
    token = vault.unseal(AccessToken.objects.get().ciphertext, owner=f"token:{crm.pk}").decode()
    planted = [CONSUMER_KEY, *pem.splitlines()[1:-1], "sk_test_sandbox", "sk_test_wrong_canary", token]
    for secret in planted:
        for text in seen:
            assert secret not in text


def _use_everything(crm: Connection, billing: Connection, org: Any, stripe_sandbox: Any) -> list[str]:
    seen = []
    payment = {"object": "Payment__c", "external_id_field": "External_ID__c", "external_id": "pi_1"}
    for broken in (None, "reset", "garbage"):
        if broken:
            org.break_(broken, match_path="/services", times=2)
            stripe_sandbox.break_(broken, match_path="/v1/", times=2)
        for connection, action, request in (
            (crm, "upsert", payment),
            (crm, "limits", {}),
            (billing, "retrieve", {"type": "charge", "id": "ch_1"}),
        ):
            (answer,) = gateway.call_many(connection_id=connection.pk, action=action, requests=[request])
            seen.append(repr(answer))
            if isinstance(answer, Exception):
                seen.append("".join(traceback.format_exception(answer)))
        account = credentials.account_for(crm, credentials.sealed_of(crm))
        seen += [repr(account), str(account), repr(gateway._known)]
    connections.rotate(connection=billing, secrets={"secret_key": "sk_test_wrong_canary"}, **ADA)
    seen.append(repr(connections.test(connection=billing, **ADA)))
    assert USERNAME in "".join(seen)  # what is not secret is there, so the test looks at the right texts
    return seen


def _broken(*args: object, **kwargs: object) -> None:
    raise OSError("The disk is full")
