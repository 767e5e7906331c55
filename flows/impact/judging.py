"""This module says how serious a matter is, and in plain words what it does to the flow."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.differences import Difference
from flows.impact import sides
from flows.impact.gathering import Desk, Matter
from flows.impact.told import ORDER, Severity
from flows.mapping.sources import Sources
from flows.mapping.text import length
from flows.mapping.valued import Valued, value_of

# What a difference does to a line about which the checks have nothing to say.
_KINDS: dict[str, tuple[Severity, str]] = {
    "gone": ("fails", "Nothing of it can be read or written any more: the flow would be held."),
    "removed": ("fails", "Salesforce would refuse what the step asks for, and the flow would be held."),
    "shorter": ("may", "A longer value would be refused, and its run would become a dead letter."),
    "scale": ("may", "A number with more digits would be refused."),
    "reference": ("may", "The id of a record of another object would be refused."),
    "key": ("may", "A second record with the same value would be refused."),
    "key_lost": ("may", "Salesforce may find no record by it any more."),
    "value_gone": ("may", "A record with a value that the picklist lacks would be refused."),
    "restricted": ("may", "A record with a value that the picklist lacks would be refused."),
    "record_type_gone": ("may", "A record that is to be of this type would be refused."),
    "record_type_values": ("may", "A record of this type with such a value would be refused."),
    "type": ("know", "What is written is converted, as far as Salesforce can."),
    "lost_create": ("know", "The step does not need that right."),
    "lost_update": ("know", "The step does not need that right."),
    "label": ("know", "The flow goes by the API name, which is as it was."),
}
_QUIET = frozenset({"added", "optional", "longer", "value_added", "writable", "required", "back"})
_SETTING_READS = "The step would find nothing there."


def judged(matter: Matter, desk: Desk) -> tuple[Severity, str, str] | None:
    """Return how serious a matter is, why, and what a person can do; nothing if it is none."""
    if matter.issues:
        first = min(matter.issues, key=lambda issue: issue.level != "error")
        severity: Severity = "fails" if first.level == "error" else "may"
        return severity, f"{first.message.rstrip('.')}.", first.fix
    told = list(_stripe(matter, desk) if matter.system == "stripe" else _salesforce(matter, desk))
    if not told:
        return None
    severity, why = min(told, key=lambda one: ORDER.index(one[0]))
    return severity, why, ""


def _salesforce(matter: Matter, desk: Desk) -> Iterator[tuple[Severity, str]]:
    line = matter.use.line if matter.use else None
    value = value_of(line, Sources(desk.events))[0] if line else None
    for one in matter.differences:
        if one.kind in _QUIET or one.kind not in _KINDS:
            continue
        severity, why = _KINDS[one.kind]
        if value is None:
            # What is only looked for or shown is refused by nobody for its length.
            severity = severity if one.kind in ("gone", "removed", "key_lost") else "know"
        elif not one.breaks:
            severity = "know"
        elif _is_kept_to(one, value):
            continue
        yield severity, why if severity != "know" else _KINDS["label"][1] if one.kind == "label" else why


def _is_kept_to(difference: Difference, value: Valued) -> bool:
    """Tell whether whatever the line comes to is within what is left."""
    match difference.kind:
        case "shorter":
            known = value.values
            longest = max((length(str(one)) for one in known), default=0) if known else value.longest
            return longest is not None and longest <= int(difference.after)
        case "value_gone" | "restricted":
            return value.values is not None  # the checks have compared them
        case _:
            return False


def _stripe(matter: Matter, desk: Desk) -> Iterator[tuple[Severity, str]]:
    current = sides.speaks(desk.pair.stripe, [matter.object], desk.stripe)
    spoken = desk.pair.stripe.api_version
    for one in matter.differences:
        match one.kind:
            case "removed" if not current:
                yield (
                    "know",
                    f"The connection still speaks {spoken}, which has it. A newer version has it no more.",
                )
            case "removed" | "gone":
                alone = (
                    matter.use is None or len(matter.use.line.value_paths() if matter.use.line else ()) < 2
                )
                lost = _SETTING_READS if matter.use is None else "The field would be left without a value."
                yield ("fails" if alone else "may", lost)
            case "type":
                yield "may", "What the line does with the value may not work with the new type."
            case "value_added" if _is_unmapped(matter, desk):
                yield "may", "The value map does not know it, so that an event with it would fail."
            case "nullable" if matter.use and matter.use.line and matter.use.line.empty == "fail":
                yield "may", "The line refuses a record without the value."


def _is_unmapped(matter: Matter, desk: Desk) -> bool:
    return any(unmapped_values(matter, desk).values())


def unmapped_values(matter: Matter, desk: Desk) -> dict[str, list[str]]:
    """Return the values that Stripe has added to each path that the line reads, and its value map lacks."""
    use = matter.use
    chips = use.raw.get("chips", ()) if use else ()
    chip = next((one for one in chips if one.get("chip") == "value_map"), None)
    if chip is None or chip.get("otherwise", "fail") != "fail":
        return {}
    found: dict[str, list[str]] = {}
    for before, one in matter.moved:
        if one.kind == "value_added":
            known = _values(desk, matter.object, one.field, now=False) | set(chip.get("map", ()))
            fresh = _values(desk, matter.object, one.field, now=True) - known
            found[f"{before}.{one.field}"] = sorted(fresh)
    return found


def _values(desk: Desk, object_: str, path: str, *, now: bool) -> set[str]:
    schema = (desk.stripe.now if now else desk.stripe.then).get(object_)
    for told in schema.fields if schema else ():
        if told.get("path") == path:
            return set(told.get("values", ()))
    return set()
