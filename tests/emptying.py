"""
This module empties the database after tests that commit, audit trail and all.

Django truncates every table and makes its permissions anew, which takes PostgreSQL seconds for each test.
Most tests fill a few tables, so those are found and emptied, and what a migrated database holds is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from integrator.accounts import append_only

# What migrating leaves behind and nothing else writes.
MIGRATED = frozenset({"django_migrations", "django_content_type", "auth_permission", "django_site"})


@pytest.fixture(autouse=True, scope="session")
def _a_database_that_is_emptied_quickly() -> Iterator[None]:
    def handle(self: flush.Command, **options: Any) -> None:
        empty(connections[options["database"]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", handle)
        yield


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete every row that a test has left behind."""
    filled = _filled(connection)
    if not filled:
        return
    emptied = [f"DELETE FROM {name}" for name in filled]  # noqa: S608  # names of our own tables
    if connection.vendor == "postgresql":
        # Triggers are off meanwhile, and with them foreign keys and the audit trail's guard.
        _run(connection, ["SET LOCAL session_replication_role = replica", *emptied])
        return
    append_only.remove(connection)
    try:
        with connection.constraint_checks_disabled():
            _run(connection, emptied)
    finally:
        append_only.install(connection)


def _filled(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the quoted names of the tables that have rows."""
    with connection.cursor() as cursor:
        tables = _with_pages(cursor) if connection.vendor == "postgresql" else _all(connection, cursor)
        names = [connection.ops.quote_name(name) for name in tables if name not in MIGRATED]
        asked = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names]  # noqa: S608  # tables of ours
        found: list[str] = []
        for first in range(0, len(asked), 100):  # SQLite joins so many selects and no more
            cursor.execute(" UNION ALL ".join(asked[first : first + 100]))
            found += [name for (name,) in cursor.fetchall()]
    return found


def _all(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> list[str]:
    return [table.name for table in connection.introspection.get_table_list(cursor)]


def _with_pages(cursor: CursorWrapper) -> list[str]:
    """Return the tables in which rows may be, so that PostgreSQL need not plan a question for each of all."""
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND pg_relation_size(oid) > 0"
    )
    return [name for (name,) in cursor.fetchall()]


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
