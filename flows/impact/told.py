"""This module says what an impact is made of: findings, each about one line, and what would mend it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

# fails: runs will fail, or write something false; may: some may; know: nothing has to be done.
Severity = Literal["fails", "may", "know"]
ORDER: Sequence[Severity] = ("fails", "may", "know")


@dataclass(frozen=True, slots=True)
class ParentLine:
    """
    A line of a record that an upsert makes before its own, as it is to be; without `line` it is taken out.

    `parent` is the place of that record among those of the step, from 0; `field` what the line fills now.
    """

    step: str
    parent: int
    field: str
    line: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Mend:
    """
    Edits of the draft that would mend a line.

    `name` says which sort of mend it is. `swaps` are texts to be exchanged in the settings of steps, each as
    step, old and new, and `within` lines of parents: several mends of one step are put together by them.
    """

    name: str
    label: str
    why: str = ""
    edits: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    swaps: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    within: list[ParentLine] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One line of a flow, or setting of a step, that a change concerns.

    `key` stays the same as long as it is about the same line. `object` is what has changed, `target` the
    Salesforce object that the line fills. `place` counts the lines of the step from 1; it is empty where the
    step has no such line. `changed` says what is otherwise than it was, `why` what that does to the flow.
    `failing` are recent events that would fail by it.
    """

    key: str
    system: str
    object: str
    step: str
    title: str
    field: str
    severity: Severity
    why: str
    target: str = ""
    place: int | None = None
    sources: list[str] = dataclasses.field(default_factory=list)
    changed: list[str] = dataclasses.field(default_factory=list)
    fix: str = ""
    failing: int = 0
    mends: list[Mend] = dataclasses.field(default_factory=list)


def worst(findings: Iterable[Finding]) -> Severity | Literal[""]:
    """Return how serious the most serious of `findings` is, nothing if there is none."""
    return min((one.severity for one in findings), key=ORDER.index, default="")


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return what fails first; of equals what stands first in the flow, as `findings` have it."""
    return sorted(findings, key=lambda one: ORDER.index(one.severity))


def as_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return `findings` as JSON has them."""
    told: list[dict[str, Any]] = msgspec.to_builtins(findings)
    return told


def of_data(told: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """
    Return what `as_data` gave.

    :raises ValueError: if another release wrote it otherwise
    """
    return msgspec.convert(told, type=list[Finding])
