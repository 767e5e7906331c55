"""This module is what a SOQL query says, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string; `pattern` keeps the escapes that LIKE minds."""

    value: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Day:
    """A date literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A date-time literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Span:
    """A date literal that means a stretch of days, such as LAST_N_DAYS:30."""

    name: str
    days: int = 0


Literal = Text | Day | Moment | Span | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against one literal."""

    path: str
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Among:
    """A field against a list of literals, or against what another query finds."""

    path: str
    values: tuple[Literal, ...]
    negated: bool = False
    select: Select | None = None


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions of which all, or any, must hold."""

    word: str  # and, or
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition that must not hold."""

    part: Condition


Condition = Compare | Among | Junction | Negation


@dataclass(frozen=True, slots=True)
class Ordering:
    """One key of ORDER BY."""

    path: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over the records of a group."""

    function: str  # in lower case
    path: str
    alias: str = ""

    @property
    def text(self) -> str:
        """Return the aggregate as HAVING and ORDER BY name it."""
        return f"{self.function}({self.path.lower()})"


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is selected."""

    path: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Children:
    """A query for the records that point at each record found; its object is the name of the relation."""

    select: Select


@dataclass(frozen=True, slots=True)
class Select:
    """A whole query; no columns means COUNT()."""

    columns: tuple[Column | Aggregate | Children, ...]
    object: str
    alias: str = ""
    where: Condition | None = None
    group: tuple[str, ...] = ()
    having: Condition | None = None
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0

    @property
    def grouped(self) -> bool:
        """Say whether the rows are groups of records."""
        return bool(self.group) or any(isinstance(column, Aggregate) for column in self.columns)
