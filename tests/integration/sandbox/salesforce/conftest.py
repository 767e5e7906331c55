"""This module holds the fixtures for talking to the simulated org."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.sandbox.salesforce.bus_rig import Subscriber
from tests.integration.sandbox.salesforce.rig import (
    CONSUMER_KEY,
    PUBLIC_PEM,
    USERNAME,
    Outsider,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Serve one org for all tests of this folder."""
    with served() as where:
        yield where


@pytest.fixture
def outsider(address: str) -> Iterator[Outsider]:
    """Give a client with a session in an empty org."""
    client = Outsider(address)
    client.control("POST", "reset")
    token = client.control("POST", "sessions", {"username": USERNAME})["access_token"]
    client.http.headers["Authorization"] = f"Bearer {token}"
    yield client
    client.http.close()


@pytest.fixture
def app(outsider: Outsider) -> Outsider:
    """Register the app whose key the tests sign with."""
    outsider.control(
        "POST", "app", {"consumer_key": CONSUMER_KEY, "public_key_pem": PUBLIC_PEM, "username": USERNAME}
    )
    return outsider


@pytest.fixture
def subscriber(outsider: Outsider) -> Iterator[Subscriber]:
    """Give somebody who listens to the empty org."""
    listening = Subscriber(outsider)
    yield listening
    listening.close()
