"""
This module writes and finds many rows in one statement: PostgreSQL is given arrays, SQLite a prepared one.

The drain's cost per event is mostly rows written; model instances and a statement a row would double it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.db.models import F, Func, Value

from flows import arrays
from flows.statements import Given
from integrator.kernel import texts

Row = Sequence[Any]


def insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    conflict: str = "",
    order_by: Sequence[str] = (),
) -> int:
    """
    Insert `rows` of `columns` (attribute names such as `run_id`), in the order of `order_by` columns.

    Return how many were inserted or, where a conflict says so, changed.

    `conflict` is the text after ON CONFLICT. The order is the database's own, so that statements which
    lock the same rows in the same order cannot block each other for ever.
    """
    if not rows:
        return 0
    table = model._meta.db_table
    names = ", ".join(f'"{column}"' for column in columns)
    clause = f" ON CONFLICT {conflict}" if conflict else ""
    if connection.vendor == "postgresql":
        order = ", ".join(str(columns.index(column) + 1) for column in order_by)
        sql = (
            f'INSERT INTO "{table}" ({names}) SELECT * FROM unnest({_arrays(model, tuple(columns))})'  # noqa: S608  # names of ours only
            f"{' ORDER BY ' + order if order else ''}{clause}"
        )
        return _execute(sql, _columns(model, columns, rows))
    marks = ", ".join(["%s"] * len(columns))
    # On SQLite one writer at a time holds the whole database, so the order does not matter.
    return _execute_many(
        f'INSERT INTO "{table}" ({names}) VALUES ({marks}){clause}',  # noqa: S608  # names of ours only
        _adapted(model, columns, rows),
    )


def update(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set `columns[1:]` in the rows whose primary key stands first."""
    if not rows:
        return
    table = model._meta.db_table
    key, *rest = columns
    if connection.vendor == "postgresql":
        sets = ", ".join(f'"{column}" = given."{column}"' for column in rest)
        names = ", ".join(f'"{column}"' for column in columns)
        sql = (
            f'UPDATE "{table}" SET {sets} FROM unnest({_arrays(model, tuple(columns))}) AS given({names}) '  # noqa: S608  # names of ours only
            f'WHERE "{table}"."{key}" = given."{key}"'
        )
        _execute(sql, _columns(model, columns, rows))
        return
    sets = ", ".join(f'"{column}" = %s' for column in rest)
    moved = [(*row[1:], row[0]) for row in _adapted(model, columns, rows)]
    _execute_many(f'UPDATE "{table}" SET {sets} WHERE "{key}" = %s', moved)  # noqa: S608  # names of ours only


class _Among(Func):
    """Whether a column has one of many values, which travel as one parameter."""

    arity = 2
    output_field = models.BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        joined = " IN (SELECT value FROM json_each("
        return self.as_sql(
            compiler, connection, template="%(expressions)s))", arg_joiner=joined, **extra_context
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="%(expressions)s)", arg_joiner=" = ANY(", **extra_context
        )


def among(column: str, values: Iterable[int] | Iterable[str] | Given) -> Func:
    """
    Return the condition that `column` of the rows asked for has one of `values`, all numbers or all texts.

    A statement that is compiled once is given them as a list.
    Django's `__in` makes a placeholder of each value and goes through them several times, which for a batch
    costs more than the statement; and SQLite compiles a statement anew for each number of values.
    """
    if isinstance(values, Given):
        return _Among(F(column), values)
    wanted = list(values)
    if connection.vendor == "postgresql":
        if not wanted:  # only the column knows what kind of none it is
            return _Among(F(column), Func(template="'{}'"))
        kind = "text[]" if isinstance(wanted[0], str) else "bigint[]"
        return _Among(F(column), Func(Value(wanted), template=f"%(expressions)s::{kind}"))
    return _Among(F(column), Value(json.dumps(wanted)))


def storable(text: str) -> str:
    """Return `text` with what no database column takes, NUL and lone surrogates, replaced."""
    return texts.storable(text)


def postgresql_cursor() -> Any:
    """Return psycopg's own cursor: it binds on the server, and sends arrays and bytes as they are."""
    import psycopg  # noqa: PLC0415  # it takes 9 MB of each process, which SQLite does without

    return psycopg.Cursor(connection.connection)


def _execute(sql: str, parameters: Sequence[Any]) -> int:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = postgresql_cursor()
        cursor.execute(sql, parameters)
        return max(int(cursor.rowcount), 0)


def _execute_many(sql: str, rows: Sequence[Row]) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
        return max(int(cursor.rowcount), 0)


def _field(model: type[models.Model], column: str) -> models.Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if field.column == column)


def _arrays(model: type[models.Model], columns: tuple[str, ...]) -> str:
    return ", ".join(f"%s::{kind}[]" for kind in _array_types(model, columns))


@lru_cache(maxsize=100)  # the tables that are written to, each with its columns
def _array_types(model: type[models.Model], columns: tuple[str, ...]) -> list[str]:
    return [_array_type(_field(model, column)) for column in columns]


def _array_type(field: models.Field[Any, Any]) -> str:
    """Return the type without its length: a cast to varchar(10) would cut silently, an insert complains."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return (target.rel_db_type(connection) or target.db_type(connection) or "text").split("(")[0]


def _columns(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    """Return an array for each column, written here unless only the driver knows how."""
    kinds = _array_types(model, tuple(columns))
    return [
        arrays.literal(values, kind) or list(values)
        for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)
    ]


def _adapted(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Return `rows` as SQLite wants them: JSON and times as text."""
    wanted = _adapters(model, tuple(columns))
    if not wanted:
        return list(rows)
    adapted: list[Row] = []
    for row in rows:
        values = list(row)
        for place, adapter in wanted:
            if values[place] is not None:
                values[place] = adapter(values[place])
        adapted.append(values)
    return adapted


@lru_cache(maxsize=100)  # as above
def _adapters(model: type[models.Model], columns: tuple[str, ...]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return what makes a column's values the driver's, by its place, for the columns that need it."""
    adapters = [_adapter(_field(model, column)) for column in columns]
    return [(place, adapter) for place, adapter in enumerate(adapters) if adapter is not None]


def _adapter(field: models.Field[Any, Any]) -> Callable[[Any], Any] | None:
    if isinstance(field, models.JSONField):
        return json.dumps
    if isinstance(field, models.DateTimeField):
        return _as_sqlite_writes_times
    return None


@lru_cache(maxsize=1_000)  # a batch has few times, and each of them in every row
def _as_sqlite_writes_times(value: datetime) -> str | None:
    return connection.ops.adapt_datetimefield_value(value)
