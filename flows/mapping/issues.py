"""This module says what an issue is: something about a flow that would fail, or that a person should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """
    One thing that is wrong: an `error` would fail or write something false, a `warning` might.

    `field` is the target field or the setting, `step` the step's id where one is at fault. `fix` says what
    to do, and `chips` are those that would do it, to be put behind the line's own.
    """

    level: Level
    code: str
    field: str
    message: str
    fix: str = ""
    step: str = ""
    chips: tuple[Mapping[str, Any], ...] = ()


def errors_in(issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues that stand in the way of publishing."""
    return [issue for issue in issues if issue.level == "error"]
