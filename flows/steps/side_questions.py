"""This module asks people about the two sides of a link, and says who changed them and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.agreeing.agreement import Agreement
from flows.engine.item import Item, Note
from flows.engine.outcome import AskHuman, Option
from flows.steps.two_way import TwoWay
from integrator.kernel.paths import quote

TAKE_STRIPE, TAKE_SALESFORCE = "stripe", "salesforce"
GO_ON, MAKE_AGAIN, LEAVE = "go_on", "make_again", "leave"
_MOST_NAMED = 5
_MOST_WRITES = 12

_CHOICES = (
    Option(TAKE_STRIPE, "Take Stripe's", "Salesforce gets the values that stand in Stripe."),
    Option(TAKE_SALESFORCE, "Take Salesforce's", "Stripe gets the values that stand in Salesforce."),
)
_GOING_ON = (Option(GO_ON, "Go on", "The values are written again, and counted anew."),)
_OF_A_DELETED = (
    Option(MAKE_AGAIN, "Make it again", "A new record is made in Salesforce."),
    Option(LEAVE, "Leave it deleted", "Nothing is written to it any more, unless it is restored."),
)


def which_is_right(agreement: Agreement, about: Mapping[str, Any], evidence: Mapping[str, Any]) -> AskHuman:
    """Ask which side is right in fields that both have changed."""
    record = agreement.record_id or agreement.external_id
    return AskHuman(
        f"{_listed(about)} of {record} and {agreement.stripe_id} changed on both sides. Which is right?",
        kind="conflict",
        options=_CHOICES,
        evidence=evidence,
    )


def goes_back_and_forth(
    agreement: Agreement, about: Sequence[str], settings: TwoWay, item: Item
) -> tuple[Note, AskHuman]:
    """Tell the administrators of a link that is held, and ask whether it may go on."""
    title = f"Values go back and forth: {agreement.object} {agreement.record_id} and {agreement.stripe_id}"
    text = (
        f"{_listed(about)} was written {settings.most_writes} times within {settings.within_minutes} "
        "minutes, with values that come back. Something else sets it too. The link is held until a person "
        "lets it go on."
    )
    key = f"loop:{agreement.object}:{agreement.external_id}:{item.run_id}"
    writes = [
        {"at": one.at.isoformat(), "field": one.about, "value": one.mark}
        for one in agreement.past[-_MOST_WRITES:]
        if one.about in about
    ]
    question = AskHuman(
        f"{title}. {text}",
        kind="loop",
        options=_GOING_ON,
        evidence={"link": [agreement.object, agreement.external_id], "writes": writes},
    )
    return Note(key, "loop", "warning", title, text), question


def shall_it_be_made_again(agreement: Agreement) -> AskHuman:
    """Ask what is to become of a record that was deleted in Salesforce."""
    return AskHuman(
        f"{agreement.object} {agreement.record_id}, which belongs to {agreement.stripe_id}, was deleted in "
        "Salesforce. Shall it be made again?",
        options=_OF_A_DELETED,
        evidence={"record": {"object": agreement.object, "id": agreement.record_id}},
    )


def changed_at(item: Item) -> datetime | None:
    """Return when the record that started the run was changed last, as far as it says so."""
    record = _record_of(item)
    stamp = record.get("LastModifiedDate") or record.get("SystemModstamp")
    try:
        return datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None


def changed_by(item: Item) -> str:
    """Return who changed the record that started the run last, as far as it says so."""
    record = _record_of(item)
    name = record.get("LastModifiedBy")
    known = name.get("Name") if isinstance(name, Mapping) else record.get("LastModifiedById")
    return known if isinstance(known, str) else ""


def touched_by_others(item: Item) -> frozenset[str]:
    """Return the paths of the fields that somebody has changed who is not us, as far as the event tells."""
    event = item.event
    if not event.record_id or event.ours:
        return frozenset()
    name = event.type.partition(".")[0]
    return frozenset(f"{name}{quote(field)}" for field in event.changed)


def _record_of(item: Item) -> Mapping[str, Any]:
    """Return the record that started the run, if one did."""
    found = (value for name, value in item.context.items() if name[:1].isupper() and isinstance(value, dict))
    return next(found, {})


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    short = [name.partition(".")[2] or name for name in names]
    more = len(short) - _MOST_NAMED
    return ", ".join(short[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def said(at: datetime | None) -> str | None:
    """Return a moment as a person reads it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else None
