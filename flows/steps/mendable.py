"""
This module says which field of a version's records may be changed for a run, and which may not.

It is asked whenever a change is offered, and again whenever one that was approved elsewhere is carried over:
to another letter of the cause, to a run that fails later, to another version. The same name may stand for an
amount or for the field that a record is found by there. It is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flows.error_catalogue.policy import of_money
from flows.mapping.mending import Fix
from flows.mapping.spec import written_field
from flows.steps.create import KEY_FIELD
from integrator.kernel.paths import BadPath, parse

MONEY = "Amounts and currencies are never changed for you."
_NAME = re.compile(r"""[.?\["'](\w+)""")  # in a path or an expression, behind the root
_WORD = re.compile(r"[A-Za-z_]\w*")

Step = Mapping[str, Any]


def steps_of(document: Mapping[str, Any]) -> list[Step]:
    """Return every step of a version's document, those on the way of an exit too."""
    return list(_walk(document.get("steps") or []))


def _walk(steps: list[Any]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in (step.get("exits") or {}).values():
            yield from _walk(branch)


def map_step(steps: list[Step], failed: str) -> Step | None:
    """Return the map step whose record the step `failed` makes or writes, if it does."""
    step = next((one for one in steps if one.get("id") == failed), None)
    if step is None:
        return None
    wanted = failed if step.get("kind") == "map" else _settings(step).get("record")
    return next((one for one in steps if one.get("id") == wanted and one.get("kind") == "map"), None)


def refusal(steps: list[Step], mapped: Step, field: str) -> str:
    """Return why `field` of the record that the step `mapped` makes stays as it is; empty: it need not."""
    name = str(mapped.get("id"))
    if of_money(field) or any(_makes_money(line) for line in _lines(mapped) if line.get("field") == field):
        return MONEY
    writing = [_settings(step) for step in steps if _settings(step).get("record") == name]
    keys = {str(settings.get("external_id") or "").lower() for settings in writing} | {
        KEY_FIELD.lower(),
        "id",
    }
    if field.lower() in keys:
        return f"The record is found by {field}, so that is not changed for you."
    if any(settings.get("two_way") for settings in writing):
        return "Both sides may change this record, so the change would go back to Stripe. Correct it there."
    if _read_elsewhere(steps, name, field):
        return f"Other steps of the flow go by {field}, so it is not changed for you. Mend it in the flow."
    return ""


def fits(document: Mapping[str, Any], fix: Fix, *, failed: str = "") -> bool:
    """Tell whether `fix` may hold in this version, and for the record that the step `failed` writes."""
    steps = steps_of(document)
    mapped = map_step(steps, failed or fix.step)
    if mapped is None or mapped.get("id") != fix.step:
        return False
    target = str(_settings(mapped).get("target") or "")
    mapped_fields = {line.get("field") for line in _lines(mapped)}
    return (
        fix.object in ("", target)
        and (fix.way == "default" or fix.field in mapped_fields)
        and not refusal(steps, mapped, fix.field)
    )


def identifying(document: Mapping[str, Any], *, records: bool) -> set[str]:
    """
    Return the names in the paths that say what is done only once, and with `records` which record is written.

    Were one of them another, what was done already would be done a second time, for something else.
    """
    steps = steps_of(document)
    found: list[str] = []
    for step in steps:
        settings = _settings(step)
        told = [settings.get("about"), settings.get("occurrence")]
        if records:
            told += [settings.get(name) for name in ("id", "parents")]
            told += [settings["record"]] if isinstance(settings.get("record"), list) else []
            mapped, key = map_step(steps, str(step.get("id"))), settings.get("external_id")
            told += [line for line in _lines(mapped or {}) if line.get("field") == key]
        found += _texts(told)
    return {name for text in found for name in _NAME.findall(text)}


def _settings(step: Step) -> Mapping[str, Any]:
    settings = step.get("settings")
    return settings if isinstance(settings, Mapping) else {}


def _lines(mapped: Step) -> list[Mapping[str, Any]]:
    return list(_settings(mapped).get("lines") or [])


def _makes_money(line: Mapping[str, Any]) -> bool:
    """Tell whether a line writes an amount or a currency, by its source and whatever its field is called."""
    if of_money(written_field(str(line.get("field")))) or any(
        _is_money(path) for path in line.get("from") or []
    ):
        return True
    chips = [chip for chip in line.get("chips") or [] if isinstance(chip, Mapping)]
    worked_out = " ".join(str(chip.get("text")) for chip in chips if chip.get("chip") == "expression")
    return any(chip.get("chip") == "money" for chip in chips) or any(map(of_money, _WORD.findall(worked_out)))


def _is_money(path: object) -> bool:
    try:
        names = [one for one in parse(str(path)) if isinstance(one, str)]
    except BadPath:
        return False
    return bool(names) and of_money(names[-1])


def _read_elsewhere(steps: list[Step], name: str, field: str) -> bool:
    """Tell whether a path or an expression of any step reads the field: the way of a run may hang on it."""
    step, wanted = re.escape(name), re.escape(field)
    reads = re.compile(rf"""\bsteps\.\??{step}(?:\.\??{wanted}(?!\w)|\[\??['"]{wanted}['"]\])""")
    return any(reads.search(text) for one in steps for text in _texts(_settings(one)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
