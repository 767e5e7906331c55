"""This module compares the lines of a mapping with those of an earlier version of its flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.designing import differences, tree
from flows.models import Deployment, FlowVersion
from flows.views import mapper_state
from flows.views.mapper_desk import Desk

MOST = 20
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A version that the lines can be compared with."""

    number: int
    is_live: bool


def choices(desk: Desk) -> list[Choice]:
    """Return the newest versions of the flow, and the live one however old it is, the newest first."""
    live = _live(desk)
    numbers = list(desk.flow.versions.order_by("-number").values_list("number", flat=True)[:MOST])
    if live and live not in numbers:
        numbers.append(live)
    return [Choice(number, number == live) for number in numbers]


def chosen(found: list[Choice], asked: str) -> int:
    """Return the version that is asked for, else the live one, else the newest; 0 if there is none."""
    numbers = {str(one.number): one.number for one in found}
    live = next((one.number for one in found if one.is_live), 0)
    return numbers.get(asked) or live or (found[0].number if found else 0)


def since(desk: Desk, number: int) -> dict[str, Any] | None:
    """Return what the lines do otherwise than in a version, by field; None if there is no such version."""
    then = lines_of(desk, number)
    if then is None:
        return None
    now = [dict(line.raw) for line in desk.lines()]
    kinds = differences.of_lines([*then.values()], now)
    told = {field: {"kind": kind, **_was(then.get(field))} for field, kind in kinds.items()}
    return {"number": number, "fields": told}


def lines_of(desk: Desk, number: int) -> dict[str, dict[str, Any]] | None:
    """
    Return the lines that the step had in a version, by field: none if it was not there, or mapped nothing.

    None if the flow has no such version.
    """
    if not 0 < number <= LARGEST:
        return None
    version = FlowVersion.objects.filter(flow=desk.flow, number=number).first()
    return None if version is None else _lines(version.document, desk.step)


def fields_of(desk: Desk, versions: list[Choice]) -> list[str]:
    """Return every field that the step filled in one of `versions`."""
    numbers = [one.number for one in versions]
    rows = FlowVersion.objects.filter(flow=desk.flow, number__in=numbers).order_by("-number")
    documents = rows.values_list("document", flat=True)
    return list(dict.fromkeys(field for document in documents for field in _lines(document, desk.step)))


def _lines(document: Mapping[str, Any], step: str) -> dict[str, dict[str, Any]]:
    for found in tree.walk(document["steps"]):
        if found.step["id"] == step:
            lines = mapper_state.lines_of(found.step.get("settings") or {})
            return {line.field: dict(line.raw) for line in lines}
    return {}


def _was(raw: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say what a line was: the paths that it read, and what its chip said."""
    if raw is None:
        return {"paths": [], "was": ""}
    paths, label = mapper_state.paths_of(mapper_state.checked(raw)), mapper_state.label_of(raw)
    words = [f"from {paths[0]}"] if paths else []
    return {"paths": paths, "was": ", ".join([*words, *([] if label == "=" else [label])])}


def _live(desk: Desk) -> int:
    if desk.pair is None:
        return 0
    live = Deployment.objects.filter(flow=desk.flow, pair=desk.pair, ended_at__isnull=True)
    return live.values_list("version__number", flat=True).first() or 0
