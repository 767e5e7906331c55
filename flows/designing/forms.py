"""This module reads the settings of a step back from the form that they were drawn as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.designing import shapes
from flows.designing.arranging import MOST_ROWS, Rows
from flows.designing.controls import Control, Drawing, answers, question_name, variant_words
from flows.designing.leaves import LEAVES, same, written
from flows.designing.shapes import Schema, Shapes

Settings = dict[str, Any]

HIDDEN = frozenset({"slot"})  # each kind accepts one slot alone, which is its default


class Unreadable(ValueError):
    """Something in the form cannot be read. `errors` says what, by the name of the control."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def controls(schema: Schema, settings: Settings, *, without: Sequence[str] = ()) -> list[Control]:
    """Return the controls of settings that `schema` describes, filled with `settings`."""
    return [
        control
        for control in Drawing(schema).parts(schema, settings)
        if control.name not in HIDDEN and control.name not in without
    ]


def read(
    schema: Schema, settings: Settings, given: Mapping[str, str], *, without: Sequence[str] = ()
) -> Settings:
    """
    Return `settings` with what was `given` for their controls, by name; what has no control stays.

    :raises Unreadable: if a number or a piece of JSON is none, or two rows have one name
    """
    reader = _Reader(schema, given)
    found = reader.object(schema, settings, "", kept=[*HIDDEN, *without])
    if reader.errors:
        raise Unreadable(reader.errors)
    return found


class _Reader:
    """Reads what was given for the controls of one form."""

    def __init__(self, root: Schema, given: Mapping[str, str]) -> None:
        self._shapes = Shapes(root)
        self._given = given
        self.errors: dict[str, str] = {}

    def object(self, schema: Schema, value: Any, prefix: str, *, kept: Sequence[str] = ()) -> Settings:
        """Return an object; the parts that are `kept`, and those that the schema does not know, stay."""
        before = self._answered(schema, dict(value) if isinstance(value, Mapping) else {}, prefix)
        told = {name: part for name, part in schema.get("properties", {}).items() if name not in kept}
        found = {name: part for name, part in before.items() if name not in told}
        for name, part in told.items():
            many = shapes.in_number(part, found)
            known = shapes.as_many(many, before.get(name))
            now = self._part(many, known, f"{prefix}{name}")
            if name not in before and (now is None or same(now, part.get("default"))):
                continue
            if now is None and known is not None:
                continue
            if not (shapes.is_left_out(part, found) and not shapes.is_left_out(part, before)):
                found[name] = now
        return found

    def _answered(self, schema: Schema, before: Settings, prefix: str) -> Settings:
        """Return `before` with what is used instead, where another answer was given to a question."""
        for question, (groups, chosen) in answers(schema, before).items():
            now = self._given.get(question_name(prefix, question), chosen)
            if now == chosen or now not in groups:
                continue
            parts, old, new = schema["properties"], groups[chosen][0], groups[now][0]
            alike = "items" in parts[old] and parts[old]["items"] == parts[new].get("items")
            first = before.get(old) if alike else None
            gone = {name for answer, names in groups.items() if answer != now for name in names}
            before = {new: first or shapes.empty(parts[new]), **before}
            before = {name: part for name, part in before.items() if name not in gone}
        return before

    def _part(self, told: Schema, value: Any, name: str) -> Any:
        core = self._shapes.core(told)
        plain = shapes.normal(core, value)
        kind = self._shapes.kind(core, plain)
        if kind in _READ:
            found = _READ[kind](self, core, plain, name)
            return value if same(found, plain) else found
        if kind == "check":
            return bool(self._given.get(name)) if f"{name}?" in self._given else value
        return self._leaf(kind, value, name)

    def _leaf(self, kind: str, value: Any, name: str, *, empty: Any = None) -> Any:
        if name not in self._given:
            return value
        text = self._given[name].replace("\r\n", "\n")
        if text == written(kind, value):
            return value
        try:
            return LEAVES[kind](text) if text.strip() else empty
        except ValueError as error:
            self.errors[name] = str(error)
            return value

    def _ticks(self, told: Schema, value: Any, name: str) -> Any:
        """Return the words whose boxes are ticked, in their own order; those that have no box stay."""
        known = list(told.get("default") or ()) if value is None else list(value)
        words = [word for word, _ in shapes.options(self._shapes.core(told["items"]))]
        ticked = [word for word in words if self._is_ticked(f"{name}.{word}", word in known)]
        found = [*ticked, *(word for word in known if word not in words)]
        return value if same(found, known) else found

    def _is_ticked(self, name: str, before: bool) -> bool:
        return bool(self._given.get(name)) if f"{name}?" in self._given else before

    def _rows(self, told: Schema, value: Any, name: str) -> Any:
        kind = self._shapes.kind(told["items"], None)
        if name in self._given:
            return self._leaf("scalars" if kind == "scalar" else "lines", None, name)
        known = told.get("default") if value is None else value
        before = [known] if isinstance(known, str) else list(known or [])
        found = [self._leaf(kind, one, f"{name}.{at}", empty="") for at, one in enumerate(before)]
        while (more := f"{name}.{len(found)}") in self._given and len(found) < MOST_ROWS:
            text = self._leaf(kind, None, more, empty="")
            if text in (None, ""):
                break
            found.append(text)
        if same(found, before):
            return value
        return found if any(one != "" for one in found) or told.get("default") or len(found) > 1 else None

    def _list(self, told: Schema, value: Any, name: str) -> Any:
        return value and [self._object(told["items"], one, f"{name}.{at}") for at, one in enumerate(value)]

    def _table(self, told: Schema, value: Any, name: str) -> Any:
        if not value:
            return value
        values, rows, found = shapes.table_values(told) or {}, Rows(value, self._given, name), {}
        for key, one in value.items():
            at = rows.place(key)
            now = key if at is None else self._given.get(f"{name}.{at}.@key", key).strip()
            if now in found or (now != key and now in value):
                self.errors[f"{name}.{at}.@key"] = f"There is another one called {now}."
                now = key
            found[now] = one if at is None else self._entry(values, one, f"{name}.{at}.@value")
        return found

    def _entry(self, told: Schema, value: Any, name: str) -> Any:
        found = self._part(told, value, name)
        return self._shapes.new(told) if found is None else found

    def _option(self, told: Schema, value: Any, name: str) -> Any:
        return None if value is None else self._object(self._shapes.inner(told), value, name)

    def _object(self, told: Schema, value: Any, name: str) -> Any:
        """Return an object, or what becomes of one if it was said to be of another variant."""
        told = self._shapes.core(told)
        value, place = self._variant(told, shapes.normal(told, value), name)
        if value is not None and not isinstance(value, Mapping):
            return value
        made = self.object(self._shapes.variants(told)[place], value, f"{name}.")
        return None if value is None and not made else made

    def _variant(self, told: Schema, value: Any, name: str) -> tuple[Any, int]:
        """Return `value` as the variant of a union that was asked for, and which that is."""
        found, place = self._shapes.variants(told), self._shapes.chosen(told, value)
        if by := self._shapes.named(told):
            word = self._given.get(f"{name}.{by}")
            before = value if isinstance(value, Mapping) else {}
            if word is not None and word != before.get(by):
                place = self._shapes.chosen(told, {by: word})
                known = found[place]["properties"]
                value = {part: one for part, one in {**before, by: word}.items() if part in known}
        elif (word := self._given.get(f"{name}.@is")) is not None:
            words = [[option for option, _ in variant_words(one)] for one in found]
            new = next((at for at, some in enumerate(words) if word in some), place)
            if word in words[new] and not word.startswith("@"):
                return word, new
            if new != place:
                value, place = self._shapes.carried(told, value, new), new
        return value, place


_READ = {
    "ticks": _Reader._ticks,
    "rows": _Reader._rows,
    "list": _Reader._list,
    "table": _Reader._table,
    "option": _Reader._option,
    "group": _Reader._object,
    "union": _Reader._object,
}
