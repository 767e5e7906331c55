"""Processes of a small installation carry nothing along that only others need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.management.commands.drain import Command as Drain
from flows.management.commands.pool import Command as Pool
from integrator.management.commands.watch import Command as Watch
from tests.architecture.source import ROOT

LOADED = """
import importlib, sys, django
django.setup()
*modules, heavy = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
print(*set(heavy.split(",")) & set(sys.modules))
"""
CLIENTS = {"psycopg", "redis", "simple_salesforce"}
OF_OTHERS = {"cel_expr_python", "fastavro", "grpc", "numpy"}


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        pytest.param(["flows.drain"], {*CLIENTS, *OF_OTHERS, "integrator.urls"}, id="a worker"),
        pytest.param(
            ["integrator.asgi", "integrator.urls"],
            {"psycopg", "redis", *OF_OTHERS} - {"fastavro"},
            id="who serves pages",
        ),
        pytest.param(
            ["flows.management.commands.work"],
            {*CLIENTS, *OF_OTHERS, "integrator.urls", "monitoring.urls", "rest_framework.serializers"},
            id="a supervisor",
        ),
        pytest.param(["flows.listening"], {"cel_expr_python", "numpy", "integrator.urls"}, id="a listener"),
    ],
)
def test_on_sqlite_no_process_loads_what_only_others_need(
    modules: list[str], heavy: set[str], tmp_path: Path
) -> None:
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    env |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}", "DJANGO_SETTINGS_MODULE": "tests.settings"}

    told = subprocess.run(
        [sys.executable, "-c", LOADED, *modules, ",".join(heavy)],
        env=env, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert told.stdout.split() == []


def test_who_is_started_by_another_leaves_the_checks_of_the_site_to_it() -> None:
    assert Pool.requires_system_checks == Drain.requires_system_checks == Watch.requires_system_checks == []
