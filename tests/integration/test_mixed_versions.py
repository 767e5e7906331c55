"""
This module tests that processes of an older version can write while the schema is already the new one.

The database is fully migrated. Rows are then inserted, changed and read with the models as they were after
each earlier migration, and with the statements that an older receiver has in its memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from flows.models import Event
from tests.architecture.test_migrations import OURS
from tests.builders import NOON, a_connection

pytestmark = pytest.mark.django_db

APPEND_ONLY = {"auditentry"}  # the database refuses to change these, whoever asks
# What the receiver of the first version inserts; it knows no other column.
FIRST_COLUMNS = (
    "connection_id", "external_id", "origin", "type", "api_version", "account", "livemode", "object_id",
    "happened_at", "received_at", "body", "unreadable", "dispatched_at", "dispatch_crashes", "fate",
    "fate_reason",
)  # fmt: skip

# What stands in a column of each kind; the first kind that fits counts.
VALUES: tuple[tuple[Any, Any], ...] = (
    (models.EmailField, lambda number, _: f"p{number}@acme.test"),
    ((models.CharField, models.TextField), lambda number, field: f"{number}x"[: field.max_length or 20]),
    (models.BooleanField, lambda *_: False),
    (models.IntegerField, lambda number, _: number),
    (models.DateTimeField, lambda _, field: None if field.null else NOON),
    (models.DateField, lambda *_: date(2026, 11, 24)),
    (models.TimeField, lambda *_: time(8)),
    (models.FloatField, lambda number, _: float(number)),
    (models.DecimalField, lambda number, _: Decimal(number)),
    (models.DurationField, lambda number, _: timedelta(seconds=number)),
    (models.BinaryField, lambda *_: b"sealed"),
    (models.JSONField, lambda number, _: {"n": number}),
)


def earlier_states() -> Iterator[tuple[str, str]]:
    """Yield every migration of ours: after each of them a version may have been released."""
    loader = MigrationLoader(None)
    yield from sorted(key for key in loader.disk_migrations if key[0] in OURS)


class Older:
    """The models as they were after one migration, and rows of them."""

    def __init__(self, key: tuple[str, str]) -> None:
        self.apps = MigrationLoader(connection).project_state(key).apps
        self._numbers = itertools.count(1)
        self._rows: dict[str, Model] = {}

    def models_of(self, app: str) -> list[type[Model]]:
        return [model for model in self.apps.get_models() if model._meta.app_label == app]

    def row(self, model: type[Model]) -> Model:
        """Return the one row of `model`, inserted the first time that it is asked for or pointed at."""
        label = model._meta.label
        if label not in self._rows:
            self._rows[label] = self._insert(model)
        return self._rows[label]

    def _insert(self, model: type[Model]) -> Model:
        values = {
            field.name: self._value(field)
            for field in model._meta.local_concrete_fields
            if not isinstance(field, models.AutoField)
        }
        return model._default_manager.create(**values)

    def _value(self, field: Any) -> Any:
        if isinstance(field, models.ForeignKey):
            return self.row(field.related_model)
        if field.choices:
            return field.get_default() if field.has_default() else field.choices[0][0]
        number = next(self._numbers)
        return next(make(number, field) for kind, make in VALUES if isinstance(field, kind))


@pytest.mark.parametrize("key", list(earlier_states()), ids=":".join)
def test_the_models_of_an_older_version_insert_change_and_read_every_kind_of_row(key):
    older = Older(key)
    kinds = older.models_of(key[0])
    assert kinds

    for model in kinds:
        row = older.row(model)
        found = model._default_manager.get(pk=row.pk)
        if model._meta.model_name not in APPEND_ONLY:
            found.save()
            plain = {
                field.attname: getattr(found, field.attname)
                for field in model._meta.local_concrete_fields
                if not field.primary_key
            }
            assert model._default_manager.filter(pk=row.pk).update(**plain) == 1


def test_older_rows_are_whole_to_the_newest_models():
    older = Older(("flows", "0001_initial"))
    for model in older.models_of("flows"):
        older.row(model)

    read = {model: list(model.objects.all()) for model in _newest_of_the_first_version(older)}

    assert len(read) > 10
    assert all(rows for rows in read.values())


def _newest_of_the_first_version(older: Older) -> list[Any]:
    names = {model._meta.model_name for model in older.models_of("flows")}
    return [model for model in Event._meta.apps.get_app_config("flows").get_models()
            if model._meta.model_name in names]  # fmt: skip


def test_the_receiver_of_the_first_version_goes_on_keeping_events():
    source = a_connection()
    values = [source.pk, "evt_1", "live", "charge.succeeded", "v", "", False, "ch_1", NOON, NOON, b"body", "",
              None, 0, "queued", ""]  # fmt: skip
    marks = ", ".join(["%s"] * len(FIRST_COLUMNS))
    into = f"INSERT INTO flows_event ({', '.join(FIRST_COLUMNS)})"
    statement = f"{into} VALUES ({marks}) ON CONFLICT (connection_id, external_id) DO NOTHING"
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(statement, values)

    event = Event.objects.get()
    assert (bytes(event.body), event.fate) == (b"body", "queued")
    assert list(Event.objects.undispatched()) == [event]


def test_the_first_columns_are_those_of_the_first_version():
    model = Older(("flows", "0001_initial")).apps.get_model("flows", "Event")

    assert {field.column for field in model._meta.local_concrete_fields} == {"id", *FIRST_COLUMNS}


@pytest.mark.parametrize(
    ("table", "conflict"),
    [
        ("flows_lane", ("pair_id", "key")),
        ("flows_link", ("pair_id", "salesforce_object", "external_id")),
        ("flows_appliedversion", ("flow_id", "pair_id", "target")),
        ("flows_event", ("connection_id", "external_id")),
        ("flows_run", ("flow_id", "pair_id", "event_id", "subject", "replay")),
    ],
)
def test_what_older_statements_conflict_on_is_still_unique(table, conflict):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)

    assert conflict in {tuple(c["columns"]) for c in found.values() if c["unique"]}
