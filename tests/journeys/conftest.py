"""This module holds the fixtures of the journeys: two simulated services and the bridge between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.committer import Committer
from flows.receiver import Receiver
from tests.journeys.both_sides import BothSides, between
from tests.journeys.bridge import Bridge, Service, build, serving_both
from tests.receiving import serving


@pytest.fixture(scope="session")
def services() -> Iterator[tuple[Service, Service]]:
    """Serve both simulated services once for all journeys."""
    with serving_both() as both:
        yield both


@pytest.fixture
def bridge(services: tuple[Service, Service], transactional_db: None) -> Iterator[Bridge]:
    """Return a new installation between two services that were reset."""
    # A busy machine may be late; what an answer that comes late is like has tests of its own.
    with serving(Receiver(committer=Committer(ring=lambda: None, within=30.0))) as receiver:
        yield build(*services, receiver)


@pytest.fixture
def sides(bridge: Bridge) -> Iterator[BothSides]:
    with between(bridge) as both:
        yield both
