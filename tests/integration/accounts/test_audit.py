"""The audit trail: written with the act, closed to every later change, and telling when it was changed."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from integrator.accounts import append_only, audit
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_workspace


def three_acts(workspace):
    with transaction.atomic():
        return [
            audit.record(
                workspace=workspace, actor="ada@acme.test", action="flow.published", target=target, now=NOON
            )
            for target in ("one", "two", "three")
        ]


def sql(statement: str) -> None:
    """Change the table as somebody would who has the database's password and has dropped the triggers."""
    append_only.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_an_untouched_chain_holds():
    workspace = a_workspace()
    three_acts(workspace)

    assert audit.verify(workspace=workspace) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "position"),
    [
        pytest.param(
            "UPDATE accounts_auditentry SET actor = 'eve@acme.test' WHERE position = 2",
            2,
            id="an edited actor",
        ),
        pytest.param(
            "UPDATE accounts_auditentry SET details = '{\"a\": 1}' WHERE position = 3", 3, id="edited details"
        ),
        pytest.param("DELETE FROM accounts_auditentry WHERE position = 2", 2, id="a deleted entry"),
        pytest.param(
            "UPDATE accounts_auditentry SET position = CASE position WHEN 1 THEN 12 ELSE 11 END"
            " WHERE position < 3",
            1,
            id="swapped entries",
        ),
    ],
)
def test_a_later_change_is_found(statement, position):
    workspace = a_workspace()
    three_acts(workspace)

    sql(statement)

    assert audit.verify(workspace=workspace).position == position


@pytest.mark.django_db
def test_swapping_what_two_entries_say_is_found():
    workspace = a_workspace()
    three_acts(workspace)

    sql(
        "UPDATE accounts_auditentry SET target ="
        " CASE position WHEN 1 THEN 'two' WHEN 2 THEN 'one' ELSE target END"
    )

    assert audit.verify(workspace=workspace).position == 1


@pytest.mark.django_db
def test_a_cut_tail_is_found_by_a_head_that_was_noted_elsewhere():
    workspace = a_workspace()
    *_, last = three_acts(workspace)

    sql("DELETE FROM accounts_auditentry WHERE position = 3")

    assert audit.verify(workspace=workspace) is None
    assert audit.verify(workspace=workspace, heads={3: last.hash}).position == 3


def replace_an_entry() -> None:
    """Write another row over an entry, which both databases offer beside UPDATE and DELETE."""
    first = AuditEntry.objects.order_by("position").first()
    replaced = AuditEntry(**{field.attname: getattr(first, field.attname) for field in first._meta.fields})
    replaced.actor = "eve@acme.test"
    AuditEntry.objects.bulk_create(
        [replaced], update_conflicts=True, update_fields=["actor"], unique_fields=["id"]
    )


def replace_a_row() -> None:
    """Write the whole row anew, as SQLite's REPLACE does."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("REPLACE INTO accounts_auditentry SELECT * FROM accounts_auditentry")
        else:
            cursor.execute("DELETE FROM accounts_auditentry")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: AuditEntry.objects.update(actor="eve@acme.test"), id="update"),
        pytest.param(lambda: AuditEntry.objects.all().delete(), id="delete"),
        pytest.param(replace_an_entry, id="insert or update"),
        pytest.param(replace_a_row, id="replace"),
    ],
)
def test_the_database_refuses_to_change_an_entry(change):
    three_acts(a_workspace())

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert AuditEntry.objects.filter(actor="ada@acme.test").count() == 3


@pytest.mark.django_db
def test_postgresql_refuses_to_truncate_the_trail(on_postgresql):
    if not on_postgresql:
        pytest.skip("SQLite knows no TRUNCATE")

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE accounts_auditentry")


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record(workspace=a_workspace(), actor="ada@acme.test", action="flow.published", now=NOON)


@pytest.mark.django_db
def test_each_workspace_has_a_chain_of_its_own():
    acme, globex = a_workspace("acme"), a_workspace("globex")
    three_acts(acme)
    three_acts(globex)

    sql(
        "UPDATE accounts_auditentry SET target = 'x'"
        " WHERE workspace_id = (SELECT MIN(id) FROM accounts_workspace)"
    )

    assert audit.verify(workspace=acme) is not None
    assert audit.verify(workspace=globex) is None


@pytest.mark.django_db
def test_odd_details_come_back_as_they_were_hashed():
    workspace = a_workspace()

    with transaction.atomic():
        audit.record(
            workspace=workspace,
            actor="ada\x00@acme.test",
            action="connection.created",
            target="x" * 500 + "\ud800",
            details={
                "amount": 1e20,
                "at": NOON,
                "name": "\ud800 \x00 '; DROP",
                "list": (1, None, True, 2**70),
            },
            now=NOON,
        )

    assert audit.verify(workspace=workspace) is None


@pytest.mark.django_db
def test_no_secret_enters_the_trail():
    workspace = a_workspace()

    with transaction.atomic():
        entry = audit.record(
            workspace=workspace,
            actor="ada@acme.test",
            action="connection.created",
            details={"secret_key": "anything", "note": "sk_test_4eC39HqLyjWDarjtT1zdp7dc"},
            now=NOON,
        )

    assert "anything" not in str(entry.details)
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in str(entry.details)


@pytest.mark.django_db
def test_the_command_prints_the_heads_and_takes_them_back():
    workspace = a_workspace()
    *_, last = three_acts(workspace)
    out = StringIO()

    call_command("verify_audit", stdout=out)

    head = out.getvalue().strip()
    assert head == f"acme:3:{last.hash}"
    call_command("verify_audit", head=[head], stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize("head", ["acme:9:abc", "elsewhere:1:abc", "nonsense"])
def test_the_command_fails_where_a_chain_is_broken(head):
    three_acts(a_workspace())

    with pytest.raises(CommandError):
        call_command("verify_audit", head=[head], stdout=StringIO())
