"""
This module migrates one database of a kind for a run of tests; whoever needs one gets a copy of it.

Migrating takes a core for seconds, and a run needs a database for each process and each installation.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

SHARED = "TEST_MIGRATED"  # names the folder that all processes of a run share
MIGRATE = [sys.executable, str(Path(__file__).resolve().parents[1] / "manage.py"), "migrate", "--verbosity=0"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, in the process that starts the others."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="integrator-migrated-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ[SHARED]))
    if not hasattr(config, "workerinput"):
        config.add_cleanup(_drop_template)


def copy_to(target: Path) -> None:
    """Make `target` a migrated SQLite database."""
    whole = _folder() / "migrated.sqlite3"
    with _alone():
        if not whole.exists():
            made = _folder() / "made.sqlite3"
            _migrate(f"sqlite:///{made}")
            with contextlib.closing(sqlite3.connect(made)) as last:
                last.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that one file holds everything
            made.rename(whole)
    shutil.copyfile(whole, target)


def copy_on_server(name: str) -> None:
    """Make a migrated database called `name` on the PostgreSQL server of this run."""
    template = _template()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        with _alone():
            known = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
            if admin.execute(known, [template]).fetchone() is None:
                admin.execute(f'DROP DATABASE IF EXISTS "{template}"')
                admin.execute(f'CREATE DATABASE "{template}"')
                _migrate(f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{template}")
                admin.execute(f'ALTER DATABASE "{template}" IS_TEMPLATE true')  # now it is whole
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
) -> Iterator[None]:
    """Give this process a database of its own, in place of the one that pytest-django would migrate."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "alone")
    name = str(settings.DATABASES["default"]["TEST"]["NAME"])
    if connection.vendor == "postgresql":
        name = f"test_{_template()}_{worker}"
        copy_on_server(name)
    else:
        copy_to(Path(name))
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    yield
    connection.close()
    if connection.vendor == "postgresql":
        _drop(name)


def _folder() -> Path:
    return Path(os.environ[SHARED])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep the other processes of this run waiting meanwhile."""
    with (_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _migrate(database: str) -> None:
    env = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run(MIGRATE, env=env, check=True)


def _template() -> str:
    return _folder().name


def _drop(name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _drop_template() -> None:
    if not os.environ["DATABASE_URL"].startswith("postgres"):
        return
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_template()]).fetchone():
            admin.execute(f'ALTER DATABASE "{_template()}" IS_TEMPLATE false')
    _drop(_template())
