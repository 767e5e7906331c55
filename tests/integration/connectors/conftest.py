"""This module holds the fixtures of the connector tests: two simulated services and a connection to each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from connectors import connections
from connectors.models import Connection
from tests.builders import NOON, an_environment
from tests.integration.connectors.rig import CONSUMER_KEY, STRIPE_KEY, USERNAME, Sandbox, both_services


@pytest.fixture(scope="session")
def services() -> Iterator[dict[str, str]]:
    with both_services() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def pem(private_key: rsa.RSAPrivateKey) -> str:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def stripe_sandbox(services: dict[str, str]) -> Iterator[Sandbox]:
    sandbox = Sandbox(services["stripe"])
    sandbox.post("reset")
    yield sandbox
    sandbox.close()


@pytest.fixture
def org(services: dict[str, str], private_key: rsa.RSAPrivateKey) -> Iterator[Sandbox]:
    sandbox = Sandbox(services["salesforce"])
    sandbox.post("reset")
    public = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sandbox.post("org", org_number=1, skew=0)  # a reset forgets what the org holds, not who it is
    sandbox.app = {"consumer_key": CONSUMER_KEY, "public_key_pem": public, "username": USERNAME}
    sandbox.post("app", **sandbox.app)
    yield sandbox
    sandbox.close()


@pytest.fixture
def untested_crm(transactional_db: None, org: Sandbox, pem: str) -> Connection:
    return connections.create(
        environment=an_environment(),
        system="salesforce",
        name="CRM",
        base_url=org.address,
        settings={"username": USERNAME},
        secrets={"consumer_key": CONSUMER_KEY, "private_key": pem},
        actor="ada@acme.test",
        now=NOON,
    )


@pytest.fixture
def crm(untested_crm: Connection) -> Connection:
    diagnosis = connections.test(connection=untested_crm, actor="ada@acme.test", now=NOON)
    assert diagnosis.ok, diagnosis
    return untested_crm


@pytest.fixture
def untested_billing(transactional_db: None, stripe_sandbox: Sandbox) -> Connection:
    return connections.create(
        environment=an_environment(),
        system="stripe",
        name="Billing",
        base_url=stripe_sandbox.address,
        settings={},
        secrets={"secret_key": STRIPE_KEY},
        actor="ada@acme.test",
        now=NOON,
    )


@pytest.fixture
def billing(untested_billing: Connection) -> Connection:
    diagnosis = connections.test(connection=untested_billing, actor="ada@acme.test", now=NOON)
    assert diagnosis.ok, diagnosis
    return untested_billing
