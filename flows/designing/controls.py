"""This module draws the settings of a step as the controls of a form, from their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.designing import shapes
from flows.designing.leaves import written
from flows.designing.shapes import Schema, Shapes, form_of
from flows.mapping.widgets import FORM

_LABELS = {"chip": "Change"}
_SUMMED_UP = 2  # values that the closed element of a list shows
_COUNTED = re.compile(r"(.*?)( \d+)?", re.DOTALL)
_UNSAID = ("", "[key]")  # a row that has no name yet, and its name: what stands before them says enough
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(slots=True)
class Control:
    """One control of the form, or a group of them."""

    name: str
    label: str
    kind: str  # that of `Shapes.kind`, or element: of a list or a table
    help: str = ""
    value: str = ""
    placeholder: str = ""
    required: bool = False
    options: Sequence[tuple[str, str]] = ()
    parts: list[Control] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    place: tuple[str, ...] = ()  # as problems name it: `by.0.field` is "by 1", "field"
    offers: str = ""
    of: str = ""  # the control that decides what is offered
    is_rare: bool = False
    add: str = ""
    is_set: bool = True  # of an option
    is_answer: bool = False  # another control says already whether it is needed
    is_first: bool = False  # somebody who begins begins there
    was: str | None = None  # of an element of a table: its name, whatever is typed now
    nested: bool = False  # of an element: it stands within another, and is shown in short

    @property
    def is_optional(self) -> bool:
        """Tell whether it says so: what has a default, or can be left empty by itself, need not."""
        if self.required or self.placeholder or self.is_answer:
            return False
        return self.kind in ("line", "text", "number", "rows", "scalar")

    @property
    def summary(self) -> str:
        """Return what a closed element shows of its values."""
        values = [dict(one.options).get(one.value, one.value) for one in leaves(self.parts) if one.value]
        return " · ".join(values[:_SUMMED_UP])[:120]

    @property
    def common(self) -> list[Control]:
        """Return the parts that are shown at once."""
        return [one for one in self.parts if not one.is_rare]

    @property
    def rare(self) -> list[Control]:
        """Return the parts that are needed rarely, and stand in a fold."""
        return [one for one in self.parts if one.is_rare]

    @property
    def rare_is_wrong(self) -> bool:
        """Tell whether there is a problem in the fold, which is open then."""
        return any(one.is_wrong for one in self.rare)

    @property
    def is_wrong(self) -> bool:
        """Tell whether there is a problem with it, or within it."""
        return bool(self.problems) or any(one.is_wrong for one in self.parts)

    @property
    def is_alone(self) -> bool:
        """Tell whether a row is the only one, which can only be emptied."""
        return len(self.parts) < 2


@dataclass(frozen=True, slots=True)
class Scope:
    """An object that is being drawn, within others."""

    prefix: str
    place: tuple[str, ...]
    names: frozenset[str]
    around: Scope | None = None

    def find(self, wanted: str) -> str:
        """Return the control of the nearest setting called `wanted`, with a slash one of the whole step."""
        names = wanted.removeprefix("/").split("|")
        scope: Scope | None = self
        while scope is not None:
            if scope.around is None or not wanted.startswith("/"):
                for name in names:
                    if name in scope.names:
                        return f"{scope.prefix}{name}"
            scope = scope.around
        return ""


def leaves(controls: Sequence[Control]) -> Iterator[Control]:
    """Yield the controls that hold a value, from top to bottom."""
    for control in controls:
        if control.kind in shapes.LEAVES or control.kind == "json":
            yield control
        yield from leaves(control.parts)


def every(controls: Sequence[Control]) -> Iterator[Control]:
    """Yield all controls, groups before what is in them."""
    for control in controls:
        yield control
        yield from every(control.parts)


def counted(word: str, at: int) -> str:
    """Return the element `at` of a list called `word` as problems name it."""
    return f"{word.removesuffix('s')} {at + 1}"


def named(schema: Schema, place: str) -> str:
    """Return the place of a problem, such as "by 1, field", with what the form calls the setting."""
    told = ", ".join(word for word in place.split(", ") if word not in _UNSAID)
    first, comma, rest = told.replace("_", " ").partition(", ")
    word, number = _COUNTED.fullmatch(told.partition(", ")[0]).groups("")  # type: ignore[union-attr]  # always
    parts = schema.get("properties", {})
    part = parts.get(word) or parts.get(f"{word}s") or {}
    label = form_of(part).get("label")
    return f"{label}{number}{comma}{rest}" if label else f"{first}{comma}{rest}"


def answers(schema: Schema, value: Mapping[str, Any]) -> dict[str, tuple[dict[str, list[str]], str]]:
    """
    Return by each question, which settings its answers stand for, and which answer is chosen.

    Chosen is what has a value, or else what is there; without both, what stands first.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for name, told in schema.get("properties", {}).items():
        if pair := form_of(told).get("either"):
            found.setdefault(pair[0], {}).setdefault(pair[1], []).append(name)
    return {question: (groups, _chosen(groups, value)) for question, groups in found.items()}


def _chosen(groups: Mapping[str, Sequence[str]], value: Mapping[str, Any]) -> str:
    known = [(answer, name) for answer, names in groups.items() for name in names if name in value]
    filled = [answer for answer, name in known if value[name]]
    return next(iter([*filled, *(answer for answer, _ in known), *groups]))


class Drawing:
    """Draws the settings that one schema describes."""

    def __init__(self, root: Schema) -> None:
        self._shapes = Shapes(root)
        self._fillers: Mapping[str, Callable[[Control, Schema, Any, Scope], None]] = {
            "choice": self._choice,
            "check": self._check,
            "ticks": self._ticks,
            "rows": self._rows,
            "list": self._list,
            "table": self._table,
            "option": self._option,
            "group": self._group,
            "union": self._group,
        }

    def parts(
        self,
        schema: Schema,
        value: Any,
        prefix: str = "",
        place: tuple[str, ...] = (),
        around: Scope | None = None,
    ) -> list[Control]:
        """Return the controls of an object, each named by `prefix` and its setting."""
        value = value if isinstance(value, Mapping) else {}
        defaults = {name: part.get("default") for name, part in schema.get("properties", {}).items()}
        beside = {**defaults, **value}
        scope = Scope(prefix, place, frozenset(schema.get("properties", ())), around)
        questions, asked, found = answers(schema, value), set(), []
        for name, told in schema.get("properties", {}).items():
            question, answer = form_of(told).get("either") or ("", "")
            if question and question not in asked:
                asked.add(question)
                found.append(_question(prefix, question, *questions[question]))
            if question and questions[question][1] != answer:
                continue
            if value.get(name) is None and shapes.is_left_out(told, beside):
                continue
            many = shapes.in_number(told, value)
            control = self._part(many, shapes.as_many(many, value.get(name)), name, scope)
            control.required = name in schema.get("required", ())
            control.is_answer = bool(question or form_of(told).get("unless"))
            found.append(control)
        return found

    def _part(self, told: Schema, value: Any, name: str, scope: Scope) -> Control:
        told = self._shapes.core(told)
        value = shapes.normal(told, value)
        form = form_of(told)
        control = Control(
            name=f"{scope.prefix}{name}",
            label=str(form.get("label") or _LABELS.get(name) or name.replace("_", " ").capitalize()),
            kind=self._shapes.kind(told, value),
            help=str(told.get("description", "")),
            place=(*scope.place, name),
            offers=str(form.get("offers") or ""),
            of=scope.find(str(form["of"])) if form.get("of") else "",
            is_rare=bool(form.get("more")),
            add=str(form.get("add", "")),
        )
        self._fillers.get(control.kind, _leaf)(control, told, value, scope)
        return control

    # Leaves

    def _choice(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        default, may_be_none = told.get("default"), bool(told.get("anyOf"))
        control.options = shapes.options(told)
        if may_be_none or (value is None and default is None):
            control.options = [("", "Not set" if may_be_none else "Choose…"), *control.options]
        control.value = str(value if value is not None else default or "")

    def _check(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        control.value = "true" if (told.get("default") if value is None else value) else ""

    def _ticks(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        ticked = told.get("default") if value is None else value
        for word, label in shapes.options(self._shapes.core(told["items"])):
            box = Control(f"{control.name}.{word}", label, "check", place=(*control.place, word))
            box.value = "true" if word in (ticked or ()) else ""
            control.parts.append(box)

    def _rows(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        values = told.get("default") if value is None else value
        items = self._shapes.core(told["items"])
        kind = self._shapes.kind(items, None)
        for at, one in enumerate([values] if isinstance(values, str) else values or [""]):
            row = Control(
                f"{control.name}.{at}",
                f"{control.label}, {at + 1}",
                kind,
                offers=control.offers,
                of=control.of,
            )
            row.place = (*scope.place, counted(control.place[-1], at))
            row.value, row.options = written(kind, one), shapes.options(items)
            control.parts.append(row)

    # Objects

    def _list(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        for at, one in enumerate(value or []):
            place = (*scope.place, counted(control.place[-1], at))
            name = f"{control.name}.{at}"
            row = Control(name, f"{_singular(control)} {at + 1}", "element", place=place)
            self._object(told["items"], one, row, scope)
            row.nested = any(part.kind in ("list", "table") for part in row.parts)
            control.parts.append(row)

    def _table(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        values = shapes.table_values(told) or {}
        if "$ref" not in values:  # a model says for each of its parts what is offered
            values = {**values, FORM: {key: form_of(told).get(key) for key in ("offers", "of")}}
        label, offers, of = form_of(told).get("names") or ("Name", "", "")
        for at, (key, one) in enumerate(shapes.entries(value or {})):
            name, place = f"{control.name}.{at}", (*control.place, str(key))
            inside = Scope(f"{name}.", place, frozenset({"@value"}), scope)
            named = Control(
                f"{name}.@key", label, "line", value=str(key), required=True, place=(*place, "[key]")
            )
            named.offers, named.of = offers, scope.find(of) if of else ""
            shown = self._part(values, one, "@value", inside)
            shown.label, shown.place = "Value", place
            parts = shown.parts if shown.kind == "group" else [shown]
            row = Control(
                name, f"{_singular(control)} {at + 1}", "element", parts=[named, *parts], place=place
            )
            row.was = str(key)
            control.parts.append(row)

    def _option(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        control.is_set = value is not None
        if control.is_set:
            self._group(control, self._shapes.inner(told), value, scope)

    def _group(self, control: Control, told: Schema, value: Any, scope: Scope) -> None:
        self._object(told, value, control, scope)

    def _object(self, told: Schema, value: Any, into: Control, around: Scope) -> None:
        """Give `into` the controls of an object, or of the variant of a union that `value` is of."""
        told = self._shapes.core(told)
        value = shapes.normal(told, value)
        found, at = self._shapes.variants(told), self._shapes.chosen(told, value)
        into.parts = self.parts(found[at], value, f"{into.name}.", into.place, around)
        if len(found) == 1:
            return
        by = self._shapes.named(told)
        if not by:
            into.parts.insert(0, _chooser(form_of(told), found, at, value, into.name))
        for control in into.parts:
            if by and control.name == f"{into.name}.{by}":
                control.kind = "choice"
                control.options = [option for one in found for option in _called(one, by)]
                word = value.get(by) if isinstance(value, Mapping) else None
                control.value = str(word or control.options[0][0])


def _singular(control: Control) -> str:
    """Return what one element of a list is called: what its button says that it adds."""
    found = re.fullmatch(r"Add an? (.+)", control.add)
    return found[1].capitalize() if found else f"{control.label},"


def _leaf(control: Control, told: Schema, value: Any, scope: Scope) -> None:
    default = told.get("default")
    control.value = written(control.kind, value)
    control.placeholder = "" if default in _EMPTY else written(control.kind, default)


def question_name(prefix: str, question: str) -> str:
    """Return the name of the control that asks which of several settings is used."""
    return f"{prefix}@either.{re.sub(r'[^a-z0-9]+', '-', question.lower())}"


def _question(prefix: str, question: str, groups: Mapping[str, Sequence[str]], chosen: str) -> Control:
    control = Control(question_name(prefix, question), question, "choice", value=chosen, required=True)
    control.options = [(answer, answer) for answer in groups]
    return control


def _chooser(form: Schema, found: Sequence[Schema], at: int, value: Any, name: str) -> Control:
    """Return the control that says which variant of a union it is, where no setting of its own does."""
    control = Control(f"{name}.@is", str(form.get("ask") or "Kind"), "choice", required=True)
    control.options = [option for one in found for option in variant_words(one)]
    words = dict(variant_words(found[at]))
    control.value = value if isinstance(value, str) and value in words else next(iter(words))
    return control


def variant_words(variant: Schema) -> list[tuple[str, str]]:
    """Return under which words a variant of a union is chosen, with what each is called."""
    if words := shapes.options(variant):
        return words
    title = str(variant.get("title", ""))
    return [(f"@{title}", str(form_of(variant).get("label") or title))]


def _called(variant: Schema, by: str) -> list[tuple[str, str]]:
    words = shapes.options(variant["properties"][by])
    label = form_of(variant).get("label")
    return [(words[0][0], str(label))] if label and len(words) == 1 else words
