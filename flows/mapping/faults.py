"""This module puts what CEL says about an expression into plain words."""

from __future__ import annotations

import re
from collections.abc import Callable

from flows.mapping.budgets import NoSuchValue

# Codes that functions of ours may fail with.
_CODES = frozenset(
    {
        "expression_failed", "not_a_boolean", "not_a_number", "not_a_value", "out_of_range_date",
        "too_costly", "too_long", "unknown_currency", "unseen_value",
    }
)  # fmt: skip
_OURS = re.compile(r"^[A-Z_]+: ([a-z_]+)\|(.*)$", re.DOTALL)
_MISSING = re.compile(r'NOT_FOUND: Key not found in map : "(.*?)"', re.DOTALL)
_TOLD = re.compile(r"^[A-Z_]+: ")
_CONTAINER = " (in container '')"
_OPERATOR = re.compile(r"^_(.+?)_?$")
_TYPES = {
    "int": "a whole number", "int64": "a whole number", "uint": "a whole number", "double": "a number",
    "string": "a text", "bool": "true or false", "null_type": "nothing", "null": "nothing",
    "list": "a list", "map": "an object", "dyn": "a value", "timestamp": "a time",
}  # fmt: skip

# What CEL's compiler says, and how it is told; the first that fits is used.
_COMPILING: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"found no matching overload for '(.+?)' applied to '\((.*)\)'"),
        lambda found: f"{_operation(found[1])} does not work with {_types(found[2])}",
    ),
    (re.compile(r"undeclared reference to '(.+?)'"), lambda found: f"{found[1]} is not known here"),
    (re.compile(r"mismatched input '<EOF>'"), lambda _: "Something is missing at the end"),
    (re.compile(r"extraneous input '(.+?)'"), lambda found: f"{found[1]} is not expected here"),
    (re.compile(r"mismatched input '(.+?)'"), lambda found: f"{found[1]} is not expected here"),
    (re.compile(r"no viable alternative at input '(.*)'"), lambda _: "This cannot be read as an expression"),
    (re.compile(r"Syntax error"), lambda _: "This cannot be read as an expression"),
    (re.compile(r"recursion"), lambda _: "The expression is nested too deeply, or adds up too much at once"),
    (re.compile(r"node count"), lambda _: "The expression is too large"),
)


def in_plain_words(told: str) -> str:
    """Return what CEL said about the text of an expression as a sentence."""
    for pattern, words in _COMPILING:
        if (found := pattern.search(told)) is not None:
            return words(found)
    return _TOLD.sub("", told.replace(_CONTAINER, "").partition("\n")[0])[:200]


def of_evaluation(told: str, name: Callable[[str], str]) -> NoSuchValue:
    """Return the failure that CEL `told` of; `name` says what people call a variable."""
    if (ours := _OURS.match(told)) is not None and ours[1] in _CODES:
        return NoSuchValue(ours[1], ours[2])
    if (missing := _MISSING.match(told)) is not None:
        path = name(missing[1])
        return NoSuchValue("no_value", f"{path[:80]} has no value. Where that is all right, write it with ?.")
    if "Index error" in told:
        return NoSuchValue("no_value", "A list has fewer elements than the expression asks for")
    if "SELECT to non-message" in told:
        return NoSuchValue("no_value", "A path leads into something that is no object")
    if (found := re.search(r"No matching overloads found : (.+?)\((.*)\)", told)) is not None:
        message = f"{_operation(found[1].strip())} does not work with {_types(found[2])}"
        return NoSuchValue("wrong_type", message)
    if "budget exceeded" in told:
        return NoSuchValue("too_costly", "The expression goes through too many elements")
    if "convert function return value" in told:
        return NoSuchValue("not_a_value", "The result may be missing. Say what it is then: .orValue('')")
    return NoSuchValue("expression_failed", _sentence(_TOLD.sub("", told)))


def _operation(name: str) -> str:
    if name == "_?_:_":
        return "A choice with ? and :"
    if name in ("_[_]", "_[?_]"):
        return "A place in brackets"
    found = _OPERATOR.match(name)
    return found[1].replace("_", "") if found else f"{name}()"


def _types(told: str) -> str:
    names = [name.strip().partition("(")[0].lower() for name in told.split(",")]
    words = [_TYPES.get(name, name) for name in names if name]
    return " and ".join(words) if len(words) < 4 else ", ".join(words)


def _sentence(text: str) -> str:
    short = " ".join(text.split())[:200]
    return short[:1].upper() + short[1:]
