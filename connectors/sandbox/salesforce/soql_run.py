"""This module answers a parsed SOQL query from the tables of the org."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.soql_predicates import IDS, TEXTS, among, comparison
from connectors.sandbox.salesforce.soql_syntax import Among, Children, Compare, Junction, Negation, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.soql_syntax import (
        Aggregate,
        Column,
        Condition,
        Literal,
        Ordering,
        Select,
    )
    from connectors.sandbox.salesforce.tables import Record, Table

    Tables = Mapping[str, Table]
    Values = dict[str, Any]
    Predicate = Callable[[Values], bool]

FURTHEST_OFFSET = 2_000


class Plan:
    """A query with its names resolved, ready to find and to render records."""

    def __init__(self, tables: Tables, table: Table, select: Select, *, now: datetime) -> None:
        """
        Resolve the names; `now` is what TODAY and the like count from.

        :raises Refused: for an unknown field, or a literal that does not fit its field
        """
        self.tables = tables
        self.table = table
        self.select = select
        self.now = now
        if select.offset > FURTHEST_OFFSET:
            raise refused("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        self.predicate = self.compile(select.where) if select.where is not None else None
        self.columns: list[Path | Family] = []
        self.keys: list[tuple[Path, Ordering]] = []
        if not select.grouped:
            self.columns = [self.column(column) for column in select.columns]
            self.keys = [(self.resolve(ordering.path), ordering) for ordering in select.order]

    def column(self, column: Column | Aggregate | Children) -> Path | Family:
        """Return what is to be shown of a record: a field, or the records that point at it."""
        if isinstance(column, Children):
            return Family(self, column.select)
        if column.alias:
            message = "only aggregate expressions and grouped fields use field aliasing"
            raise refused("MALFORMED_QUERY", message)
        return self.resolve(column.path)

    def resolve(self, path: str) -> Path:
        """Return the field that a path leads to, through look-ups where it has dots."""
        steps = path.split(".")
        if len(steps) > 1 and steps[0].lower() in {self.select.alias.lower(), self.select.object.lower()}:
            steps = steps[1:]
        return Path(self.tables, self.table, steps)

    def find(self, *, deleted: bool, wanted: Predicate | None = None) -> list[Record]:
        """Return the records that the query asks for, in order; `deleted` ones only if told to."""
        found = self.matching(deleted=deleted)
        if wanted is not None:
            found = [record for record in found if wanted(record.values)]
        for path, ordering in reversed(self.keys):
            found = _ordered(found, path, ordering)
        found = found[self.select.offset :]
        return found if self.select.limit is None else found[: self.select.limit]

    def matching(self, *, deleted: bool = False) -> list[Record]:
        """Return the records that the condition fits, in no order."""
        candidates: Iterable[Record]
        narrowed = None if deleted else self.narrow(self.select.where)
        if narrowed is not None:
            candidates = narrowed
        else:
            candidates = self.table.records.values() if deleted else self.table.alive()
        predicate = self.predicate
        return list(candidates) if predicate is None else [r for r in candidates if predicate(r.values)]

    def narrow(self, where: Condition | None) -> list[Record] | None:
        """Return the few records that an index gives for the condition, or None if no index helps."""
        if isinstance(where, Junction) and where.word == "and":
            return next((found for part in where.parts if (found := self.narrow(part)) is not None), None)
        wanted: tuple[Literal, ...]
        if isinstance(where, Compare) and where.operator == "=":
            wanted = (where.value,)
        elif isinstance(where, Among) and not where.negated and where.select is None:
            wanted = where.values
        else:
            return None
        field = self.resolve(where.path)
        if field.getters or not all(isinstance(value, Text) for value in wanted):
            return None
        texts = [value.value for value in wanted if isinstance(value, Text)]
        if field.field.type == "id":
            held = [self.table.records.get(full_id(text) or "") for text in dict.fromkeys(texts)]
            return list({record.id: record for record in held if record and not record.deleted}.values())
        if not self.table.is_indexed(field.field):
            return None
        return list({r.id: r for text in texts for r in self.table.find(field.field, text)}.values())

    def compile(self, condition: Condition) -> Predicate:
        """Return a condition as a function of a record's values."""
        if isinstance(condition, Junction):
            parts = [self.compile(part) for part in condition.parts]
            if condition.word == "and":
                return lambda values: all(part(values) for part in parts)
            return lambda values: any(part(values) for part in parts)
        if isinstance(condition, Negation):
            inner = self.compile(condition.part)
            return lambda values: not inner(values)
        path = self.resolve(condition.path)
        if not path.field.filterable:
            message = f"field '{path.field.name}' can not be filtered in a query call"
            raise refused("INVALID_FIELD", message)
        if isinstance(condition, Compare):
            test = comparison(path.field, condition, now=self.now)
        elif condition.select is not None:
            test = self.semi_join(path, condition.select, negated=condition.negated)
        else:
            test = among(path.field, condition.values, negated=condition.negated)
        get = path.get
        return lambda values: test(get(values))

    def semi_join(self, path: Path, select: Select, *, negated: bool) -> Callable[[Any], bool]:
        """Return whether an id is, or is not, among those that an inner query finds."""
        table = next((t for name, t in self.tables.items() if name.lower() == select.object.lower()), None)
        if table is None:
            raise refused("INVALID_TYPE", f"sObject type '{select.object}' is not supported.")
        inner = Plan(self.tables, table, select, now=self.now)
        column = inner.columns[0] if len(inner.columns) == 1 else None
        if not isinstance(column, Path) or not {path.field.type, column.field.type} <= IDS:
            message = "The inner select field must be a single id or reference field"
            raise refused("MALFORMED_QUERY", message)
        found = {column.get(record.values) for record in inner.find(deleted=False)} - {None}
        return lambda held: (held in found) is not negated

    def render(self, record: Record, version: str) -> dict[str, Any]:
        """Return one row of the answer, look-ups as nested objects."""
        row = _attributes(self.table, record.id, version)
        for column in self.columns:
            column.render_into(row, record.values, version)
        return row


class Path:
    """A field, and the look-ups to go through to reach it."""

    def __init__(self, tables: Tables, table: Table, steps: list[str]) -> None:
        self.getters: list[tuple[Field, Table]] = []
        here = table
        for step in steps[:-1]:
            link = here.shape.relations.get(step.lower())
            target = next((tables[name] for name in link.refers_to if name in tables), None) if link else None
            if link is None or target is None:
                message = f"Didn't understand relationship '{step}' in field path."
                raise refused("INVALID_FIELD", message)
            self.getters.append((link, target))
            here = target
        self.table = here
        self.field = here.shape.field(steps[-1])

    def get(self, values: Values) -> Any:
        """Return the value of the field for a record, null where a look-up is empty."""
        for link, table in self.getters:
            record = table.records.get(values.get(link.name) or "")
            if record is None or record.deleted:
                return None
            values = record.values
        return values.get(self.field.name)

    def render_into(self, row: dict[str, Any], values: Values, version: str) -> None:
        """Put the field into `row`, making the nested objects on the way."""
        for link, table in self.getters:
            record = table.records.get(values.get(link.name) or "")
            if record is None or record.deleted:
                row.setdefault(link.relationship, None)
                return
            nested = row.get(link.relationship)
            if nested is None:
                nested = row[link.relationship] = _attributes(table, record.id, version)
            row, values = nested, record.values
        row[self.field.name] = values.get(self.field.name)


class Family:
    """The records that point at a record, by the name that the relation has there."""

    def __init__(self, plan: Plan, select: Select) -> None:
        found = _relation(plan, select.object)
        if found is None:
            message = (
                f"Didn't understand relationship '{select.object}' in FROM part of query call. If you are"
                " attempting to use a custom relationship, be sure to append the '__r' after the custom"
                " relationship name."
            )
            raise refused("INVALID_TYPE", message)
        table, self.link, self.name = found
        if not select.columns or select.grouped:
            raise refused("MALFORMED_QUERY", "Grouped query cannot be a sub-query")
        self.plan = Plan(plan.tables, table, select, now=plan.now)

    def render_into(self, row: dict[str, Any], values: Values, version: str) -> None:
        """Put the records into `row`, or null if there are none."""
        key = self.link.name
        found = self.plan.find(deleted=False, wanted=lambda child: child.get(key) == values["Id"])
        if not found:
            row[self.name] = None
            return
        records = [self.plan.render(record, version) for record in found]
        row[self.name] = {"totalSize": len(records), "done": True, "records": records}


def _relation(plan: Plan, name: str) -> tuple[Table, Field, str] | None:
    """Return the table that a relation of the plan's object leads to, its look-up, and its name."""
    target = plan.table.shape.object.name
    for table in plan.tables.values():
        thing = table.shape.object
        for field in thing.fields:
            if target in field.refers_to and thing.child_relation(field).lower() == name.lower():
                return table, field, thing.child_relation(field)
    return None


def _attributes(table: Table, id18: str, version: str) -> dict[str, Any]:
    name = table.shape.object.name
    return {"attributes": {"type": name, "url": f"/services/data/v{version}/sobjects/{name}/{id18}"}}


def _ordered(records: list[Record], path: Path, ordering: Ordering) -> list[Record]:
    """Return the records by one key; nulls come first unless the query says otherwise."""
    held = [record for record in records if path.get(record.values) is not None]
    empty = [record for record in records if path.get(record.values) is None]
    field = path.field
    held.sort(key=lambda record: _sort_key(field, path.get(record.values)), reverse=ordering.descending)
    return [*held, *empty] if ordering.nulls_last else [*empty, *held]


def _sort_key(field: Field, value: Any) -> Any:
    return value.casefold() if field.type in TEXTS else value
