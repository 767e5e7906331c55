"""This module reads SOQL: a recursive descent parser for the part of it that integrations use."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import NoReturn

from connectors.sandbox.salesforce.answers import refused
from connectors.sandbox.salesforce.soql_syntax import (
    Aggregate,
    Among,
    Children,
    Column,
    Compare,
    Condition,
    Day,
    Junction,
    Literal,
    Moment,
    Negation,
    Ordering,
    Select,
    Span,
    Text,
)
from connectors.sandbox.salesforce.soql_tokens import (
    DEEPEST,
    ESCAPE,
    ESCAPES,
    WORDS,
    Token,
    malformed,
    tokens_of,
)

OBJECTS_AND_WORDS = frozenset({"group", "order"})
AGGREGATES = frozenset({"count", "count_distinct", "sum", "avg", "min", "max"})
SPANS = frozenset(
    f"{which}_{unit}" for which in ("last", "this", "next") for unit in ("week", "month", "quarter", "year")
) | {"yesterday", "today", "tomorrow", "last_90_days", "next_90_days"}
COUNTED_SPANS = frozenset({"last_n_days", "next_n_days"})


def parse(query: str) -> Select:
    """
    Return what a query says.

    :raises Refused: MALFORMED_QUERY, with the place where it stops making sense
    """
    return _Parser(query).whole_query()


class _Parser:
    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens = tokens_of(query)
        self.place = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def fail(self, token: Token | None = None) -> NoReturn:
        token = token or self.next
        shown = token.text if token.kind == "end" else f"'{token.text}'"
        malformed(self.query, token.at, f"unexpected token: {shown}")

    def take(self) -> Token:
        token = self.next
        self.place += 1
        return token

    def took(self, *texts: str) -> bool:
        """Take the next token if it is one of these words or marks."""
        if self.next.kind in {"name", "mark", "operator"} and self.next.text.lower() in texts:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.took(text):
            self.fail()

    def path(self) -> str:
        token = self.take()
        if token.kind != "name" or token.word() in WORDS:
            self.fail(token)
        return token.text

    def object_name(self) -> str:
        """Take the name of an object; two of them are words of the language anywhere else."""
        return self.take().text if self.next.word() in OBJECTS_AND_WORDS else self.path()

    def whole_query(self) -> Select:
        select = self.select()
        if self.next.kind != "end":
            self.fail()
        return select

    def select(self, *, inner: bool = False) -> Select:
        self.expect("select")
        columns = self.selected(inner=inner)
        self.expect("from")
        object_ = self.object_name()
        alias = self.path() if self.next.kind == "name" and self.next.word() not in WORDS else ""
        where = self.condition() if self.took("where") else None
        group = self.grouping() if self.took("group") else ()
        having = self.condition() if group and self.took("having") else None
        order = self.ordering() if self.took("order") else ()
        limit = self.whole() if self.took("limit") else None
        offset = self.whole() if self.took("offset") else 0
        return Select(columns, object_, alias, where, group, having, order, limit, offset)

    def selected(self, *, inner: bool) -> tuple[Column | Aggregate | Children, ...]:
        if self.next.word() == "count" and [token.text for token in self.tokens[self.place + 1 :][:2]] == [
            "(",
            ")",
        ]:
            self.place += 3
            return ()
        columns = [self.column(inner=inner)]
        while self.took(","):
            columns.append(self.column(inner=inner))
        paths = [column.path.lower() for column in columns if isinstance(column, Column)]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise refused("INVALID_FIELD", f"duplicate field selected: {twice}")
        return tuple(columns)

    def column(self, *, inner: bool) -> Column | Aggregate | Children:
        if self.next.text == "(":
            if inner:
                self.fail()  # sub-queries have no sub-queries here
            self.take()
            select = self.select(inner=True)
            self.expect(")")
            return Children(select)
        if self.is_aggregate():
            return replace(self.aggregate(), alias=self.column_alias())
        return Column(self.path(), self.column_alias())

    def column_alias(self) -> str:
        """Take a name that stands where the next column or FROM would; anything else is a slip."""
        if self.next.kind != "name" or self.next.word() in WORDS:
            return ""
        return self.path() if self.tokens[self.place + 1].text.lower() in {",", "from"} else ""

    def is_aggregate(self) -> bool:
        return self.next.word() in AGGREGATES and self.tokens[self.place + 1].text == "("

    def aggregate(self) -> Aggregate:
        function = self.take().word()
        self.expect("(")
        path = self.path()
        self.expect(")")
        return Aggregate(function, path)

    def operand(self) -> str:
        """Return a field, or an aggregate, as a condition or an order names it."""
        return self.aggregate().text if self.is_aggregate() else self.path()

    def grouping(self) -> tuple[str, ...]:
        self.expect("by")
        paths = [self.path()]
        while self.took(","):
            paths.append(self.path())
        return tuple(paths)

    def ordering(self) -> tuple[Ordering, ...]:
        self.expect("by")
        keys = [self.key()]
        while self.took(","):
            keys.append(self.key())
        return tuple(keys)

    def key(self) -> Ordering:
        path = self.operand()
        descending = self.took("desc") or (self.took("asc") and False)
        nulls_last = False
        if self.took("nulls"):
            nulls_last = self.took("last")
            if not nulls_last:
                self.expect("first")
        return Ordering(path, descending, nulls_last)

    def whole(self) -> int:
        token = self.take()
        if token.kind != "number" or not token.text.isdigit():
            self.fail(token)
        return int(token.text[:9])

    def condition(self) -> Condition:
        """Read a chain of conditions; AND and OR are not mixed without parentheses, as in Salesforce."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail()
        parts = [self.term()]
        word = ""
        while self.next.word() in {"and", "or"}:
            if word and self.next.word() != word:
                self.fail()
            word = self.take().word()
            parts.append(self.term())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def term(self) -> Condition:
        if self.took("not"):
            self.depth += 1
            if self.depth > DEEPEST:
                self.fail()
            part = Negation(self.term())
            self.depth -= 1
            return part
        if self.took("("):
            inner = self.condition()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        path = self.operand()
        if self.took("not"):
            self.expect("in")
            return self.among(path, negated=True)
        if self.took("in"):
            return self.among(path, negated=False)
        if self.took("like"):
            return Compare(path, "like", self.literal())
        operator = self.take()
        if operator.kind != "operator":
            self.fail(operator)
        return Compare(path, {"<>": "!="}.get(operator.text, operator.text), self.literal())

    def among(self, path: str, *, negated: bool) -> Among:
        if self.next.text == "(" and self.tokens[self.place + 1].word() == "select":
            self.take()
            select = self.select(inner=True)
            self.expect(")")
            return Among(path, (), negated, select)
        return Among(path, self.literals(), negated)

    def literals(self) -> tuple[Literal, ...]:
        self.expect("(")
        values = [self.literal()]
        while self.took(","):
            values.append(self.literal())
        self.expect(")")
        return tuple(values)

    def literal(self) -> Literal:
        token = self.take()
        if token.kind == "string":
            return self.text(token)
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "date":
            return Day(token.text)
        if token.kind == "datetime":
            return Moment(token.text)
        if token.kind == "span" or token.word() in SPANS:
            return self.span(token)
        if token.word() not in {"null", "true", "false"}:
            self.fail(token)
        return {"null": None, "true": True, "false": False}[token.word()]

    def span(self, token: Token) -> Span:
        name, _, days = token.text.lower().partition(":")
        if days and name not in COUNTED_SPANS:
            self.fail(token)
        return Span(name, int(days or 0))

    def text(self, token: Token) -> Text:
        def plain(match: re.Match[str]) -> str:
            return self.meaning(match.group(1), token, wild=False)

        def pattern(match: re.Match[str]) -> str:
            return self.meaning(match.group(1), token, wild=True)

        inner = token.text[1:-1]
        return Text(ESCAPE.sub(plain, inner), ESCAPE.sub(pattern, inner))

    def meaning(self, escape: str, token: Token, *, wild: bool) -> str:
        r"""Return what an escape stands for; in a pattern `\%`, `\_` and `\\` stay escaped."""
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape in "%_":
            return f"\\{escape}"
        if escape not in ESCAPES:
            why = f"Illegal character sequence '\\{escape}' in string literal."
            raise refused("MALFORMED_QUERY", f"Invalid string literal {token.text}. {why}")
        return "\\\\" if wild and escape == "\\" else ESCAPES[escape]
