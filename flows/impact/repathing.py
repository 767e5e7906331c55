"""This module proposes edits that let a flow read what a newer version of Stripe's API says elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.differences import Difference
from flows import suggesting
from flows.impact import judging
from flows.impact.gathering import Desk, Matter
from flows.impact.lines import Use
from flows.impact.swapping import swapped
from flows.impact.told import Mend
from flows.mapping.suggest.changes import picks


def mends(matter: Matter, desk: Desk) -> Iterator[Mend]:
    """Yield what may mend `matter`, the likeliest first; whether it does is still to be checked."""
    for before, one in matter.moved:
        if one.kind == "removed":
            yield from _read_elsewhere(matter, before, one, desk)
        elif one.kind == "value_added" and matter.use is not None:
            yield from _known_values(matter, matter.use, desk)


def _read_elsewhere(matter: Matter, before: str, one: Difference, desk: Desk) -> Iterator[Mend]:
    old = f"{before}.{one.field}"
    if one.after:
        yield _read(matter, old, f"{before}.{one.after}", "Stripe says so in its list of changes.")
    use = matter.use
    if use is None or use.line is None or use.place is None:
        return
    left = [path for path in use.line.sources if path != old]
    if left and len(left) < len(use.line.sources):
        why = "The paths beside it are read as before."
        yield Mend("drop", f"Read {old} no more", why, [_set_line(use, {**use.raw, "from": left})])
    target = desk.crm.fields_now(use.object).get(use.field.lower())
    if target is None:
        return
    found = suggesting.alternatives(
        workspace=desk.pair.integration.workspace,
        target=use.object,
        sources=[source for source in desk.events if not source.removed],
        targets=[target],
        most=2,
    )
    for other in found:
        if other.path != old and other.band in ("strong", "likely"):
            yield _read(matter, old, other.path, other.reason)


def _read(matter: Matter, old: str, new: str, why: str) -> Mend:
    label = f"Read {new} instead of {old}"
    use = matter.use
    if use is None or use.place is None:
        return Mend("replace", label, why, swaps=[(matter.step, old, new)])
    line: Mapping[str, Any] = swapped(use.raw, old, new)
    return Mend("replace", label, why, [_set_line(use, line)])


def _known_values(matter: Matter, use: Use, desk: Desk) -> Iterator[Mend]:
    target = desk.crm.fields_now(use.object).get(use.field.lower())
    fresh = [value for values in judging.unmapped_values(matter, desk).values() for value in values]
    table = picks(fresh, target) if target is not None else {}
    if not fresh or len(table) < len(fresh):
        return
    chips = [
        {**chip, "map": {**chip["map"], **table}} if chip.get("chip") == "value_map" else dict(chip)
        for chip in use.raw.get("chips", ())
    ]
    told = ", ".join(f"“{old}” becomes “{new}”" for old, new in list(table.items())[:3])
    yield Mend(
        "map_values", f"Add to the value map: {told}", "", [_set_line(use, {**use.raw, "chips": chips})]
    )


def _set_line(use: Use, line: Mapping[str, Any]) -> dict[str, Any]:
    return {"edit": "set_line", "step": use.step, "line": dict(line), "was": ""}
