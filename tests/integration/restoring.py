"""This module takes backups of the test's database and reads them with a product of their own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from tests.stage import MANAGE, ROOT

# Run in a process of its own, whose database is the restored one: reads every page of a list by REST.
READING = """
import json, sys, django
django.setup()
from django.test import Client
address, found = "/api/v1/events/?limit=200", []
while address:
    answer = Client().get(address, headers={"Authorization": f"Bearer {sys.argv[1]}"})
    assert answer.status_code == 200, answer.content
    found += [(event["external_id"], event["fate"]) for event in answer.json()["results"]]
    address = answer.json()["next"]
print(json.dumps(found))
"""


class Tools:
    """PostgreSQL's own programs, with the access that the tests have."""

    def __init__(self) -> None:
        params = connection.get_connection_params()
        self.env = {
            **os.environ,
            "PGHOST": str(params.get("host") or ""),
            "PGPORT": str(params.get("port") or ""),
            "PGUSER": str(params.get("user") or ""),
            "PGPASSWORD": str(params.get("password") or ""),
        }
        self.database = str(params["dbname"])

    def run(self, *command: str) -> bytes:
        done = subprocess.run(command, env=self.env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def address(self, database: str) -> str:
        password = f":{self.env['PGPASSWORD']}" if self.env["PGPASSWORD"] else ""
        where = f"{self.env['PGHOST']}:{self.env['PGPORT'] or 5432}"
        return f"postgres://{self.env['PGUSER']}{password}@{where}/{database}"


def tools_are_there() -> bool:
    """Tell whether a backup can be taken of the database that the tests use."""
    return connection.vendor == "sqlite" or bool(shutil.which("pg_dump") and shutil.which("pg_restore"))


def back_up(target: Path) -> Path:
    """Take a backup as the documents tell an operator to, and return the file."""
    if connection.vendor == "sqlite":
        source = sqlite3.connect(connection.settings_dict["NAME"])
        copy = sqlite3.connect(target)
        with contextlib.closing(source), contextlib.closing(copy):
            source.backup(copy)
    else:
        tools = Tools()
        tools.run("pg_dump", "--format=custom", f"--file={target}", tools.database)
    return target


def all_that_is_stored() -> bytes:
    """Return everything that the database holds, as somebody sees it who has stolen it."""
    if connection.vendor == "sqlite":
        source = sqlite3.connect(connection.settings_dict["NAME"])
        with contextlib.closing(source):
            return "\n".join(source.iterdump()).encode("utf-8", "replace")
    tools = Tools()
    return tools.run("pg_dump", "--format=plain", tools.database)


@contextlib.contextmanager
def restored(backup: Path) -> Iterator[str]:
    """Restore `backup` elsewhere and yield the address of the database."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{backup}"
        return
    tools, database = Tools(), f"restored_{secrets.token_hex(6)}"
    with psycopg.connect(tools.address("postgres"), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{database}"')
        try:
            tools.run("pg_restore", "--no-owner", f"--dbname={database}", str(backup))
            yield tools.address(database)
        finally:
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


class Product:
    """The product on another database, each question in a process of its own."""

    def __init__(self, database: str) -> None:
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "integrator.settings",
            "INTEGRATOR_ENV_FILE": os.devnull,
            "SECRET_KEY": secrets.token_urlsafe(50),  # not the one of before: nothing depends on it
            "INTEGRATOR_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
            "ALLOWED_HOSTS": "testserver",
            "DATABASE_URL": database,
        }

    def events(self, token: str) -> dict[str, str]:
        """Return the fate of every event, by REST."""
        return dict(json.loads(self._run([sys.executable, "-c", READING, token])))

    def command(self, *command: str) -> str:
        """Run a command of the product to its end."""
        return self._run([*MANAGE, *command])

    def _run(self, command: list[Any]) -> str:
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return done.stdout
