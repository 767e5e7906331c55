"""This module says how things look to people: word, icon and tone of each state, money, JSON as a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from babel.numbers import format_currency, get_currency_symbol

from flows.models import Run
from integrator.kernel.money import UnknownCurrency, currency_of, to_major


@dataclass(frozen=True, slots=True)
class Look:
    """How one state is shown: never by its colour alone."""

    label: str
    tone: str = ""  # ok, err, warn, info, or nothing for neutral
    icon: str = "circle-dashed"


LOOKS: dict[str, Look] = {
    # fates of events and runs
    "applied": Look("Applied", "ok", "check"),
    "queued": Look("Queued", "info", "clock"),
    "waiting": Look("Waiting", "warn", "hand"),
    "ignored": Look("Ignored", "", "minus"),
    "superseded": Look("Superseded", "", "layers"),
    "echo": Look("Echo", "", "repeat"),
    "refused": Look("Refused", "err", "ban"),
    "dead": Look("Dead letter", "err", "circle-x"),
    "discarded": Look("Discarded", "", "trash-2"),
    # states of runs beyond their fate
    "retrying": Look("Retrying", "info", "rotate-cw"),
    # states of connections
    "active": Look("Active", "ok", "check"),
    "paused": Look("Paused", "warn", "pause"),
    "resting": Look("Resting", "warn", "moon"),
    # what is listened to
    "heard": Look("Listening", "ok", "check"),
    "idle": Look("Waits", "", "clock"),
    "unheard": Look("Nobody listens", "err", "circle-x"),
    "stopped": Look("Stopped", "err", "octagon-x"),
    # what is asked for, and compared
    "asked": Look("Asked for", "ok", "check"),
    "comparing": Look("Under way", "info", "rotate-cw"),
    "ended": Look("Stopped", "", "minus"),
    "failed": Look("Failed", "err", "circle-x"),
    # what one try of a run came to
    "done": Look("Done", "ok", "check"),
    "retry": Look("Tried again", "info", "rotate-cw"),
    "ask": Look("Asked a person", "warn", "hand"),
    "pause": Look("Paused", "warn", "pause"),
    "gave up": Look("Gave up", "err", "circle-x"),
    # alerts
    "critical": Look("Critical", "err", "octagon-x"),
    "warning": Look("Warning", "warn", "triangle-alert"),
    "info": Look("Information", "info", "info"),
    "over": Look("Over", "ok", "check"),
    "sent": Look("Sent", "ok", "check"),
    "given_up": Look("Given up", "err", "circle-x"),
    "acknowledged": Look("Acknowledged", "", "eye"),
    "muted": Look("Muted", "", "moon"),
    # payments
    "payment_confirmed": Look("In Salesforce", "ok", "check"),
    "payment_under_way": Look("Under way", "info", "clock"),
    "payment_waiting": Look("Waiting for a person", "warn", "hand"),
    "payment_dead": Look("Dead letter", "err", "circle-x"),
    "payment_left_out": Look("Left out", "warn", "minus"),
    # flows
    "on": Look("On", "ok", "play"),
    "off": Look("Off", "", "pause"),
    "none": Look("Not deployed", "", "circle-dashed"),
}

# How an event came in: not to be mixed up with Stripe's live and test mode.
ORIGINS = {
    "live": "Delivered as it happened",
    "walk": "Found in Stripe's list of events",
    "sweep": "Found by comparing both systems",
    "import": "Imported",
    "replay": "Replayed",
    "manual": "Entered by a person",
}

# Levels of Django's messages framework, and of `integrator.web.refuse`.
TONES = {"debug": "info", "info": "info", "success": "ok", "warning": "warn", "error": "err"}
TONE_ICONS = {"ok": "circle-check", "err": "circle-x", "warn": "triangle-alert", "info": "info"}


def look_of(key: str) -> Look:
    """Return how the state `key` is shown; one that nobody has described shows its own name."""
    return LOOKS.get(key) or Look(key.replace("_", " ").capitalize() or "Unknown")


def state_of(run: Run) -> str:
    """Return the key under which the state of `run` is shown: its fate, or that it is tried again."""
    return "retrying" if run.state == Run.State.RETRYING else str(run.fate)


def money(amount: int, currency: str) -> str:
    """
    Write `amount`, in minor units of `currency`, as people read it.

    The number of decimals is Stripe's. A currency that nobody knows keeps its minor units.
    """
    try:
        decimals = currency_of(currency).exponent
        value = to_major(amount, currency)
    except UnknownCurrency:
        return f"{amount:,} {currency.upper()} (minor units)"
    # A symbol that is a code keeps its distance: KWD 1.250 but €1.25.
    gap = "\u00a0" if get_currency_symbol(currency.upper(), locale="en")[-1:].isalpha() else ""
    pattern = f"¤{gap}#,##0" + ("." + "0" * decimals if decimals else "")
    return format_currency(value, currency.upper(), pattern, locale="en", currency_digits=False)


# JSON as a tree that folds

MOST_CHILDREN = 200
DEEPEST = 24
LONGEST = 2000


@dataclass(slots=True)
class Node:
    """One value of a JSON document; `children` for an object or a list."""

    key: str = ""
    kind: str = "null"  # object, list, text, number, boolean, null, more
    text: str = ""
    open: bool = False
    children: list[Node] = field(default_factory=list)


def tree_of(value: Any, *, key: str = "", depth: int = 0) -> Node:
    """Return `value` as a tree of what is to be shown. What is too deep, long or many is cut and says so."""
    if isinstance(value, (Mapping, list, tuple)) and depth >= DEEPEST:
        return Node(key, "more", "nested too deeply to show")
    if isinstance(value, Mapping):
        children = _children(((str(name), child) for name, child in value.items()), len(value), depth)
        return Node(key, "object", f"{len(value)}", depth < 2 and len(value) <= 24, children)
    if isinstance(value, (list, tuple)):
        children = _children(((str(place), child) for place, child in enumerate(value)), len(value), depth)
        return Node(key, "list", f"{len(value)}", depth < 2 and len(value) <= 8, children)
    return _leaf(value, key)


def _children(pairs: Iterable[tuple[str, Any]], size: int, depth: int) -> list[Node]:
    shown = [
        tree_of(child, key=name, depth=depth + 1)
        for _, (name, child) in zip(range(MOST_CHILDREN), pairs, strict=False)
    ]
    if size > MOST_CHILDREN:
        shown.append(Node("", "more", f"and {size - MOST_CHILDREN:,} more"))
    return shown


def _leaf(value: Any, key: str) -> Node:
    if value is None:
        return Node(key, "null", "null")
    if isinstance(value, bool):
        return Node(key, "boolean", "true" if value else "false")
    if isinstance(value, (int, float)):
        return Node(key, "number", str(value))
    text = str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} characters)"
    return Node(key, "text", text)
