"""This module proposes edits that let a line fit what an object of Salesforce has become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows import suggesting
from flows.impact import renaming
from flows.impact.gathering import Desk, Matter
from flows.impact.lines import Use
from flows.impact.told import Mend, ParentLine
from flows.mapping.fields import SObjField
from flows.mapping.fitting import family_of
from flows.mapping.sources import Sources
from flows.mapping.suggest.changes import picks
from flows.mapping.suggest.ranking import LIKELY
from flows.mapping.valued import value_of

NOT_GIVEN = "Not given"
_LENGTHS = frozenset({"too_long", "may_be_too_long"})
_PICKS = frozenset({"not_in_picklist", "any_text_in_picklist"})


def mends(matter: Matter, desk: Desk) -> Iterator[Mend]:
    """Yield what may mend `matter`, the likeliest first; whether it does is still to be checked."""
    use = matter.use
    if use is None:
        yield from _filled(matter, desk)
    elif use.line is None:
        yield from _renamed_in_settings(matter, use, desk)
    else:
        yield from _of_line(matter, use, desk)


def _of_line(matter: Matter, use: Use, desk: Desk) -> Iterator[Mend]:
    codes = {issue.code for issue in matter.issues}
    kinds = {one.kind for one in matter.differences}
    target = desk.crm.fields_now(use.object).get(use.field.lower())
    if use.relation[0]:
        yield from _relation(use, desk)
    elif target is None:
        yield from _instead(use, desk)
    else:
        yield from _fitted(matter, use, target, desk)
    if codes or "removed" in kinds:
        yield from _taken_out(use)


def _fitted(matter: Matter, use: Use, target: SObjField, desk: Desk) -> Iterator[Mend]:
    """Yield what lets the value fit a field that is there."""
    codes = {issue.code for issue in matter.issues}
    kinds = {one.kind for one in matter.differences}
    if codes & _LENGTHS or "shorter" in kinds:
        yield _cut(use, target)
    if codes & _PICKS or kinds & {"value_gone", "restricted"}:
        yield from _picked(use, target, desk)
    for issue in matter.issues:
        if issue.chips and issue.code not in _LENGTHS:
            yield _with_chips(use, issue.chips, issue.fix.rstrip(".") or "Convert the value")
    yield from _not_empty(use, target, codes)
    if "wrong_type" in codes:
        yield from _converted(use, target, desk)


def _line(use: Use, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a mend that puts `line` in the place of the one in `use`."""
    if use.parent is not None:
        return {"within": [ParentLine(use.step, use.parent, use.field, dict(line))]}
    was = use.field if line.get("field") != use.field else ""
    return {"edits": [{"edit": "set_line", "step": use.step, "line": dict(line), "was": was}]}


def _chips(use: Use) -> list[dict[str, Any]]:
    return [dict(chip) for chip in use.raw.get("chips", ())]


def _with_chips(use: Use, chips: Any, label: str) -> Mend:
    line = {**use.raw, "chips": [*_chips(use), *map(dict, chips)]}
    return Mend("convert", label, "", **_line(use, line))


# A field that is gone


def _successors(object_: str, gone: str, desk: Desk, taken: set[str]) -> list[SObjField]:
    """Return the fields that may have taken the place of one that is gone."""
    then, now = desk.crm.fields_then(object_), desk.crm.fields_now(object_)
    field = then.get(gone.lower())
    if field is None:
        return []
    return renaming.successors(field, now.values(), taken=taken, new=now.keys() - then.keys())


def _taken(use: Use, desk: Desk) -> set[str]:
    return {one.written.lower() for one in desk.uses.all if _is_beside(one, use)}


def _is_beside(one: Use, use: Use) -> bool:
    """Tell whether both fill the same record."""
    return one.line is not None and (one.step, one.object, one.parent) == (use.step, use.object, use.parent)


def _why(field: SObjField, object_: str, desk: Desk) -> str:
    if field.name.lower() not in desk.crm.fields_then(object_):
        return f"{field.name} has come since, and holds the same sort of value."
    return f"{field.name} is called much the same, and holds the same sort of value."


def _instead(use: Use, desk: Desk) -> Iterator[Mend]:
    for field in _successors(use.object, use.field, desk, _taken(use, desk))[:2]:
        line = {**use.raw, "field": field.name}
        steps = use.key_of if use.parent is None else ()  # a parent says by itself what it is found by
        swaps = [(step, use.field, field.name) for step in steps]
        label = f"Write it to {_called(field)} instead"
        yield Mend("replace", label, _why(field, use.object, desk), swaps=swaps, **_line(use, line))


def _called(field: SObjField) -> str:
    return f"“{field.label}” ({field.name})" if field.label and field.label != field.name else field.name


def _relation(use: Use, desk: Desk) -> Iterator[Mend]:
    """Yield another relation where the look-up is gone, and another field where that is gone at its end."""
    relation, name = use.relation
    lookup = desk.crm.fields_now(use.object).get(use.written.lower())
    if lookup is None:
        for field in _successors(use.object, use.written, desk, _taken(use, desk))[:2]:
            yield _over(use, desk, field, f"{field.relationship}.{name}", (relation, field.relationship))
        return
    for object_ in lookup.references:
        if name.lower() not in desk.crm.fields_now(object_):
            for field in _successors(object_, name, desk, set())[:2]:
                yield _over(use, desk, field, f"{relation}.{field.name}", (name, field.name))


def _over(use: Use, desk: Desk, field: SObjField, name: str, swap: tuple[str, str]) -> Mend:
    line = {**use.raw, "field": name}
    saving = [step for step, told in desk.uses.settings.items() if told.get("record") == use.step]
    swaps = [(step, *swap) for step in saving]
    why = "It leads to the same object, and holds the same sort of value."
    label = f"Look it up by {_called(field)} instead"
    return Mend("replace", label, why, swaps=swaps, **_line(use, line))


def _renamed_in_settings(matter: Matter, use: Use, desk: Desk) -> Iterator[Mend]:
    if not any(one.kind in ("removed", "key_lost") for one in matter.differences):
        return
    for field in _successors(use.object, use.written, desk, set())[:2]:
        name = field.relationship if use.relation[0] else field.name
        old = use.relation[0] or use.field
        why = _why(field, use.object, desk)
        yield Mend("replace", f"Use {_called(field)} instead", why, swaps=[(use.step, old, name)])


def _taken_out(use: Use) -> Iterator[Mend]:
    if use.key_of:
        return
    edit = {"edit": "remove_line", "step": use.step, "field": use.field}
    told: dict[str, Any] = {"edits": [edit]}
    if use.parent is not None:
        told = {"within": [ParentLine(use.step, use.parent, use.field)]}
    yield Mend("remove", "Take the line out", "The field stays as it is in the org.", **told)


# A field that holds less


def _cut(use: Use, target: SObjField) -> Mend:
    chips, room = _chips(use), {"max_length": target.length, "truncate": True}
    if chips and chips[-1].get("chip") == "text":
        chips[-1] |= room
    else:
        chips.append({"chip": "text", **room})
    line = {**use.raw, "chips": chips}
    why = "The rest of a longer text is left out, and the run says so."
    return Mend("cut", f"Cut the text to {target.length} characters", why, **_line(use, line))


def _picked(use: Use, target: SObjField, desk: Desk) -> Iterator[Mend]:
    """Yield a line whose values are those of the picklist, where each has one that means the same."""
    active = {pick.value for pick in target.picklist if pick.active}
    chips, changed = _chips(use), {}
    for chip in chips:
        for holder, key, given in _written(chip):
            value = str(holder[key])
            if holder[key] is None or value in active:
                continue
            other = picks([given], target).get(given) or picks([value], target).get(value)
            if other is None:
                return
            holder[key], changed[value] = other, other
    if changed:
        told = ", ".join(f"“{new}” instead of “{old}”" for old, new in list(changed.items())[:3])
        line = {**use.raw, "chips": chips}
        why = "It means the same, as far as words tell."
        yield Mend("map_values", f"Write {told}", why, **_line(use, line))
    elif not any(chip.get("chip") == "value_map" for chip in chips) and use.line is not None:
        known = value_of(use.line, Sources(desk.events))[0].values or ()
        table = picks([str(one) for one in sorted(known, key=str)], target)
        if table:
            label = "Exchange the values by a table"
            yield _with_chips(use, [{"chip": "value_map", "map": table}], label)


def _written(chip: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield the places of a chip that hold a value to be written, with what Stripe calls it there."""
    match chip.get("chip"):
        case "value_map":
            chip["map"] = dict(chip.get("map", {}))
            yield from ((chip["map"], key, key) for key in chip["map"])
            if isinstance(chip.get("otherwise"), dict):
                chip["otherwise"] = dict(chip["otherwise"])
                yield chip["otherwise"], "value", str(chip["otherwise"].get("value"))
        case "constant" | "default":
            yield chip, "value", str(chip.get("value"))
        case _:
            pass


def _converted(use: Use, target: SObjField, desk: Desk) -> Iterator[Mend]:
    """Yield the change that the value needs for a field of another type."""
    path = next(iter(use.line.sources if use.line else ()), "")
    source = next((one for one in desk.events if one.path == path), None)
    if source is None:
        return
    workspace = desk.pair.integration.workspace
    found = suggesting.alternatives(
        workspace=workspace, target=use.object, sources=[source], targets=[target], most=1
    )
    for one in found:
        chips = list((one.line or {}).get("chips", ()))
        line = {**use.raw, "chips": chips}
        yield Mend("convert", "Convert the value for the new type", one.reason, **_line(use, line))


# A field that has to have a value


def _not_empty(use: Use, target: SObjField, codes: set[str]) -> Iterator[Mend]:
    if "cannot_be_emptied" in codes:
        line = {**use.raw, "empty": "skip"}
        yield Mend("keep", "Leave the field as it is where there is no value", "", **_line(use, line))
    if codes & {"required_may_be_empty", "cannot_be_emptied"} and (value := _filler(target)):
        line = {**use.raw, "empty": "skip", "chips": [*_chips(use), {"chip": "default", "value": value}]}
        yield Mend("default", f"Write “{value}” where there is no value", "", **_line(use, line))


def _filled(matter: Matter, desk: Desk) -> Iterator[Mend]:
    """Yield lines for a field that is required now, and that nothing fills."""
    target = desk.crm.fields_now(matter.object).get(matter.field.lower())
    if target is None or desk.uses.kinds.get(matter.step) != "map":
        return
    use = Use(matter.step, "", matter.object, target.name)
    found = suggesting.lines(
        workspace=desk.pair.integration.workspace,
        target=matter.object,
        sources=desk.events,
        targets=[target],
        opinion=False,
    )
    for one in found:
        if one.line is not None and one.score >= LIKELY:
            label = f"Fill {target.name} from {one.path}"
            yield Mend("fill", label, one.reason, **_line(use, {**one.line, "empty": "skip"}))
    if value := _filler(target):
        line = {"field": target.name, "chips": [{"chip": "constant", "value": value}]}
        yield Mend("fixed", f"Always write “{value}” to {target.name}", "", **_line(use, line))


def _filler(target: SObjField) -> str:
    """Return a text that says nothing false; of other types there is none."""
    if family_of(target) == "picklist":
        return next((pick.value for pick in target.picklist if pick.active), "")
    if family_of(target) == "text" and target.type not in ("email", "phone", "url"):
        return NOT_GIVEN[: target.length] if target.length else NOT_GIVEN
    return ""
