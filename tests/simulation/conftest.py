"""This module gives the simulation its installation, and says at the end what was played."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from django.db import connection

from tests.simulation.hunt import Play, with_real_worker
from tests.simulation.installation import Installation


@cache
def _installed() -> Installation:
    # A connection of its own: the test's holds the lock of a writer, behind which a copy would wait for ever.
    migrated = sqlite3.connect(connection.settings_dict["NAME"])
    try:
        return Installation(migrated=migrated)
    finally:
        migrated.close()


@pytest.fixture
def real_worker(db: None, on_postgresql: bool) -> Iterator[Play]:
    """Return what plays worlds of the real worker, on a database in memory."""
    if on_postgresql:
        pytest.skip("its worlds begin from a copy of a database in memory, which only SQLite has")
    installation = _installed()
    with installation.in_place():
        yield with_real_worker(installation)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return what adds a line to the summary."""
    return lambda line: record_property("simulation", line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which seeds were played, how fast, and where each planted bug was found."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    lines = [line for report in reports for name, line in report.user_properties if name == "simulation"]
    if lines:
        terminalreporter.section("simulation")
        for line in lines:
            terminalreporter.write_line(str(line))
