"""A key or an address that cannot be right stops a connection at once, and says so."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from connectors import connections, credentials, gateway
from connectors.models import NEEDS_KEY, Connection
from integrator.accounts.models import AuditEntry
from integrator.kernel import errors
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON

ADA = {"actor": "ada@acme.test", "now": NOON}
SHORT = 1024


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read(connection: Connection, action: str, request: dict[str, str]) -> object:
    (answer,) = gateway.call_many(connection_id=connection.pk, action=action, requests=[request])
    return answer


# Keys


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: "planted", id="no PEM"),
        pytest.param(lambda: "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----", id="bad PEM"),
        pytest.param(lambda: pem_of(ec.generate_private_key(ec.SECP256R1())), id="an elliptic curve"),
        pytest.param(lambda: pem_of(rsa.generate_private_key(65537, SHORT)), id="1024 bits"),
    ],
)
def test_a_private_key_that_is_none_does_not_replace_a_good_one(crm, key):
    before = crm.credentials.get(field="private_key").fingerprint

    with pytest.raises(Unacceptable, match="private key") as refusal:
        connections.rotate(connection=crm, secrets={"private_key": key()}, **ADA)

    assert refusal.value.field == "private_key"
    assert "planted" not in str(refusal.value)
    assert crm.credentials.get(field="private_key").fingerprint == before
    assert connections.test(connection=crm, **ADA).ok


@pytest.mark.parametrize(
    "key", ["pk_test_1234567890", "whsec_1234567890", "my password", "sk_live_1234567890"]
)
def test_a_stripe_key_of_another_kind_or_mode_does_not_replace_a_good_one(billing, key):
    with pytest.raises(Unacceptable) as refusal:
        connections.rotate(connection=billing, secrets={"secret_key": key}, **ADA)

    assert refusal.value.field == "secret_key"
    assert key not in str(refusal.value)
    assert connections.test(connection=billing, **ADA).ok


def test_a_dead_key_is_told_by_the_test_and_not_by_the_next_call(billing):
    connections.rotate(connection=billing, secrets={"secret_key": "sk_test_rolled"}, **ADA)

    diagnosis = connections.test(connection=billing, **ADA)

    assert diagnosis.needs_key
    billing.refresh_from_db()
    assert billing.state == Connection.State.RESTING
    assert billing.state_reason.startswith(NEEDS_KEY)
    assert billing.needs_key
    assert billing.paused_until is not None


def test_an_unreadable_key_is_said_to_need_a_new_one_and_is_over_with_it(crm, pem):
    credentials.store(crm, {"private_key": "no key"}, now=NOON)
    connections.auth.forget(crm.pk)
    gateway.forget(crm.pk)
    assert isinstance(read(crm, "limits", {}), errors.Unauthorized)
    crm.refresh_from_db()
    said = crm.state_reason

    connections.rotate(connection=crm, secrets={"private_key": pem}, **ADA)

    assert said.startswith(NEEDS_KEY)
    assert connections.test(connection=crm, **ADA).ok
    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE


# Addresses


def test_a_sandbox_connection_stops_when_the_sandbox_is_switched_off(billing, stripe_sandbox, settings):
    before = len(stripe_sandbox.calls("/v1/"))
    settings.SANDBOX = False
    gateway.forget_all()

    answer = read(billing, "retrieve", {"type": "charge", "id": "ch_1"})
    diagnosis = connections.test(connection=billing, actor="ada@acme.test", now=timezone.now())

    assert isinstance(answer, errors.Misdirected)
    assert (diagnosis.ok, diagnosis.title) == (False, "The address may not be used")
    assert "sandbox" in diagnosis.explanation
    assert len(stripe_sandbox.calls("/v1/")) == before


def test_a_connection_is_moved_on_record(billing):
    connections.move(connection=billing, base_url="http://127.0.0.1:4242/", **ADA)

    billing.refresh_from_db()
    assert billing.base_url == "http://127.0.0.1:4242"
    assert AuditEntry.objects.order_by("id").last().action == "connection.moved"


@pytest.mark.parametrize(
    "address", ["https://evil.example", "https://acme.my.salesforce.com", "http://api.stripe.com"]
)
def test_a_connection_is_moved_to_its_own_system_only(billing, address):
    before = billing.base_url

    with pytest.raises(Unacceptable) as refusal:
        connections.move(connection=billing, base_url=address, **ADA)

    assert refusal.value.field == "base_url"
    billing.refresh_from_db()
    assert billing.base_url == before
