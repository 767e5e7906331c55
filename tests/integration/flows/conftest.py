"""This module holds the fixtures of the flows tests."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.test import Client

from connectors.models import WebhookEndpoint
from flows import designer, publishing
from flows.committer import Committer
from flows.lanes import WorkerLease
from flows.models import Deployment, Draft, Flow, Pair
from flows.receiver import Receiver
from integrator.accounts.models import User
from tests.builders import NOON, a_flow, a_pair, a_person
from tests.integration.flows.drafting import DOCUMENT
from tests.integration.flows.given import a_live_flow, a_worker
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import systems  # noqa: F401  # a fixture
from tests.receiving import Served, an_endpoint, serving


@pytest.fixture
def pair(db: None) -> Pair:
    return a_pair()


@pytest.fixture
def worker(db: None) -> WorkerLease:
    return a_worker()


@pytest.fixture
def otto() -> User:
    return a_person("otto@acme.test", "operator")


@pytest.fixture
def live(pair: Pair) -> Deployment:
    return a_live_flow(pair)


@pytest.fixture
def reader(client: Client, otto: User) -> Reader:
    return Reader(client, otto)


@pytest.fixture
def endpoint() -> WebhookEndpoint:
    return an_endpoint()


@pytest.fixture
def rings() -> list[float]:
    return []


@pytest.fixture
def stripe(endpoint: WebhookEndpoint, rings: list[float]) -> Iterator[Served]:
    # A busy machine may be late; what an answer that comes late is like has tests of its own.
    receiver = Receiver(committer=Committer(ring=lambda: rings.append(time.monotonic()), within=30.0))
    with serving(receiver) as served:
        yield served


@pytest.fixture
def flow(pair: Pair) -> Flow:
    """Return a flow with one version."""
    found = a_flow(pair.integration)
    publishing.publish(flow=found, document=DOCUMENT, actor="ada", now=NOON)
    return found


@pytest.fixture
def draft(flow: Flow) -> Draft:
    """Return the draft of the flow, in which nothing was changed."""
    return designer.open_draft(flow, actor="ada", now=NOON)
