"""
This module keeps the rule that lets two versions run side by side: a migration only adds.

A process of the version before goes on writing while the schema is already the new one. So what is added
may be left out by who does not know it, and nothing that somebody still uses is taken away or made stricter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import NOT_PROVIDED, Field

OURS = ("accounts", "connectors", "flows", "monitoring")
# They run code of their own; what they do was looked at by hand.
LOOKED_AT = {("accounts", "0002_append_only")}
HARMLESS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)


def objection(operation: Operation, before: ProjectState, app: str, created: set[str]) -> str:
    """Return why a process of the version before could not live with `operation`, or an empty text."""
    model = getattr(operation, "model_name", "").lower()
    if isinstance(operation, HARMLESS) or model in created:
        return ""
    match operation:
        case migrations.AddField(field=field):
            return "" if _may_be_left_out(field) else "an older process cannot fill it"
        case migrations.AlterField(name=name, field=after):
            return (
                "" if _no_stricter(before.models[app, model].fields[name], after) else "it becomes stricter"
            )
        case migrations.RemoveConstraint(name=name):
            constraint = before.models[app, model].get_constraint_by_name(name)
            return "" if isinstance(constraint, models.CheckConstraint) else "an older ON CONFLICT needs it"
        case _:
            return f"{type(operation).__name__} is not an addition"


def _may_be_left_out(field: Field[Any, Any]) -> bool:
    return bool(field.null) or field.db_default is not NOT_PROVIDED or field.many_to_many


def _no_stricter(before: Field[Any, Any], after: Field[Any, Any]) -> bool:
    """Tell whether the column stays as it is, or only takes more than it did."""
    was, will = before.deconstruct(), after.deconstruct()
    if was[1] != will[1]:
        return False
    ignored = set(before.non_db_attrs)
    old = {name: value for name, value in was[3].items() if name not in ignored}
    new = {name: value for name, value in will[3].items() if name not in ignored}
    for name in {*old, *new}:
        same = old.get(name) == new.get(name)
        wider = name == "null" and not old.get(name)
        longer = name == "max_length" and (new.get(name) or 0) > (old.get(name) or 0)
        given = name == "db_default" and name not in old
        if not (same or wider or longer or given):
            return False
    return True


def later_migrations() -> Iterator[tuple[str, str]]:
    loader = MigrationLoader(None)
    for key in sorted(loader.disk_migrations):
        if key[0] in OURS and loader.disk_migrations[key].dependencies and not key[1].startswith("0001"):
            yield key


def test_there_are_later_migrations():
    assert len(list(later_migrations())) >= 3


@pytest.mark.parametrize("key", [key for key in later_migrations() if key not in LOOKED_AT], ids=":".join)
def test_a_migration_only_adds(key):
    loader = MigrationLoader(None)
    migration = loader.disk_migrations[key]
    state = loader.project_state(key, at_end=False)
    created: set[str] = set()
    wrong = []
    for operation in migration.operations:
        if why := objection(operation, state, key[0], created):
            wrong.append(f"{operation.describe()}: {why}")
        if isinstance(operation, migrations.CreateModel):
            created.add(operation.name.lower())
        operation.state_forwards(key[0], state)

    assert wrong == []


# That the rule bites


def a_state() -> ProjectState:
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
        ("note", models.CharField(max_length=10, null=True)),
    ]
    constraints = [
        models.UniqueConstraint(fields=["name"], name="one"),
        models.CheckConstraint(condition=models.Q(name="x"), name="check"),
    ]
    state = ProjectState()
    state.add_model(ModelState("flows", "Thing", fields, {"constraints": constraints, "indexes": []}))
    return state


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(
            migrations.AddField("thing", "a", models.IntegerField()), id="a column that must be filled"
        ),
        pytest.param(
            migrations.AddField("thing", "a", models.IntegerField(default=0)),
            id="a default of Python's alone",
        ),
        pytest.param(migrations.RemoveField("thing", "name"), id="a column taken away"),
        pytest.param(migrations.RenameField("thing", "name", "title"), id="a column renamed"),
        pytest.param(migrations.RenameModel("Thing", "Item"), id="a table renamed"),
        pytest.param(migrations.DeleteModel("Thing"), id="a table taken away"),
        pytest.param(migrations.AlterModelTable("thing", "things"), id="a table named anew"),
        pytest.param(
            migrations.AlterField("thing", "note", models.CharField(max_length=10)), id="no longer empty"
        ),
        pytest.param(migrations.AlterField("thing", "name", models.CharField(max_length=5)), id="shorter"),
        pytest.param(migrations.AlterField("thing", "name", models.TextField()), id="another type"),
        pytest.param(
            migrations.AlterField("thing", "name", models.CharField(max_length=10, unique=True)), id="unique"
        ),
        pytest.param(
            migrations.AddConstraint("thing", models.UniqueConstraint(fields=["note"], name="two")),
            id="a new constraint",
        ),
        pytest.param(migrations.RemoveConstraint("thing", "one"), id="a unique constraint taken away"),
        pytest.param(migrations.RunSQL("DROP TABLE x"), id="SQL"),
        pytest.param(migrations.RunPython(migrations.RunPython.noop), id="code"),
    ],
)
def test_what_an_older_process_could_not_live_with_is_refused(operation):
    assert objection(operation, a_state(), "flows", set()) != ""


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(migrations.AddField("thing", "a", models.IntegerField(null=True)), id="an empty column"),
        pytest.param(
            migrations.AddField("thing", "a", models.IntegerField(default=0, db_default=0)),
            id="a default of the database's",
        ),
        pytest.param(migrations.AlterField("thing", "name", models.CharField(max_length=20)), id="longer"),
        pytest.param(
            migrations.AlterField("thing", "name", models.CharField(max_length=10, help_text="x")),
            id="a text",
        ),
        pytest.param(
            migrations.AlterField("thing", "name", models.CharField(max_length=10, null=True)),
            id="may be empty",
        ),
        pytest.param(migrations.AddIndex("thing", models.Index(fields=["name"], name="i")), id="an index"),
        pytest.param(migrations.RemoveConstraint("thing", "check"), id="a check taken away"),
    ],
)
def test_what_an_older_process_does_not_notice_is_allowed(operation):
    assert objection(operation, a_state(), "flows", set()) == ""


def test_a_table_that_is_new_may_be_as_strict_as_it_likes():
    operation = migrations.AddField("thing", "a", models.IntegerField())

    assert objection(operation, a_state(), "flows", {"thing"}) == ""
