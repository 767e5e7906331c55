"""This module finds what a change of objects does to a flow, line by line, with what would mend it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flows.designing import taking
from flows.engine import definition
from flows.engine.definition import InvalidDocument
from flows.impact import gathering, judging, mending
from flows.impact.gathering import Desk, Matter
from flows.impact.told import Finding, Severity, in_order
from flows.models import Flow, Pair
from flows.steps import registry
from integrator.kernel import canonical

MOST = 100  # findings of one document
MOST_MENDED = 40  # of which a mend is worked out


def desk_of(
    document: Mapping[str, Any], *, flow: Flow, pair: Pair, moment: datetime, now: datetime
) -> Desk | None:
    """
    Return what is known of both sides of `document`, nothing if all is as it was at `moment`.

    A document that cannot be run has nothing to it either. Nobody is asked.
    """
    try:
        checked = definition.load(document, kinds=registry.load())
    except InvalidDocument:
        return None
    return gathering.desk_of(document, checked, flow=flow, pair=pair, moment=moment, now=now)


def findings(
    desk: Desk,
    *,
    mends: bool = True,
    only: Collection[str] | None = None,
    seconds: float = mending.SECONDS,
) -> list[Finding]:
    """
    Return what has become of each line that a change concerns, the worst first, and what would mend it.

    What would mend it is worked out for the keys in `only`, or for all, as far as that takes `seconds`.
    """
    judges = [(matter, told) for matter in gathering.matters(desk) if (told := judging.judged(matter, desk))]
    bench = mending.Bench(desk, seconds=seconds) if mends else None
    inner = taking.came_with(desk.checked.model_dump(mode="json")["steps"])
    found: list[Finding] = []
    for matter, (severity, why, fix) in judges[:MOST]:
        key, call = _key(matter), inner.get(matter.step)
        offered = severity != "know" and len(found) < MOST_MENDED and (only is None or key in only)
        found.append(
            Finding(
                key=key,
                system=matter.system,
                object=matter.object,
                step=matter.step,
                title=_title(matter, desk, call),
                field=matter.field,
                severity=severity,
                why=why,
                target=matter.use.object if matter.use else matter.object,
                place=matter.use.place if matter.use else None,
                sources=_sources(matter),
                changed=[one.text for one in matter.differences if one.kind not in _SAID_ELSEWHERE],
                fix=fix if call is None else _elsewhere(call),
                mends=bench.mends(matter) if bench is not None and offered and call is None else [],
            )
        )
    return in_order(found)


_SAID_ELSEWHERE = frozenset({"longer", "writable", "back"})


def _title(matter: Matter, desk: Desk, call: Mapping[str, Any] | None) -> str:
    """Return what people call the step, behind the one that took the sub-flow in which it stands."""
    title = desk.uses.titles.get(matter.step, matter.step)
    return title if call is None else f"{call['title'] or call['id']} › {title}"


def _elsewhere(call: Mapping[str, Any]) -> str:
    return f"Change it in the sub-flow {call['settings']['flow']}, and take its newest version."


def _key(matter: Matter) -> str:
    parent = matter.use.parent if matter.use is not None else None
    which = [] if parent is None else [parent]
    return canonical.fingerprint([matter.system, matter.step, matter.field.lower(), *which])[:16]


def _sources(matter: Matter) -> list[str]:
    line = matter.use.line if matter.use else None
    return list(dict.fromkeys(line.value_paths())) if line else []


def counted(found: Sequence[Finding], by_field: Mapping[tuple[str, str], int]) -> list[Finding]:
    """Return `found` with how many events each would fail by; where there are some, it fails."""
    told = []
    for one in found:
        failing = by_field.get((one.target, one.field.lower()), 0)
        fails: Severity = "fails" if failing and one.severity == "may" else one.severity
        told.append(replace(one, failing=failing, severity=fails))
    return in_order(told)
