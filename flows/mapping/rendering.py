"""
This module writes mapping lines as expressions, for people who want to read one or go on by hand.

A line stays stored as chips. What it comes to is the same, but for two things: an amount is written as a
text (let the chip `expression` give a number), and chips of installed packages are shown as if they were
functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from flows.mapping import conditions, words
from flows.mapping.conditions import Comparison
from flows.mapping.expressions import VALUE
from flows.mapping.spec import MappingLine
from flows.mapping.template import pieces_of
from flows.mapping.transforms import ValueOf
from integrator.kernel.paths import parse

_HOLE = "\0"  # where the value goes in a change of it
_IT = "it"  # what it is called there


class _Value:
    """The value so far: an expression that may come to nothing, and what is still to be done to it."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._text = _first(sources) if sources else "optional.none()"
        self._optional = True
        self._inner = _HOLE

    def then(self, change: str) -> None:
        """Change the value where there is one; `_HOLE` stands for it in `change`."""
        self._inner = change.replace(_HOLE, self._inner)

    def settle(self) -> None:
        """Write down what was still to be done."""
        if self._inner == _HOLE:
            return
        if self._optional:
            self._text = f"{self._text}.optMap({_IT}, {self._inner.replace(_HOLE, _IT)})"
        else:
            self._text = self._inner.replace(_HOLE, self._text)
        self._inner = _HOLE

    def optional(self) -> str:
        """Return the value as one that may be missing."""
        self.settle()
        return self._text if self._optional else f"optional.of({self._text})"

    def plain(self, otherwise: str = "null") -> str:
        """Return the value with `otherwise` where there is none."""
        self.settle()
        return f"{self._text}.orValue({otherwise})" if self._optional else self._text

    def become(self, text: str, *, optional: bool) -> None:
        """Be another expression from now on."""
        self._text, self._optional = text, optional

    def result(self) -> str:
        """Return the whole expression."""
        self.settle()
        return self._text


def as_expression(line: MappingLine) -> str:
    """Return `line` as an expression in CEL, as `flows.mapping.expressions` reads it."""
    value = _Value(line.sources)
    for chip in line.chips:
        render = _RENDERERS.get(chip.chip)
        if render is not None:
            render(value, chip)
        else:
            value.then(f"{chip.chip}({_HOLE})")
    return value.result()


def literal(value: Any) -> str:
    """Return a text, number, truth or null as CEL writes it."""
    return json.dumps(value, ensure_ascii=False)


def _first(paths: Sequence[str]) -> str:
    """Return the first of `paths` that has a value, as one that may be missing."""
    first, *others = [_path(path) for path in paths]
    return first + "".join(f".or({other})" for other in others)


def _path(path: str) -> str:
    root, *segments = parse(path)
    if not segments:
        return f"optional.of({root})"
    return f"{root}" + "".join(_segment(segment) for segment in segments)


def _segment(segment: str | int) -> str:
    if isinstance(segment, int):
        return f"[?{segment}]"
    return f".?{segment}" if segment.isidentifier() and segment.isascii() else f"[?{literal(segment)}]"


def _money(value: _Value, chip: Any) -> None:
    currency = _needed(chip.currency)
    if not chip.same_currency_as:
        value.then(f"money.major({_HOLE}, {currency})")
        return
    ours, theirs = (
        f"text.upper({_first(paths)}.orValue(''))" for paths in (chip.currency, chip.same_currency_as)
    )
    same = f"{ours} == {theirs}"
    given = value.optional()
    value.become(f"({given}.hasValue() && {same} ? {given} : optional.none())", optional=True)
    value.then(f"money.major({_HOLE}, {currency})")


def _needed(paths: Sequence[str]) -> str:
    """Return the value of the first of `paths` that has one; it is a failure if none has."""
    if len(paths) == 1:
        return _path(paths[0]).replace(".?", ".").replace("[?", "[")
    return f"{_first(paths)}.value()"


def _unix_time(value: _Value, chip: Any) -> None:
    zone = "" if chip.zone == "UTC" else f", {literal(chip.zone)}"
    value.then(f"time.date({_HOLE}{zone})" if chip.result == "date" else f"time.iso({_HOLE})")


def _value_map(value: _Value, chip: Any) -> None:
    rows = ", ".join(f"{literal(key)}: {literal(one)}" for key, one in chip.map.items())
    table = f"{{{rows}}}"
    if isinstance(chip.otherwise, ValueOf):
        value.then(f"pick({table}, {_HOLE}, {literal(chip.otherwise.value)})")
    elif chip.otherwise == "keep":
        value.settle()
        value.then(f"pick({table}, {_HOLE}, {_HOLE})")
    else:
        value.then(f"pick({table}, {_HOLE})")


def _metadata(value: _Value, chip: Any) -> None:
    value.become(f"{value.optional()}.or({_first(chip.sources())})", optional=True)
    if value.result().startswith("optional.none().or("):
        value.become(_first(chip.sources()), optional=True)


def _text(value: _Value, chip: Any) -> None:
    if chip.trim:
        value.then(f"text.trim({_HOLE})")
    if chip.case:
        value.then(f"text.{chip.case}({_HOLE})")
    if chip.max_length is not None:
        value.then(f"text.{'cut' if chip.truncate else 'fit'}({_HOLE}, {chip.max_length})")


def _constant(value: _Value, chip: Any) -> None:
    value.settle()
    value.become(literal(chip.value), optional=False)


def _default(value: _Value, chip: Any) -> None:
    value.become(value.plain(literal(chip.value)), optional=False)


def _when(value: _Value, chip: Any) -> None:
    use = "optional.none()" if chip.use is None else f"optional.of(dyn({literal(chip.use)}))"
    value.become(f"({_condition(chip.condition)} ? {use} : {value.optional()})", optional=True)


def _condition(condition: conditions.AllOf | conditions.AnyOf | Comparison) -> str:
    if isinstance(condition, Comparison):
        return _comparison(condition)
    sign = " && " if isinstance(condition, conditions.AllOf) else " || "
    return sign.join(_comparison(one) for one in conditions.comparisons_of(condition))


def _comparison(one: Comparison) -> str:
    given = literal(one.value)
    left = _first(one.path)
    return _COMPARISONS[one.operator].format(left=left, given=given)


_COMPARISONS: Final[Mapping[str, str]] = {
    "equal": "{left}.orValue(null) == {given}",
    "not_equal": "{left}.orValue(null) != {given}",
    "in": "{left}.orValue(null) in {given}",
    "not_in": "!({left}.orValue(null) in {given})",
    "greater": "{left}.hasValue() && {left}.orValue(null) > {given}",
    "less": "{left}.hasValue() && {left}.orValue(null) < {given}",
    "present": "{left}.hasValue()",
    "empty": "!{left}.hasValue()",
    "starts_with": "{left}.orValue('').startsWith({given})",
    "contains": "{left}.orValue('').contains({given})",
}


def _join(value: _Value, chip: Any) -> None:
    parts = [value.optional(), *(_path(path) for path in chip.parts)]
    listed = ", ".join(f"?{part}" for part in parts if part != "optional.none()")
    value.become(f"text.join([{listed}], {literal(chip.separator)})", optional=False)


def _template(value: _Value, chip: Any) -> None:
    texts, paths = pieces_of(chip.text)
    parts = [literal(texts[0])] if texts[0] else []
    for path, after in zip(paths, texts[1:], strict=True):
        parts.append(f"string({_path(path)}.orValue(''))")
        parts += [literal(after)] if after else []
    value.settle()
    value.become(" + ".join(parts) or "''", optional=False)


def _expression(value: _Value, chip: Any) -> None:
    given = value.plain()
    text, place = "", 0
    for word in words.split(chip.text):
        if word.kind == "name" and word.text == VALUE:
            text += chip.text[place : word.start] + f"({given})"
            place = word.end
    value.become(f"({text}{chip.text[place:]})" if text else chip.text, optional=False)


def _function(name: str, *settings: str) -> Callable[[_Value, Any], None]:
    def render(value: _Value, chip: Any) -> None:
        given = "".join(f", {literal(getattr(chip, setting))}" for setting in settings)
        value.then(f"{name}({_HOLE}{given})")

    return render


def _split_name(value: _Value, chip: Any) -> None:
    value.then(f"text.{chip.part}_name({_HOLE})")


_RENDERERS: Final[Mapping[str, Callable[[_Value, Any], None]]] = {
    "money": _money,
    "unix_time": _unix_time,
    "value_map": _value_map,
    "metadata": _metadata,
    "text": _text,
    "constant": _constant,
    "default": _default,
    "when": _when,
    "boolean": _function("flag"),
    "join": _join,
    "template": _template,
    "split_name": _split_name,
    "address": _function("text.address", "part"),
    "digits": _function("text.digits"),
    "expression": _expression,
}
