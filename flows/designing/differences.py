"""This module says in words what one flow document does otherwise than another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flows.designing import tree
from flows.engine.kind import Kind
from flows.mapping.conditions import OPERATORS

_LONGEST = 80
_PARTS = {"when": "only if", "fields": "only if one of these changed"}  # of a trigger, as its form calls them
_LINES = {"added": "is filled", "removed": "is filled no more", "changed": "is filled otherwise"}
# What a line says without meaning anything by it.
_USUAL: tuple[tuple[str, Any], ...] = (("from", []), ("chips", []), ("empty", "skip"))


class Difference(NamedTuple):
    """One difference: what it is about, and what is new about it."""

    kind: str  # added, removed, changed, moved
    about: str
    text: str = ""


class LineDifference(NamedTuple):
    """One mapping line that differs: what it was, and what it is now; None where there is none."""

    step: str
    field: str
    kind: str  # added, removed, changed
    was: Mapping[str, Any] | None
    now: Mapping[str, Any] | None


def between(old: Mapping[str, Any], new: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[Difference]:
    """Return what `new` does otherwise than `old`, the flow itself first, then step by step."""
    before = {found.step["id"]: found for found in tree.walk(old["steps"])}
    after = {found.step["id"]: found for found in tree.walk(new["steps"])}
    found = [*_of_flow(old, new)]
    for step_id, now in after.items():
        name = _name(now.step, kinds)
        if step_id not in before:
            found.append(Difference("added", name))
            continue
        then = before[step_id]
        if _place(then, after) != _place(now, before):
            found.append(Difference("moved", name))
        found += [Difference("changed", name, text) for text in _of_step(then.step, now.step)]
    gone = (one for step_id, one in before.items() if step_id not in after)
    return found + [Difference("removed", _name(one.step, kinds)) for one in gone]


def lines_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[LineDifference]:
    """Return every mapping line that is otherwise in `new` than in `old`, by step and field."""
    before, after = _lines_of(old), _lines_of(new)
    return [
        LineDifference(step, field, kind, then.get(field), now.get(field))
        for step in dict.fromkeys([*after, *before])
        for then, now in [(_as_written(before.get(step)), _as_written(after.get(step)))]
        for field, kind in of_lines(before.get(step), after.get(step)).items()
    ]


def _lines_of(document: Mapping[str, Any]) -> dict[str, Any]:
    steps = (found.step for found in tree.walk(document["steps"]))
    return {step["id"]: (step.get("settings") or {}).get("lines") for step in steps if step["kind"] == "map"}


def _as_written(lines: Any) -> dict[str, Any]:
    found = lines if isinstance(lines, list) else []
    return {str(line.get("field", "")): line for line in found if isinstance(line, dict)}


def of_lines(old: Any, new: Any) -> dict[str, str]:
    """Return by field what the `new` mapping lines do otherwise than the `old`: added, removed or changed."""
    was, now = _by_field(old), _by_field(new)
    found = {}
    for name in dict.fromkeys([*now, *was]):
        if name not in was:
            found[name] = "added"
        elif name not in now:
            found[name] = "removed"
        elif was[name] != now[name]:
            found[name] = "changed"
    return found


def _of_flow(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for part, about in (("name", "The name"), ("description", "The description")):
        if (old.get(part) or "") != (new.get(part) or ""):
            yield Difference("changed", about, _change(old.get(part), new.get(part)))
    for part in sorted({*old["trigger"], *new["trigger"]}):
        was, now = old["trigger"].get(part), new["trigger"].get(part)
        if was != now:
            told = _change(*map(_condition, (was, now))) if part == "when" else _change(was, now)
            yield Difference("changed", "What starts the flow", f"{_PARTS.get(part, _words(part))}: {told}")


def _condition(value: Any) -> Any:
    """Return what must hold of a record as people say it."""
    told = value if isinstance(value, Mapping) else {}
    for name, joint in (("all", " and "), ("any", " or ")):
        if told.get(name):
            return joint.join(_comparison(one) for one in told[name] if isinstance(one, Mapping))
    return ""


def _comparison(one: Mapping[str, Any]) -> str:
    operator, wanted = str(one.get("is", "")), one.get("value")
    path = one.get("path")
    read = path if isinstance(path, str) else " or ".join(map(str, path or ()))
    said = [read, OPERATORS.get(operator, operator), *([] if wanted is None else [_short(wanted)])]
    return " ".join(filter(None, said))


def _of_step(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if (old.get("title") or "") != (new.get("title") or ""):
        yield f"its title: {_change(old.get('title'), new.get('title'))}"
    was, now = old.get("settings") or {}, new.get("settings") or {}
    for part in sorted({*was, *now}):
        if part == "lines":
            for name, kind in of_lines(was.get(part), now.get(part)).items():
                yield f"{name} {_LINES[kind]}"
        elif was.get(part) != now.get(part):
            yield f"{_words(part)}: {_change(was.get(part), now.get(part))}"


def _by_field(lines: Any) -> dict[str, Any]:
    """Return what each field is filled with; what a line says only because it was looked at is left out."""
    return {
        field: {
            name: [value] if name == "from" and isinstance(value, str) else value
            for name, value in line.items()
            if (name, value) not in _USUAL
        }
        for field, line in _as_written(lines).items()
    }


def _place(found: tree.Found, known: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return where a step stands, by the steps before it that both documents have."""
    before = [step["id"] for step in found.siblings[: found.index] if step["id"] in known]
    return found.parent, found.exit, before[-1] if before else ""


def _change(old: Any, new: Any) -> str:
    if old in (None, "", [], {}):
        return _short(new)
    if new in (None, "", [], {}):
        return f"no longer {_short(old)}"
    return f"{_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _name(step: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str:
    kind = kinds.get(str(step.get("kind")))
    return str(step.get("title") or (kind.label if kind else step.get("kind")))


def _words(name: str) -> str:
    return name.replace("_", " ")
