"""
This module lets every test begin with a process that remembers nothing of the test before.

The rows of that test are gone and their numbers come again, soon enough to be taken for what is remembered:
routes for a second, credentials for a few, counts of calls and failures for a minute, plans for ever.
"""

from __future__ import annotations

import pytest
from django.core.cache import cache

from connectors import gateway
from connectors.metering import METER
from connectors.salesforce import record_types
from connectors.shares import SHARES
from connectors.tallies import TALLIES
from flows import payloads
from flows.plans import compiled
from flows.routes import ROUTES, kept_by
from flows.views import mapper_desk


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Let no thread that shares a rate ask the database any more once a test has none."""
    SHARES.leave(patience=2.0)


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    gateway.forget_all()
    METER.forget()
    TALLIES.forget()
    record_types._known.clear()
    ROUTES.forget()
    compiled.cache_clear()
    kept_by.cache_clear()
    monkeypatch.setattr(payloads, "KEPT", payloads.Kept())
    monkeypatch.setattr(mapper_desk, "SOURCES", mapper_desk.Sources())
