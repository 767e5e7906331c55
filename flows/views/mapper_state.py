"""This module tells the mapper page how the lines of a step stand, and what they come to on an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flows.mapping import transforms
from flows.mapping.check import validate
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.forms import chip_forms
from flows.mapping.holding import Operation
from flows.mapping.record_types import RecordType
from flows.mapping.rendering import as_expression
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import MappingLine, written_field
from flows.mapping.trying import Tried, complaint, try_chips, try_line
from flows.views import mapper_rows
from integrator.kernel.redact import redact_text

EMPTY = {"skip": "left as it is", "clear": "emptied", "fail": "refused"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as the page has it; `line` is None where the draft's is unfinished."""

    raw: Mapping[str, Any]
    line: MappingLine | None
    problem: str = ""

    @property
    def field(self) -> str:
        """Return the field that the line fills."""
        return str(self.raw.get("field", ""))


def lines_of(settings: Mapping[str, Any]) -> list[Line]:
    """Return the lines of a map step, each checked on its own."""
    return [checked(raw) for raw in _list(settings.get("lines")) if isinstance(raw, Mapping)]


def checked(raw: Mapping[str, Any]) -> Line:
    """Return a line with what is wrong with its form, if anything is."""
    try:
        return Line(raw, MappingLine.model_validate(raw))
    except ValidationError as error:
        return Line(raw, None, in_words(error))


def in_words(error: ValidationError) -> str:
    """Return the first thing that is wrong with a line."""
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = _where([part for part in detail["loc"] if isinstance(part, str)])
    message = _MESSAGES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return redact_text(f"{where}: {message}" if where else message)


# What pydantic finds wrong, as the editor of a line says it: https://docs.pydantic.dev/latest/errors/validation_errors/
_MESSAGES = {
    "missing": "this is needed.",
    "too_short": "at least one is needed.",
    "string_too_short": "this is needed.",
    "literal_error": "choose one of those that are offered.",
    "string_pattern_mismatch": "this is not written as it has to be.",
    "extra_forbidden": "there is no such setting.",
    "union_tag_invalid": "this change is not installed here.",
}
_PARTS = {"from": "Value", "chips": "Changes", "empty": "Without a value", "field": "Field"}


def _where(place: Sequence[str]) -> str:
    """Return a place within a line as the editor calls it: the part, or the change and its setting."""
    forms = {form.slug: form for form in chip_forms()}
    slug = next((part for part in place if part in forms), "")
    if not slug:
        return _PARTS.get(place[0], "") if place else ""
    settings = {one.name: one.label for one in forms[slug].settings}
    inner = next((settings[part] for part in place if part in settings), "")
    return f"{forms[slug].label}, {inner}" if inner else forms[slug].label


def told(
    lines: Sequence[Line],
    targets: Mapping[str, SObjField],
    context: Mapping[str, Any] | None,
    issues: Mapping[str, Sequence[tuple[str, str]]],
) -> list[dict[str, Any]]:
    """
    Return the lines as the page's script wants them: what the chip says, the paths, the result.

    `issues` are by field: level and message, of the checks that need no event.
    """
    return [
        _told(line, targets.get(line.field.lower()), context, issues.get(line.field, ())) for line in lines
    ]


def _told(
    line: Line,
    target: SObjField | None,
    context: Mapping[str, Any] | None,
    issues: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    found = list(issues)
    errors = [message for level, message in found if level == "error"]
    warnings = [message for level, message in found if level != "error"]
    answer: dict[str, Any] = {
        "field": line.field,
        "raw": dict(line.raw),
        "paths": paths_of(line),
        "label": label_of(line.raw),
        "empty": EMPTY.get(str(line.raw.get("empty", "skip")), ""),
        "problem": line.problem or next(iter(errors), ""),
        "warning": next(iter(warnings), ""),
    }
    if line.line is not None and context is not None:
        answer |= result_of(line.line, target, context)
    return answer


def issues_of(
    target: str,
    lines: Sequence[Line],
    sources: Iterable[SrcField],
    targets: Sequence[SObjField],
    *,
    types: Sequence[RecordType],
    operation: Operation,
) -> dict[str, list[tuple[str, str]]]:
    """
    Return by field what the checks that need no event find about its line: level and message.

    `types` are those that the records may have, and `operation` is what becomes of them.
    """
    sound = [line.line for line in lines if line.line is not None]
    if not sound or not targets:
        return {}
    try:
        mapping = MappingSettings(target=target, lines=sound)
    except ValidationError:
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for issue in validate(mapping, sources, targets, types=types, operation=operation):
        told = f"{issue.message.rstrip('.')}. {issue.fix}".strip()
        found.setdefault(issue.field, []).append((issue.level, redact_text(told)))
    return found


def paths_of(line: Line) -> list[str]:
    """Return the paths whose values the line may write, the first one first."""
    if line.line is not None:
        return list(dict.fromkeys(line.line.value_paths()))
    given = line.raw.get("from")
    return [given] if isinstance(given, str) else [path for path in _list(given) if isinstance(path, str)]


def result_of(line: MappingLine, target: SObjField | None, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `line` comes to: state, text, and what is wrong with it."""
    return _result(try_line(line), target, context)


def _result(
    line: Callable[[Mapping[str, Any]], Tried], target: SObjField | None, context: Mapping[str, Any]
) -> dict[str, Any]:
    tried = line(context)
    against = _against(tried, target)
    return {
        "state": tried.state,
        "value": mapper_rows.show(tried.value) if tried.state == "value" else "",
        "wrong": redact_text(tried.message or against),
        "notes": [redact_text(note.message) for note in tried.notes],
    }


def _against(tried: Tried, target: SObjField | None) -> str:
    if target is None or tried.state not in ("value", "cleared"):
        return ""
    return complaint(tried.value, target)


def label_of(raw: Mapping[str, Any]) -> str:
    """Return what the chip at a line says: the only change, or the first and how many more."""
    chips = [chip for chip in _list(raw.get("chips")) if isinstance(chip, Mapping)]
    if not chips:
        return "="
    known = transforms.load()
    slug = str(chips[0].get("chip", ""))
    if slug == "value_map":
        table = chips[0].get("map")
        count = len(table) if isinstance(table, Mapping) else 0
        first = f"{count} value{'' if count == 1 else 's'}"
    elif slug == "text" and chips[0].get("case"):
        first = "CAPITALS" if chips[0]["case"] == "upper" else "small letters"
    elif slug == "expression":
        first = "fx"
    else:
        first = known[slug].label if slug in known else slug
    return first if len(chips) == 1 else f"{first} +{len(chips) - 1}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def steps_of(line: MappingLine, target: SObjField | None, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `line` reads, what each of its chips makes of it, and what it comes to."""
    read, chips = try_chips(line, context)
    return {
        "read": mapper_rows.show(read),
        "steps": [
            {
                "before": mapper_rows.show(step.before),
                "after": "" if step.message or step.skipped else mapper_rows.show(step.after),
                "skipped": step.skipped,
                "wrong": redact_text(step.message),
                "notes": [redact_text(note.message) for note in step.notes],
            }
            for step in chips
        ],
        "cel": as_expression(line),
        **result_of(line, target, context),
    }


def filled(lines: Iterable[Line]) -> list[str]:
    """Return the fields that look-ups by external id fill under another name."""
    return [written_field(line.field) for line in lines if "." in line.field]


def on_many(
    lines: Iterable[Line], targets: Mapping[str, SObjField], contexts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return by line on how many of `contexts` it gives nothing that Salesforce would take, and why."""
    answer = []
    for line in lines:
        failed, why = 0, line.problem
        if line.line is not None:
            target = targets.get(line.field.lower())
            ready = try_line(line.line)
            wrongs = [_result(ready, target, context)["wrong"] for context in contexts]
            failed = sum(bool(wrong) for wrong in wrongs)
            why = next((wrong for wrong in wrongs if wrong), "")
        answer.append({"field": line.field, "failed": failed, "of": len(contexts), "why": why})
    return answer
