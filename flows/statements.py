"""
This module compiles a statement once and runs it again with other values.

Django makes the text of a statement anew each time. For those of a worker's pass, which are the same in each,
that takes longer than the database does, and with few events in a pass it is most of their price.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.sql import UpdateQuery

from flows import arrays

Row = tuple[Any, ...]


class Given(Value):
    """
    A value that is known only when the statement is run, by its name there.

    Of a list, `many` says what it consists of: `bigint` or `text`; see `flows.bulk.among`.
    """

    def __init__(self, name: str, many: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.many = many

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return a place for the value, and this object to mark it among the parameters."""
        return "%s", [self]

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        """Return the same; only its type tells what an empty list is a list of."""
        return (f"%s::{self.many}[]" if self.many else "%s"), [self]


class _Compiled(NamedTuple):
    """A statement for one kind of database."""

    sql: str
    parameters: Sequence[Any]
    converters: Mapping[int, tuple[Sequence[Callable[..., Any]], Any]]  # by column, with its expression

    def filled(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the parameters with what is `given` in its places."""
        adapt = _as_sqlite_takes_it if connection.vendor == "sqlite" else _as_postgresql_takes_it
        return [adapt(given[one.name], one) if isinstance(one, Given) else one for one in self.parameters]


class Select:
    """A query of columns (`values_list`) that is compiled once, with what differs each time `Given`."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, **given: Any) -> list[Row]:
        """Return the rows that are found with what is `given`."""
        compiled = self._compiled.get(connection.vendor)
        if compiled is None:
            compiled = self._compiled[connection.vendor] = _compiled(self._build().query)
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(given))
            rows: list[Row] = cursor.fetchall()
        return [_converted(row, compiled) for row in rows] if compiled.converters else rows

    def values(self, **given: Any) -> list[Any]:
        """Return the first column of the rows."""
        return [row[0] for row in self.rows(**given)]


class Update:
    """An update that is compiled once: the rows that `build` finds, and what is set in them."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]], **to: Any) -> None:
        self._build = build
        self._to = to
        self._compiled: dict[str, _Compiled] = {}

    def run(self, **given: Any) -> int:
        """Change the rows that are found with what is `given`, and return how many there were."""
        compiled = self._compiled.get(connection.vendor)
        if compiled is None:
            query: Any = self._build().query.chain(UpdateQuery)
            query.add_update_values(self._to)
            compiled = self._compiled[connection.vendor] = _compiled(query)
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(given))
            return max(int(cursor.rowcount), 0)


def _compiled(query: Any) -> _Compiled:
    compiler = query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    columns = [column for column, *_ in compiler.select or ()]  # none of an update
    return _Compiled(sql, parameters, compiler.get_converters(columns))


def _converted(row: Row, compiled: _Compiled) -> Row:
    """Return a row with its values as the model's fields have them, as Django's own compiler does."""
    values = list(row)
    for place, (converters, expression) in compiled.converters.items():
        value = values[place]
        for convert in converters:
            value = convert(value, expression, connection)
        values[place] = value
    return tuple(values)


def _as_postgresql_takes_it(value: Any, place: Given) -> Any:
    """Return a list as an array; what else is given is as its driver has it."""
    return arrays.literal(value, place.many) or value if isinstance(value, list) else value


def _as_sqlite_takes_it(value: Any, _place: Given) -> Any:
    """Return a list as JSON and a time as text; what else is given is a number or a text."""
    if isinstance(value, list):
        return json.dumps(value)
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
