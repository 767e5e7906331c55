"""This module introduces the product to its simulated systems, as an administrator would to the real ones."""

from __future__ import annotations

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrator.management.staging import Access

STRIPE_KEY = "sk_test_sandbox"  # the key that the simulated Stripe knows from its start
CONSUMER_KEY = "integrator-sandbox"
USERNAME = "integration@acme.test"
TIMEOUT = 10  # seconds


def introduce(*, stripe_url: str, salesforce_url: str) -> tuple[Access, Access]:
    """
    Register our app's public key in the simulated org and return the access to both systems.

    :raises requests.RequestException: if the sandbox does not answer
    """
    # A key pair for this run alone: it opens nothing but the sandbox.
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    requests.post(
        f"{salesforce_url}/_sandbox/app",
        json={
            "consumer_key": CONSUMER_KEY,
            "public_key_pem": public.decode(),
            "username": USERNAME,
            "approved": True,
        },
        timeout=TIMEOUT,
    ).raise_for_status()
    bus = requests.get(f"{salesforce_url}/_sandbox/pubsub", timeout=TIMEOUT)
    bus.raise_for_status()
    told = bus.json()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (
        Access(base_url=stripe_url, secrets={"secret_key": STRIPE_KEY}),
        Access(
            base_url=salesforce_url,
            secrets={"consumer_key": CONSUMER_KEY, "private_key": pem.decode()},
            settings={
                "username": USERNAME,
                "event_bus": told["endpoint"],
                "event_bus_certificate": told["ca"],
            },
        ),
    )
