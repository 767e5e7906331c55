"""This module cuts a SOQL query into tokens, and points at the place where one makes no sense."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from connectors.sandbox.salesforce.answers import refused

TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
  | (?P<date>\d{4}-\d{2}-\d{2})
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<span>[A-Za-z][A-Za-z_]*:\d{1,5})
  | (?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
  | (?P<operator><=|>=|!=|<>|[=<>])
  | (?P<mark>[(),])
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
ESCAPES.update({letter.upper(): meaning for letter, meaning in ESCAPES.items() if letter.isalpha()})
CLAUSES = frozenset({"select", "from", "where", "order", "by", "group", "having", "limit", "offset"})
WORDS = CLAUSES | {"and", "or", "not", "in", "like", "asc", "desc", "nulls", "null", "true", "false"}
DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` is as it was written."""

    kind: str
    text: str
    at: int

    def word(self) -> str:
        """Return the token in lower case if it is a bare word, else nothing."""
        return self.text.lower() if self.kind == "name" else ""


def malformed(query: str, at: int, why: str) -> NoReturn:
    """Refuse a query, pointing at the place the way Salesforce does."""
    start = max(0, at - 20)
    shown = query[start : at + 20].replace("\n", " ")
    message = f"\n{shown}\n{' ' * (at - start)}^\nERROR at Row:1:Column:{at + 1}\n{why}"
    raise refused("MALFORMED_QUERY", message)


def tokens_of(query: str) -> list[Token]:
    """
    Return the tokens, the last of which is the end.

    :raises Refused: MALFORMED_QUERY, for a character that begins none
    """
    tokens: list[Token] = []
    at = 0
    while at < len(query):
        match = TOKEN.match(query, at)
        if match is None:
            malformed(query, at, f"unexpected token: '{query[at]}'")
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    tokens.append(Token("end", "<EOF>", at))
    return tokens
