"""
This module says which change of a record would let a dead letter through, once a person has approved it.

Only what the error catalogue leaves to an approval is offered, and never for an amount, a currency, or the
field by which a record is found: to change that would write to another record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from connectors import schemas
from connectors.salesforce.ids import as_18
from flows import mended
from flows.error_catalogue import Verdict, of_failure
from flows.error_catalogue.policy import of_money
from flows.fields import fields_in
from flows.mapping.failure import Notes
from flows.mapping.fields import SObjField
from flows.mapping.mending import LEFT_OUT, Fix, Way, as_text
from flows.mapping.spec import written_field
from flows.models import DeadLetter
from flows.steps import mendable
from integrator.kernel.redact import MASK
from integrator.kernel.refusals import Unacceptable

LONGEST_VALUE = 255
MOST_CHOICES = 300
NUMBERS = frozenset({"double", "int", "long", "percent"})  # as describe has them
_SHOWN = 300  # characters of a value

# What may be done, by the action of the catalogue; the first is what is usual.
WAYS: Final[Mapping[str, tuple[Way, ...]]] = {
    "cut_text": ("cut",),
    "map_value": ("replace", "leave_out"),
    "give_default": ("default",),
    "clear_value": ("leave_out", "empty"),
    "change_mapping": ("leave_out",),
    "correct_link": ("replace", "leave_out"),
}
SAID: Final[Mapping[Way, str]] = {
    "cut": "Cut the text",
    "replace": "Write another value",
    "default": "Give a value",
    "empty": "Leave the field empty",
    "leave_out": "Leave the field out: the record keeps what it has",
}


class NoRemedy(Exception):
    """There is no change of the record to approve. The message says why."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What may be approved for one letter: a change of `field` in the record that the map step makes."""

    action: str
    ways: tuple[Way, ...]
    step: str  # the map step
    object: str
    field: str  # as the mapping names it
    value: Any = None  # what was to be written, as the trace has it; masked or unknown values are None
    length: int = 0  # that the field takes, where it is known
    choices: tuple[str, ...] = ()  # of its picklist
    type: str = ""  # as describe has it
    of_record: bool = False  # a value is the id of a record

    @property
    def shown(self) -> str:
        """Return the value as a page shows it."""
        return "" if self.value is None else str(self.value)[:_SHOWN]

    def after(self, fix: Fix) -> str:
        """Return what `fix` makes of the value, as a page shows it; empty for no value."""
        notes: Notes = []
        mended = fix.mend(self.value, notes)
        return "" if mended is None or mended is LEFT_OUT else str(mended)[:_SHOWN]


def of(letter: DeadLetter) -> Remedy:
    """
    Return what may be approved for `letter`.

    :raises NoRemedy: if nothing may
    """
    verdict = of_failure(letter, given_up=True)
    named = verdict.params.get("field") or letter.field
    if letter.run is None:
        raise NoRemedy("No flow has made a record of this event yet.")
    if named and of_money(named):
        raise NoRemedy(mendable.MONEY)
    if verdict.autonomy != "approve" or verdict.action not in WAYS:
        raise NoRemedy("No change of the record would help here. Do what is said above, then retry.")
    if not named:
        raise NoRemedy("The message does not name the field, so it is not known what to change.")
    return _on_record(letter, verdict, named, mendable.steps_of(letter.run.version.document))


def _on_record(letter: DeadLetter, verdict: Verdict, named: str, steps: list[mendable.Step]) -> Remedy:
    mapped = mendable.map_step(steps, letter.step)
    if mapped is None:
        raise NoRemedy("The step does not write a record that a map step has made. Mend it in the flow.")
    lines = [str(line.get("field")) for line in mapped["settings"].get("lines") or []]
    field = next((line for line in lines if _is(line, named)), "")
    if refused := mendable.refusal(steps, mapped, field or named):
        raise NoRemedy(refused)
    if not field and verdict.action != "give_default":
        raise NoRemedy(f"The step does not map {named} itself. Mend it in the flow.")
    return _remedy(
        letter, verdict, str(mapped["id"]), str(mapped["settings"].get("target", "")), field or named
    )


def _remedy(letter: DeadLetter, verdict: Verdict, step: str, target: str, field: str) -> Remedy:
    assert letter.run is not None
    value = mended.last_value(letter.run, step, field)
    if verdict.action in ("map_value", "correct_link") and value is None:
        value = verdict.params.get("value")
    described = _described(letter, target, field)
    if described is not None and described.type == "currency":
        raise NoRemedy(mendable.MONEY)
    told = verdict.params.get("max_length", "")
    length = int(told) if told.isdigit() else described.length if described is not None else 0
    ways = WAYS[verdict.action]
    if described is not None and described.type in NUMBERS:  # it may be an amount, whatever it is called
        ways = tuple(way for way in ways if way not in ("replace", "default"))
    if value is None or MASK in str(value):
        ways = tuple(way for way in ways if way != "replace")  # of what is not known nothing is replaced
    if not ways:
        raise NoRemedy("Nothing that may be done here is known. Mend it in the flow.")
    picks = described.picklist if described is not None else ()
    return Remedy(
        action=verdict.action,
        ways=ways,
        step=step,
        object=target,
        field=field,
        value=value,
        length=length,
        choices=tuple(pick.value for pick in picks if pick.active)[:MOST_CHOICES],
        type=described.type if described is not None else "",
        of_record=verdict.action == "correct_link" and "." not in field,
    )


def _is(line: str, named: str) -> bool:
    return named.lower() in {line.lower(), written_field(line).lower(), line.partition(".")[0].lower()}


def _described(letter: DeadLetter, target: str, field: str) -> SObjField | None:
    """Return what is known of the field without asking the org."""
    assert letter.run is not None
    kept = schemas.kept(connection=letter.run.pair.salesforce, object=target)
    name = written_field(field).lower()
    known = fields_in(kept) if kept is not None else ()
    return next((one for one in known if one.name.lower() == name), None)


# What a person enters


def fix_of(remedy: Remedy, *, way: str = "", length: int | None = None, value: str = "", actor: str) -> Fix:
    """
    Return the fix that a person approves; without a `way` it is the usual one.

    :raises Unacceptable: if that is not among the ways of `remedy`, or what was entered does not fit
    """
    chosen = next((known for known in remedy.ways if known == (way or remedy.ways[0])), None)
    if chosen is None:
        raise Unacceptable("This is not among what may be done here.", field="way")
    fix = Fix(chosen, remedy.step, remedy.field, by=actor, object=remedy.object)
    if chosen == "cut":
        return _cut(remedy, fix, length if length is not None else remedy.length)
    if chosen in ("replace", "default"):
        return _with_value(remedy, fix, value.strip())
    return fix


def _cut(remedy: Remedy, fix: Fix, length: int) -> Fix:
    if not 1 <= length <= (remedy.length or 131_072):
        most = f" It takes {remedy.length:,}." if remedy.length else ""
        raise Unacceptable(f"Say to how many characters {remedy.field} is cut.{most}", field="length")
    return msgspec.structs.replace(fix, length=length)


def _with_value(remedy: Remedy, fix: Fix, given: str) -> Fix:
    if not given or len(given) > LONGEST_VALUE or "\0" in given:
        raise Unacceptable(f"Enter a value of 1 to {LONGEST_VALUE} characters.", field="value")
    value: str | bool = given
    if remedy.of_record:
        try:
            value = as_18(given)
        except ValueError:
            message = "This is no id of a record: it has 15 or 18 letters and digits."
            raise Unacceptable(message, field="value") from None
    elif remedy.type == "boolean":
        if given.lower() not in ("true", "false"):
            raise Unacceptable(f"{remedy.field} is either true or false.", field="value")
        value = given.lower() == "true"
    elif remedy.choices and given not in remedy.choices:
        raise Unacceptable(f"{remedy.field} does not take {given}. Choose one of its values.", field="value")
    elif remedy.length and len(given) > remedy.length:
        raise Unacceptable(f"{remedy.field} takes {remedy.length} characters at most.", field="value")
    old = "" if fix.way == "default" else as_text(remedy.value)
    return msgspec.structs.replace(fix, old=old, new=value)
