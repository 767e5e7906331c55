"""This module checks the queries that people write, before they are published."""

from __future__ import annotations

import re

MOST_RECORDS = 50  # what a query without a limit of its own returns
LARGEST_LIMIT = 2000
LONGEST = 8000

_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,39})(:like)?\}")
_IN = re.compile(r"\bIN\s*\{([A-Za-z_][A-Za-z0-9_]{0,39})\}", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_INNERMOST = re.compile(r"\([^()]*\)")
_LIMIT = re.compile(r"\bLIMIT\s+(\S+)", re.IGNORECASE)
_SELECTED = re.compile(r"^\s*SELECT\s+(?P<fields>.*?)\s+FROM\s+\w", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"^\s*SELECT\s.*?\sFROM\s+([A-Za-z]\w{0,79})", re.IGNORECASE | re.DOTALL)
# Clauses that would stand behind the limit, or that change what is read.
_BEHIND = re.compile(r"\b(OFFSET|FOR\s+(?:VIEW|REFERENCE|UPDATE)|ALL\s+ROWS)\b", re.IGNORECASE)


def placeholders(soql: str) -> list[str]:
    """
    Return the names in braces, in their order, each once.

    :raises ValueError: if braces or quotes are used in another way, by which a value could become a command
    """
    if re.search(r"[{}]", _NAMED.sub("", soql)):
        raise ValueError("Braces stand for values only: {name}, or {name:like} inside of quotes")
    outside = _LITERAL.sub("", soql)
    if "'" in outside:
        raise ValueError("A quote is not closed")
    # A value brings its own quotes; only as a part of a text in LIKE it has none.
    if any(like for _, like in _NAMED.findall(outside)):
        raise ValueError("{name:like} stands inside of quotes, as in LIKE '{name:like}%'")
    if any(not like for text in _LITERAL.findall(soql) for _, like in _NAMED.findall(text)):
        raise ValueError("{name} brings its own quotes: write it without any")
    return list(dict.fromkeys(name for name, _ in _NAMED.findall(soql)))


def lists(soql: str) -> frozenset[str]:
    """Return the names of the values that stand behind IN, where Salesforce takes lists only."""
    return frozenset(_IN.findall(soql))


def limited(soql: str) -> str:
    """
    Return the query with a limit: its own, or one of 50 records.

    :raises ValueError: if it is no query that may be asked
    """
    outside = _without_inner(soql)
    if _SELECTED.match(outside) is None:
        raise ValueError("A query begins with SELECT and says FROM which object")
    if (behind := _BEHIND.search(outside)) is not None:
        raise ValueError(f"{' '.join(behind[0].upper().split())} may not be used here")
    limits = _LIMIT.findall(outside)
    if not limits:
        return f"{soql.rstrip()} LIMIT {MOST_RECORDS}"
    if len(limits) > 1 or not limits[0].isdecimal() or not 0 < int(limits[0]) <= LARGEST_LIMIT:
        raise ValueError(f"LIMIT takes a number from 1 to {LARGEST_LIMIT}")
    return soql.strip()


def selected(soql: str) -> frozenset[str]:
    """Return the names of the fields that the query selects, in lower case."""
    found = _SELECTED.match(_without_inner(soql))
    names = found["fields"].split(",") if found else []
    return frozenset(name.strip().lower() for name in names)


def object_of(soql: str) -> str:
    """Return the API name of the object that the query is about; empty if it cannot be made out."""
    found = _FROM.match(_without_inner(soql))
    return found[1] if found else ""


def _without_inner(soql: str) -> str:
    """Return the outermost query: without texts in quotes and what stands in parentheses."""
    outside = _LITERAL.sub("''", soql)
    while (shorter := _INNERMOST.sub(" ", outside)) != outside:
        outside = shorter
    return outside
