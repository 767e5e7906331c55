"""Processes of a small installation carry nothing along that only others need."""

from __future__ import annotations

import os
import subprocess
import sys

from flows.management.commands.pool import Command as Pool
from integrator.management.commands.watch import Command as Watch
from tests.architecture.source import ROOT

WORKER = """
import sys, django
django.setup()
from flows import drain
heavy = {"psycopg", "redis", "simple_salesforce", "numpy", "grpc", "fastavro", "integrator.urls"}
print(*heavy & set(sys.modules))
"""


def test_a_worker_on_sqlite_imports_no_client_of_what_is_not_there(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    env |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}", "DJANGO_SETTINGS_MODULE": "tests.settings"}

    told = subprocess.run(
        [sys.executable, "-c", WORKER], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == []


def test_who_is_started_by_another_leaves_the_checks_of_the_site_to_it():
    assert Pool.requires_system_checks == Watch.requires_system_checks == []
