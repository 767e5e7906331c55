"""
This module lets a person edit a copy of the object that an event of Stripe carries.

The event stays as it came: what is kept is which places were changed, sealed as events are. Secrets are
masked in the text that is edited, and a mask that is left alone stands for what is behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from connectors.models import Connection
from connectors.stripe.roots import root_of
from flows import mended, payloads
from flows.engine import edits
from flows.engine.edits import ABSENT, Change, Edit, changes_between, lay_over, path_of
from flows.models import AppliedVersion, DeadLetter, Effect
from flows.steps import mendable
from integrator import vault
from integrator.kernel.redact import MASK, redact
from integrator.kernel.refusals import Unacceptable
from integrator.kernel.texts import storable

LARGEST = 200_000  # characters of the text
DEEPEST = 32
MOST_CHANGES = 200
LONGEST_NUMBER = 100  # characters of a fraction
LARGEST_EXPONENT = 60  # of a fraction; a larger one would be written out with as many digits
LONGEST_REASON = 400
FIXED = ("id", "object", "livemode", "created")  # they say which object it is, and when it was so


class NotEditable(Exception):
    """There is no object to edit. The message says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Editable:
    """The object of an event: as it came, and as the text that a person edits, earlier edits included."""

    found: Mapping[str, Any]
    edited: Mapping[str, Any]
    original: str  # as text, with secrets masked
    text: str


def editable(letter: DeadLetter) -> Editable:
    """
    Return what can be edited for `letter`.

    :raises NotEditable: if nothing can
    """
    event = letter.event
    if letter.run is None:
        raise NotEditable("No flow has taken this event up, so an edited copy would be of no use.")
    if event.connection.system != Connection.System.STRIPE:
        raise NotEditable(
            "An event of Salesforce only names its record, which is read anew: correct it there, then retry."
        )
    if _was_done(event.pk):
        raise NotEditable(
            "Something that may happen only once was done for this event already, and an edited copy might "
            "do it a second time. Approve what would help, or correct the object in Stripe, then retry."
        )
    try:
        payload = payloads.open_body(event.body, connection_id=event.connection_id)
        found = payloads.object_of(payload)
    except payloads.Unreadable as failure:
        raise NotEditable(str(failure)) from None
    if payloads.is_thin(payload) or "object" not in found:
        raise NotEditable(
            "The event only names its object, which is read anew: correct it in Stripe, then retry."
        )
    edited = _edited(letter.run.pk, found)
    original, text = _as_text(found), _as_text(edited)
    if len(text) > LARGEST:
        raise NotEditable(
            f"The object is larger than {LARGEST:,} characters, which is too much to edit here."
        )
    return Editable(found, edited, original, text)


def _was_done(event_id: int) -> bool:
    """Tell whether a call that is not idempotent was made for the event, or may have been."""
    not_made = (Effect.State.PLANNED, Effect.State.REFUSED, Effect.State.SKIPPED)
    return Effect.objects.filter(run__event=event_id).exclude(state__in=not_made).exists()


def _edited(run_id: int, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object as it was edited for the run before, if it was."""
    try:
        known = mended.of([run_id]).get(run_id, mended.NOTHING)
    except vault.Unreadable:
        return found
    kind = str(found["object"])
    laid: Mapping[str, Any] = lay_over(known.edits, {kind: found})[0][kind]
    return laid


def _as_text(value: Mapping[str, Any]) -> str:
    return msgspec.json.format(edits.EXACT.encode(redact(value)), indent=2).decode()


def edit_of(
    letter: DeadLetter, text: str, *, reason: str = "", may_edit_money: bool = False, actor: str = ""
) -> Edit:
    """
    Return what `text` changes in the object of the event of `letter`.

    :raises NotEditable: if there is no object to edit
    :raises Unacceptable: if the text cannot be read, changes what must stay, or nothing; or if it changes an
        amount or a currency, and that is not allowed or has no `reason`
    """
    known = editable(letter)
    edited = _restored(_read(text), redact(known.edited), known.edited)
    changes = tuple(changes_between(known.found, edited))
    _check(known.found, edited, changes)
    _check_identity(letter, changes)
    if money := money_in(changes):
        _check_money(money, reason, may_edit_money)
    if len(reason) > LONGEST_REASON:
        raise Unacceptable(f"The reason has at most {LONGEST_REASON} characters.", field="reason")
    return Edit(str(known.found["object"]), str(known.found.get("id")), changes, actor)


def money_in(changes: Sequence[Change]) -> list[str]:
    """Return the paths among `changes` that hold an amount or a currency, by their names."""
    return [change.told for change in changes if change.is_of_money]


def _read(text: str) -> Any:
    if len(text) > LARGEST:
        raise Unacceptable(f"The text has more than {LARGEST:,} characters.", field="text")
    found = _parsed(text)
    if not isinstance(found, dict):
        raise Unacceptable("The text has to be an object: it begins with { and ends with }.", field="text")
    if _depth(found) > DEEPEST:
        raise Unacceptable(f"It is nested deeper than {DEEPEST} levels.", field="text")
    if any(storable(one) != one for one in _texts_in(found)):
        message = "It has a character that cannot be kept: a NUL, or half of one (\\u0000, \\ud800)."
        raise Unacceptable(message, field="text")
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_named_once, parse_constant=_no_number, parse_float=_fraction
        )
    except json.JSONDecodeError as failure:
        message = f"Line {failure.lineno}, column {failure.colno}: {failure.msg}."
        raise Unacceptable(message, field="text") from None
    except RecursionError:
        raise Unacceptable(f"It is nested deeper than {DEEPEST} levels.", field="text") from None
    except Unacceptable:
        raise
    except ValueError:  # of a number with thousands of digits
        raise Unacceptable("A number in it is too large.", field="text") from None


def _texts_in(value: Any) -> Iterator[str]:
    """Yield every name and text in `value`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def _fraction(text: str) -> Decimal:
    """Return a fraction as exactly as events have it."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # its exponent itself is too large
        number = Decimal("Infinity")
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT or len(text) > LONGEST_NUMBER:
        raise Unacceptable(f"{text[:40]} is too large, too small or too long a number.", field="text")
    return number


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Unacceptable(f"The name {twice[:80]} stands twice in one object.", field="text")
    return dict(pairs)


def _no_number(word: str) -> Any:
    raise Unacceptable(f"{word} is no number of JSON.", field="text")


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        depth += 1
        inner = [
            list(one.values()) if isinstance(one, dict) else one
            for one in level
            if isinstance(one, dict | list)
        ]
        level = [one for several in inner for one in several if isinstance(one, dict | list)]
    return depth


def _restored(edited: Any, shown: Any, found: Any) -> Any:
    """Return `edited` with what stands behind every mask that was left alone."""
    if edited == shown:
        return found
    if isinstance(edited, dict) and isinstance(shown, dict) and isinstance(found, Mapping):
        return {
            name: _restored(value, shown.get(name), found.get(name))
            if name in shown and name in found
            else value
            for name, value in edited.items()
        }
    lists = isinstance(edited, list) and isinstance(shown, list) and isinstance(found, list)
    if lists and len(edited) == len(shown) == len(found):
        return [_restored(*three) for three in zip(edited, shown, found, strict=True)]
    return edited


def _is_masked(value: Any) -> bool:
    return any(MASK in text for text in _texts_in(value))


def _check(found: Mapping[str, Any], edited: Mapping[str, Any], changes: Sequence[Change]) -> None:
    if not changes:
        raise Unacceptable("Nothing was changed.", field="text")
    masked = next((one for one in changes if _is_masked(one.after) and not _is_masked(one.before)), None)
    if masked is not None:
        where = path_of(masked.path)[:100]
        message = f"In {where} a mask ({MASK}) stands elsewhere than before, so a secret would be lost. "
        raise Unacceptable(
            f"{message}Write the value itself, or leave the list as long as it was.", field="text"
        )
    if len(changes) > MOST_CHANGES:
        raise Unacceptable(f"More than {MOST_CHANGES} places were changed.", field="text")
    fixed = next((path_of(change.path) for change in changes if _is_fixed(change.path)), "")
    if fixed:
        message = f"{fixed} says which object this is, so it stays as it came."
        raise Unacceptable(message, field="text")
    try:
        moved = root_of(found) != root_of(edited)
    except ValueError:
        moved = False
    if moved:
        message = "This change would make it part of another payment or customer, so it is not taken."
        raise Unacceptable(message, field="text")


def _is_fixed(path: Sequence[str | int]) -> bool:
    return path[-1] == "id" or (len(path) == 1 and path[0] in FIXED)


def _check_identity(letter: DeadLetter, changes: Sequence[Change]) -> None:
    """Refuse what would write to another record than was written to, or do once more what is done once."""
    run = letter.run
    assert run is not None
    written = AppliedVersion.objects.filter(flow=run.flow_id, pair=run.pair_id, event=run.event_id).exists()
    names = mendable.identifying(run.version.document, records=written)
    wrong = next((change for change in changes if not names.isdisjoint(change.names)), None)
    if wrong is not None:
        told = path_of(wrong.path)[:100]
        message = f"The flow finds by {told} what it has written or does only once, so it stays as it came."
        raise Unacceptable(message, field="text")


def _check_money(paths: Sequence[str], reason: str, may_edit_money: bool) -> None:
    named = ", ".join(paths[:3])
    if not may_edit_money:
        message = f"Amounts and currencies ({named}) are changed by an administrator alone."
        raise Unacceptable(message, field="text")
    if not reason.strip():
        message = f"Say why amounts or currencies ({named}) are changed: it is kept in the audit trail."
        raise Unacceptable(message, field="reason")


@dataclass(frozen=True, slots=True)
class Difference:
    """One changed place as a page shows it."""

    path: str
    before: str
    after: str
    money: bool


def differences(changes: Sequence[Change]) -> list[Difference]:
    """Return `changes` for people: JSON in short, secrets masked."""
    money = set(money_in(changes))
    return [
        Difference(
            change.told, _shown(change.before, change), _shown(change.after, change), change.told in money
        )
        for change in changes
    ]


def _shown(value: Any, change: Change) -> str:
    if value is ABSENT:
        return ""
    name = next((one for one in reversed(change.path) if isinstance(one, str)), "")
    return edits.EXACT.encode(redact({name: value})[name]).decode()[:300]
