"""This module finds what is allowed in an expression and yet wrong, money above all."""

from __future__ import annotations

from collections.abc import Sequence

from flows.mapping import functions, words
from flows.mapping.expressions import VALUE
from flows.mapping.issues import Issue
from flows.mapping.sources import Sources
from flows.mapping.words import Named, Word

_MONEY_NAMES = ("amount", "fee", "net", "total", "subtotal", "balance", "unit_amount")
_FIX = "Write money.major(amount, currency), which knows the decimals of every currency."


def lint(text: str, sources: Sources) -> list[Issue]:
    """
    Return what is doubtful in an expression that can be read; the field of each is empty.

    :raises flows.mapping.words.Unreadable: if it cannot be read
    """
    parts = words.split(text)
    named = [one for one in words.paths(parts, functions=functions.is_function) if one.root != VALUE]
    return [*_of_paths(named, sources), *_of_money(parts, named, sources)]


def _of_paths(named: Sequence[Named], sources: Sources) -> list[Issue]:
    issues: list[Issue] = []
    asked = {one.text for one in named if one.form in ("asked", "optional", "metadata")}
    for one in {one.text: one for one in named}.values():
        known = sources.get(one.text)
        issues += sources.check(one.text, "", alone=one.text not in asked)
        if one.text in sources.fields and known.nullable and one.text not in asked and one.form == "plain":
            message = f"{one.text} may have no value, and the run would fail"
            fix = f"Say what holds then: {_optional(one.text)}.orValue('')"
            issues.append(Issue("warning", "may_be_missing", "", message, fix))
    return issues


def _optional(path: str) -> str:
    head, dot, last = path.rpartition(".")
    return f"{head}.?{last}" if dot else path


def _of_money(parts: Sequence[Word], named: Sequence[Named], sources: Sources) -> list[Issue]:
    for place, part in enumerate(parts[:-1]):
        if part.text != "/":
            continue
        money = [one for one in named if _is_money(one, sources) and _is_beside(parts, place, one)]
        if not money:
            continue
        if _is_fraction(parts[place + 1].text) or _is_called(parts, "double", money[0]):
            message = f"{money[0].text} is divided in floating point, which is not exact"
            return [Issue("warning", "inexact_money", "", message, _FIX)]
        message = f"{money[0].text} is divided as whole numbers: 1999 / 100 is 19, and the cents are lost"
        return [Issue("error", "integer_division", "", message, _FIX)]
    return []


def _is_money(one: Named, sources: Sources) -> bool:
    known = sources.fields.get(one.text)
    if known is not None and known.type != "unknown":
        return known.type == "amount"
    last = one.text.rpartition(".")[2]
    return last in _MONEY_NAMES or last.startswith("amount_")


def _is_beside(parts: Sequence[Word], place: int, one: Named) -> bool:
    """Tell whether a path stands right before the sign at `place`, or in the brackets before it."""
    before = parts[place - 1]
    if before.text != ")":
        return one.end == before.end
    depth, start = 0, before.start
    for part in reversed(parts[:place]):
        depth += {")": 1, "(": -1}.get(part.text, 0)
        if depth == 0:
            start = part.start
            break
    return start <= one.start and one.end <= before.end


def _is_called(parts: Sequence[Word], name: str, one: Named) -> bool:
    """Tell whether the path is the argument of the function `name`."""
    around = [part.text for part in parts if part.end <= one.start][-2:]
    return around == [name, "("]


def _is_fraction(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() and "." in text
