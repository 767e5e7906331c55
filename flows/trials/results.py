"""This module says what a trial came to: steps taken, records that would result, calls that would be made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from flows.engine.outcome import AskHuman, Option
from flows.engine.trace import shown
from flows.trials.world import Saved, Started

# How a trial ended: at the end of the flow; where a filter or stop ended it; with a question; where it would
# wait or be tried again; as a dead letter; at what was not read; or because its time was over.
Ending = Literal["done", "ended", "question", "waits", "failed", "not_read", "out_of_time"]

MOST_SHOWN = 400_000  # characters of the steps' inputs and outputs together
_CUT = {"cut": "The steps before this one are as much as is shown of a trial"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it would be saved: its fields as people may see them, look-ups by dotted names."""

    object: str
    key_field: str  # the external id field by which it is found, or Id
    key: str
    fields: dict[str, Any]
    slot: str = "salesforce"

    @property
    def target(self) -> str:
        """Return which record it is."""
        return f"{self.object} {self.key}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that would be made once, such as a Flow that would be started."""

    purpose: str
    record: str
    request: Any
    left_out: str = ""  # why it would not be made
    creates: str = ""  # what people call the sort of object that it would create


@dataclass(frozen=True, slots=True)
class Told:
    """What administrators would be told."""

    severity: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person would be asked, at which step."""

    step: str
    question: str
    options: Sequence[Option] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same: a field of a record, a step's exit, a call, the ending."""

    where: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    ending: Ending
    fate: str
    reason: str
    entries: Sequence[dict[str, Any]] = ()
    records: Sequence[Record] = ()
    calls: Sequence[Call] = ()
    told: Sequence[Told] = ()
    asked: Asked | None = None
    starts: bool = True  # the flow's trigger names the event's type
    stood_in: bool = False  # the event's content was taken for its object, which was not read
    reads: int = 0  # of the other systems
    took_ms: float = 0.0
    elements: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # of lists: by step and exit
    waited: Sequence[str] = field(default=())  # what was waited for in no time

    @property
    def exits(self) -> dict[str, str]:
        """Return the exit that each step was left by; empty where the run ended."""
        return {
            str(entry["step"]): str(entry.get("exit") or "")
            for entry in self.entries
            if entry.get("step") != "source"
        }

    def as_expected(self) -> dict[str, Any]:
        """Return what a test case keeps of it."""
        return {
            "ending": self.ending,
            "records": {record.target: record.fields for record in self.records},
            "exits": self.exits,
            "calls": sorted({_name_of(call) for call in self.calls}),
        }


def _name_of(call: Call) -> str:
    return f"{call.purpose} for {call.record}{' (left out)' if call.left_out else ''}"


def records_of(saved: Iterable[Saved]) -> list[Record]:
    """Return what would be saved, one record for each target; later fields replace earlier ones."""
    found: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for one in saved:
        request = one.request
        by = str(request.get("external_id_field") or "Id")
        key = str(request.get("external_id") or request.get("id") or "")
        fields = found.setdefault((str(request.get("object") or one.action), by, key, one.slot), {})
        fields.update(_flat(request.get("values") or {}))
    return [
        Record(object_, by, key, shown(fields), slot) for (object_, by, key, slot), fields in found.items()
    ]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields by their names, those of look-ups by external id by dotted ones."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": part for inner, part in value.items()})
        else:
            flat[name] = value
    return flat


def calls_of(started: Iterable[Started]) -> list[Call]:
    """Return what would be called once."""
    return [
        Call(
            one.intent.purpose,
            one.intent.record,
            shown(dict(one.request)),
            one.left_out,
            _creates(one.intent.created),
        )
        for one in started
    ]


def _creates(created: str) -> str:
    """Return what people call an object of Stripe; one of Salesforce is called by its API name."""
    system, _, name = created.rpartition(".")
    return name.replace("_", " ").capitalize() if system else name


def question_of(step: str, outcome: AskHuman) -> Asked:
    """Return what a person would be asked."""
    return Asked(step, str(shown(outcome.question)), outcome.options)


def bounded(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of a trace; what is too much to be shown of a trial is cut."""
    room = MOST_SHOWN
    kept = []
    for entry in entries:
        room -= len(json.dumps([entry.get("input"), entry.get("output"), entry.get("notes")]))
        kept.append(entry if room >= 0 else {**entry, "input": None, "output": _CUT, "notes": []})
    return kept


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """
    Return where `after` is not as `before` was, both as `Trial.as_expected` gives them.

    A step that `before` does not know makes no difference by itself: a flow may get more of them.
    """
    found = [] if before["ending"] == after["ending"] else [_of(before, after, "ending", "How it ends")]
    for target in dict.fromkeys([*before["records"], *after["records"]]):
        found += record_differences(target, before["records"].get(target), after["records"].get(target))
    for step, ending in before["exits"].items():
        now = after["exits"].get(step)
        if now != ending:
            found.append(Difference(f"Step {step}", "exit", ending or "ends here", _exit(now)))
    for call in dict.fromkeys([*before["calls"], *after["calls"]]):
        was, is_ = call in before["calls"], call in after["calls"]
        if was != is_:
            found.append(Difference("Would start", call, was, is_))
    return found


def _of(before: Mapping[str, Any], after: Mapping[str, Any], name: str, where: str) -> Difference:
    return Difference(where, name, before[name], after[name])


def _exit(name: str | None) -> str:
    return "not taken" if name is None else name or "ends here"


def record_differences(
    target: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[Difference]:
    """Return the fields in which a record differs; one that is missing on a side is named as such."""
    if before is None or after is None:
        return [Difference(target, "record", _presence(before), _presence(after))]
    names = dict.fromkeys([*before, *after])
    return [
        Difference(target, name, before.get(name), after.get(name))
        for name in names
        if not same(before.get(name), after.get(name)) or (name in before) != (name in after)
    ]


def _presence(fields: Mapping[str, Any] | None) -> str:
    return "not saved" if fields is None else "saved"


def same(one: Any, other: Any) -> bool:
    """Tell whether two values mean the same to Salesforce: 19.9 is 19.90, and an empty text is none."""
    if one in (None, "") or other in (None, ""):
        return one in (None, "") and other in (None, "")
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if one == other:
        return True
    numbers = _number(one), _number(other)
    # Amounts are texts here, with a point; digits alone may be an id whose zeros count.
    are_ids = isinstance(one, str) and isinstance(other, str) and "." not in one + other
    if None not in numbers and not are_ids:
        return numbers[0] == numbers[1]
    moments = _moment(one), _moment(other)
    return None not in moments and moments[0] == moments[1]


def _number(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
