"""This module makes mends in the draft of a flow. Nothing goes live by it: people publish the draft."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows import designer
from flows.designing import edits
from flows.impact import finding, mending
from flows.impact.told import Finding, Mend
from flows.models import Deployment, Draft

MOST = 40  # mends that are made together


class NothingToMend(Exception):
    """The draft has nothing of it, or nothing would mend it. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Mended:
    """
    A draft in which mends were made, and how many they were; `left` are those that are to be made after them.

    `step` is the map step, where all of them stand in one.
    """

    draft: Draft
    count: int
    step: str = ""
    left: int = 0


def mend(
    *,
    deployment: Deployment,
    actor: str,
    now: datetime,
    keys: Collection[str] | None = None,
    choices: Mapping[str, str] | None = None,
) -> Mended:
    """
    Mend what has changed under a live version in its flow's draft, which is opened where there is none.

    `keys` are the findings that are meant, all if none are named. `choices` name another of the mends of a
    finding than the first. They are one change of the draft, and can be taken back; what is too much for one
    is left. Of several that touch the same line the first is made; the rest may get another mend then.

    :raises NothingToMend: if the draft has none of it any more, or is unfinished
    :raises flows.designer.Conflict: if somebody changes the same at this moment
    :raises flows.designing.tree.Refused: if the draft has no room for it
    """
    draft = designer.open_draft(deployment.flow, actor=actor, now=now)
    if designer.problems(draft):
        raise NothingToMend(
            "The draft of this flow is unfinished. Finish it, or discard it, and mend it then."
        )
    found = _found(draft.document, deployment, now, only=keys)
    chosen = {
        one.key: taken
        for one in found
        if (keys is None or one.key in keys) and (taken := _taken(one, choices or {})) is not None
    }
    settings = {step["id"]: step.get("settings", {}) for step in _steps(draft)}
    mends = _of_one_change(_apart(chosen), settings)
    if not mends:
        raise NothingToMend(
            "There is nothing to mend by itself: the draft has it already, or a person has to."
        )
    wanted = edits.read(mending.together(list(mends.values()), settings))
    made = designer.apply(draft, wanted, revision=draft.revision, actor=actor, now=now)
    steps = {one.step for one in found if one.key in mends}
    maps = {step["id"] for step in _steps(draft) if step["kind"] == "map"}
    alone = steps.pop() if len(steps) == 1 and steps <= maps else ""
    return Mended(made, len(mends), alone, len(chosen) - len(mends))


def _of_one_change(mends: Mapping[str, Mend], settings: mending.Settings) -> dict[str, Mend]:
    """Return as many of `mends`, from the first, as are made together."""
    found: dict[str, Mend] = {}
    for key, one in mends.items():
        wanted = mending.together([*found.values(), one], settings)
        if len(found) == MOST or len(wanted) > edits.MOST_AT_ONCE:
            break
        found[key] = one
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What comes after a live version, a draft or a newer `version`, and which findings are `left` in it."""

    left: frozenset[str]
    version: int | None = None


def standing(deployment: Deployment, *, now: datetime) -> Standing | None:
    """Return how what comes after a live version stands; None if that is the same, or could not be run."""
    draft = Draft.objects.select_related("flow", "base_version").filter(flow=deployment.flow_id).first()
    if draft is not None and draft.is_changed:
        if designer.problems(draft):
            return None
        return Standing(_left(draft.document, deployment, now))
    newest = deployment.flow.versions.order_by("-number").first()
    if newest is None or newest.number <= deployment.version.number:
        return None
    return Standing(_left(newest.document, deployment, now), newest.number)


def _left(document: Mapping[str, Any], deployment: Deployment, now: datetime) -> frozenset[str]:
    found = _found(document, deployment, now, mends=False)
    return frozenset(one.key for one in found if one.severity != "know")


def _found(
    document: Mapping[str, Any],
    deployment: Deployment,
    now: datetime,
    *,
    mends: bool = True,
    only: Collection[str] | None = None,
) -> list[Finding]:
    desk = finding.desk_of(
        document,
        flow=deployment.flow,
        pair=deployment.pair,
        moment=deployment.version.published_at,
        now=now,
    )
    return [] if desk is None else finding.findings(desk, mends=mends, only=only)


def _taken(one: Finding, choices: Mapping[str, str]) -> Mend | None:
    """Return the mend of a finding that is wanted: the one that is named, or the first."""
    wanted = choices.get(one.key)
    return next((each for each in one.mends if wanted in (None, "", each.name)), None)


def _apart(mends: Mapping[str, Mend]) -> dict[str, Mend]:
    """Return those of `mends` that touch no line of one before them: they would undo each other."""
    touched: set[tuple[str, str]] = set()
    apart = {}
    for key, one in mends.items():
        lines = set(_lines_of(one))
        if not lines & touched:
            touched |= lines
            apart[key] = one
    return apart


def _lines_of(mend: Mend) -> Iterator[tuple[str, str]]:
    """Yield the lines that a mend changes, by their step and field."""
    for edit in mend.edits:
        names = [edit.get("field"), edit.get("was"), (edit.get("line") or {}).get("field")]
        yield from ((edit["step"], str(name).lower()) for name in names if name)
    for one in mend.within:
        names = [one.field, (one.line or {}).get("field")]
        yield from ((f"{one.step} {one.parent}", str(name).lower()) for name in names if name)


def _steps(draft: Draft) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    level = list(draft.document.get("steps", ()))
    while level:
        step = level.pop(0)
        found.append(step)
        for branch in step.get("exits", {}).values():
            level += branch
    return found
