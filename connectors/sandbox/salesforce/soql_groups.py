"""This module answers queries whose rows are groups of records."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.fields import Field
from connectors.sandbox.salesforce.soql_predicates import NUMBERS, TIMES, comparison, folded
from connectors.sandbox.salesforce.soql_syntax import Aggregate, Among, Column, Compare, Junction, Negation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.sandbox.salesforce.soql_run import Plan
    from connectors.sandbox.salesforce.soql_syntax import Condition
    from connectors.sandbox.salesforce.tables import Record

    Row = dict[str, Any]

NUMBER = Field("expr", "double", precision=18, scale=0)
LONGEST = 2_000  # rows of an aggregate query


def grouped(plan: Plan) -> list[Row]:
    """
    Return the rows of a grouped query.

    :raises Refused: if a field is neither grouped nor aggregated, or a function does not fit its field
    """
    return _Groups(plan).rows()


class _Groups:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.select = plan.select
        self.keys = [plan.resolve(path) for path in self.select.group]
        lowered = {path.lower() for path in self.select.group}
        self.named: list[tuple[str, Column | Aggregate]] = []
        unnamed = 0
        for column in self.select.columns:
            if isinstance(column, Aggregate):
                _check_function(plan, column)
                self.named.append((column.alias or f"expr{unnamed}", column))
                unnamed += 0 if column.alias else 1
            elif isinstance(column, Column) and column.path.lower() in lowered:
                self.named.append((column.alias or column.path.rpartition(".")[2], column))
            else:
                path = column.path if isinstance(column, Column) else column.select.object
                raise refused("MALFORMED_QUERY", f"Field must be grouped or aggregated: {path}")
        self.having = self._compile(self.select.having) if self.select.having else None

    def rows(self) -> list[Row]:
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for record in self.plan.matching():
            key = tuple(folded(path.field, path.get(record.values)) for path in self.keys)
            groups.setdefault(key, []).append(record)
        if not self.keys:
            groups = {(): groups.get((), [])}
        kept = [records for records in groups.values() if self.having is None or self.having(records)]
        for ordering in reversed(self.select.order):
            kept.sort(
                key=lambda records: _sort_key(self._value(ordering.path, records)),
                reverse=ordering.descending,
            )
        kept = kept[self.select.offset :][: self.select.limit if self.select.limit is not None else LONGEST]
        return [self._row(records) for records in kept]

    def _row(self, records: Sequence[Record]) -> Row:
        row: Row = {"attributes": {"type": "AggregateResult"}}
        for name, column in self.named:
            row[name] = (
                self._aggregate(column, records)
                if isinstance(column, Aggregate)
                else self.plan.resolve(column.path).get(records[0].values)
            )
        return row

    def _value(self, text: str, records: Sequence[Record]) -> Any:
        """Return what a field, an aggregate or an alias is for a group."""
        for name, column in self.named:
            if text.lower() in {name.lower(), column.text if isinstance(column, Aggregate) else ""}:
                return self._row(records)[name]
        function, _, path = text.partition("(")
        if path:
            return self._aggregate(Aggregate(function, path.rstrip(")")), records)
        if text.lower() not in {path.lower() for path in self.select.group}:
            raise refused("MALFORMED_QUERY", f"Ordered field must be grouped or aggregated: {text}")
        return self.plan.resolve(text).get(records[0].values)

    def _aggregate(self, aggregate: Aggregate, records: Sequence[Record]) -> Any:
        path = self.plan.resolve(aggregate.path)
        values = [value for record in records if (value := path.get(record.values)) is not None]
        match aggregate.function:
            case "count":
                return len(values)
            case "count_distinct":
                return len({folded(path.field, value) for value in values})
            case _ if not values:
                return None
            case "min":
                return min(values)
            case "max":
                return max(values)
            case "sum":
                return sum(values, Decimal(0))
        return sum(values, Decimal(0)) / len(values)

    def _compile(self, condition: Condition) -> Callable[[Sequence[Record]], bool]:
        match condition:
            case Junction():
                parts = [self._compile(part) for part in condition.parts]
                judge = all if condition.word == "and" else any
                return lambda records: judge(part(records) for part in parts)
            case Negation():
                inner = self._compile(condition.part)
                return lambda records: not inner(records)
            case Among():
                raise refused("MALFORMED_QUERY", "IN is not simulated in HAVING")
            case Compare():
                is_number = "(" in condition.path
                field = NUMBER if is_number else self.plan.resolve(condition.path).field
                test = comparison(field, condition, now=self.plan.now)
                return lambda records: test(self._value(condition.path, records))


def _check_function(plan: Plan, aggregate: Aggregate) -> None:
    field = plan.resolve(aggregate.path).field
    allowed = {"sum": NUMBERS, "avg": NUMBERS, "min": NUMBERS | TIMES, "max": NUMBERS | TIMES}
    kinds = allowed.get(aggregate.function)
    if (
        kinds is not None
        and field.type not in kinds
        and not (field.type in {"string", "picklist"} and kinds != NUMBERS)
    ):
        message = f"field {field.name} does not support aggregate operator {aggregate.function.upper()}"
        raise refused("INVALID_FIELD", message)


def _sort_key(value: Any) -> tuple[bool, Any]:
    return value is not None, value.casefold() if isinstance(
        value, str
    ) else value if value is not None else 0
