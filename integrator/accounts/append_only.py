"""This module makes the database itself refuse to change or delete what the audit trail holds."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

MESSAGE = "The audit trail is append-only."

INSTALL = {
    "sqlite": (
        f"""
        CREATE TRIGGER accounts_audit_no_update BEFORE UPDATE ON accounts_auditentry
        BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END
        """,
        f"""
        CREATE TRIGGER accounts_audit_no_delete BEFORE DELETE ON accounts_auditentry
        BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END
        """,
    ),
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION accounts_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'; END $$
        """,
        """
        CREATE TRIGGER accounts_audit_no_change BEFORE UPDATE OR DELETE ON accounts_auditentry
        FOR EACH ROW EXECUTE FUNCTION accounts_audit_is_append_only()
        """,
        """
        CREATE TRIGGER accounts_audit_no_truncate BEFORE TRUNCATE ON accounts_auditentry
        FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_is_append_only()
        """,
    ),
}
REMOVE = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS accounts_audit_no_update",
        "DROP TRIGGER IF EXISTS accounts_audit_no_delete",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS accounts_audit_no_change ON accounts_auditentry",
        "DROP TRIGGER IF EXISTS accounts_audit_no_truncate ON accounts_auditentry",
    ),
}


def install(connection: BaseDatabaseWrapper) -> None:
    """
    Create the triggers.

    :raises KeyError: on a database that the product does not support
    """
    _execute(connection, INSTALL[connection.vendor])


def remove(connection: BaseDatabaseWrapper) -> None:
    """
    Drop the triggers: for undoing the migration, and for tests that empty their database.

    :raises KeyError: on a database that the product does not support
    """
    _execute(connection, REMOVE[connection.vendor])


def _execute(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
