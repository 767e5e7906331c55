"""This module says in one line what a step of a published flow does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.stripe.operations import ACTS
from flows.mapping.conditions import OPERATORS

Settings = Mapping[str, Any]

# What the exits are called that have the same name in every flow; the others are named by their authors.
EXITS = {
    "approved": "if it is approved",
    "came": "if it comes",
    "compensated": "if it was undone",
    "declined": "if it is declined",
    "done": "if all of it is done",
    "each": "for each element",
    "error": "if it fails",
    "found": "if one is found",
    "none": "if there is none",
    "in_time": "when it is time",
    "next": "if it is there",
    "otherwise": "all others",
    "expired": "if nobody decides in time",
    "far": "if it is too far ahead",
    "over": "if there is no room",
    "past": "if it has passed",
    "taken": "steps of the sub-flow",
    "timeout": "if time is up",
    "try": "together",
    "too_many": "if there are too many",
    "within": "if there is room",
}


def summary_of(kind: str, settings: Settings) -> str:
    """Return what a step of `kind` with `settings` does; nothing where its title says enough."""
    if (say := _SUMMARIES.get(kind)) is not None:
        return say(settings)
    for name in ("when", "condition", "if", "keep"):
        if isinstance(settings.get(name), Mapping):
            return condition_in_words(settings[name])
    if not {"path", "all", "any"}.isdisjoint(settings):
        return condition_in_words(settings)
    return str(settings.get("reason", ""))


def only_if(document: Mapping[str, Any]) -> str:
    """Return what must hold of the record that starts the flow of `document`; nothing where any will do."""
    trigger = document.get("trigger")
    when = trigger.get("when") if isinstance(trigger, Mapping) else None
    filled = {name: part for name, part in when.items() if part} if isinstance(when, Mapping) else {}
    try:
        return condition_in_words(filled) if filled else ""
    except (AttributeError, KeyError, TypeError):  # of a draft it may have any shape
        return ""


def condition_in_words(condition: Mapping[str, Any]) -> str:
    """Say a condition as a person would: "charge.status is succeeded"."""
    for name, joint in (("all", " and "), ("any", " or ")):
        if isinstance(condition.get(name), list):
            return joint.join(condition_in_words(part) for part in condition[name])
    operator = str(condition.get("is", ""))
    words = OPERATORS.get(operator, operator.replace("_", " "))
    value = condition.get("value")
    wanted = ", ".join(map(_plain, value)) if isinstance(value, list) else _plain(value)
    return " ".join(part for part in (_paths(condition.get("path")), words, wanted) if part)


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def as_paths(value: Any) -> Sequence[str]:
    """Return the paths of a setting, which may be one or several."""
    if isinstance(value, str):
        return [value]
    return [str(path) for path in value] if isinstance(value, list) else []


def _paths(value: Any) -> str:
    return " or ".join(as_paths(value))


def _saved(settings: Settings) -> str:
    by = settings.get("external_id")
    return f"{settings.get('object', '')}{f' by {by}' if by else ''}"


def _updated(settings: Settings) -> str:
    return _said(str(settings.get("object", "")), " by ", _paths(settings.get("id")))


def _created(settings: Settings) -> str:
    return _said(str(settings.get("object", "")), ": ", str(settings.get("purpose", "")))


def _said(what: str, joint: str, how: str) -> str:
    """Join two parts of a summary; of a step that is unfinished, either may be missing."""
    return joint.join(part for part in (what, how) if part)


def _found(settings: Settings) -> str:
    ways = [way for way in settings.get("by", []) if isinstance(way, Mapping)]
    return f"{settings.get('object', '')} by {', then by '.join(_way(way) for way in ways)}"


def _way(way: Settings) -> str:
    if way.get("kind") == "link":
        return f"the link of {_paths(way['from'])}" if way.get("from") else "its link"
    return f"{way.get('field', 'Id')} from {_paths(way.get('from'))}"


def _found_in_stripe(settings: Settings) -> str:
    key = str(settings.get("key", ""))
    by = f"metadata {key}".strip() if settings.get("by") == "metadata" else str(settings.get("field", ""))
    found = _said(str(settings.get("object", "")), " by ", by)
    return _said(found, " from ", _paths(settings.get("value")))


def _acted(settings: Settings) -> str:
    act = ACTS.get(str(settings.get("act")))
    return _said(act.label if act else str(settings.get("act", "")), ": ", _paths(settings.get("id")))


def _converted(settings: Settings) -> str:
    return f"{_paths(settings.get('amount'))} into {settings.get('into', '')}"


def _started(settings: Settings) -> str:
    direct = settings.get("through") == "direct"
    return f"{settings.get('flow', '')}{', called directly' if direct else ''}"


def _waited(settings: Settings) -> str:
    if until := _paths(settings.get("until")):
        return f"until {until}"
    return _span(settings)


def _awaited(settings: Settings) -> str:
    types, key = " or ".join(as_paths(settings.get("types"))), str(settings.get("key", ""))
    by = _said(key, " is ", _paths(settings.get("equals")))
    return _said(_said(types, " whose ", by), ", at most ", _span(settings))


def _named(rows: Any, name: str) -> str:
    named = (
        [str(row.get(name, "")) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    )
    return ", ".join(one for one in named if one)


def _span(settings: Settings) -> str:
    spans = ((settings.get(unit, 0), unit) for unit in ("days", "hours", "minutes"))
    return ", ".join(f"{span} {unit if span != 1 else unit[:-1]}" for span, unit in spans if span)


def _listed(settings: Settings) -> str:
    where = [one for one in settings.get("where", []) if isinstance(one, Mapping)]
    joint = " or " if settings.get("match") == "any" else " and "
    wanted = joint.join(_compared(one) for one in where)
    return _said(str(settings.get("object", "")), " whose ", wanted)


def _compared(one: Settings) -> str:
    plain = {"path": one.get("field"), "is": one.get("is", "equal"), "value": one.get("value")}
    return _said(condition_in_words(plain), " ", _paths(one.get("from")))


def _throttled(settings: Settings) -> str:
    if not settings.get("limit"):
        return ""
    every, unit = settings.get("every", 1), str(settings.get("unit", "hour"))
    per = f"{settings['limit']} in {every} {unit}{'' if every == 1 else 's'}"
    return _said(per, " for each ", _paths(settings.get("key")))


def _calmed(settings: Settings) -> str:
    if not settings.get("quiet"):
        return ""
    quiet, unit = settings["quiet"], str(settings.get("unit", "second"))
    calm = f"the last, once it is quiet for {quiet} {unit}{'' if quiet == 1 else 's'}"
    return _said(calm, ", for each ", _paths(settings.get("key")))


def _taken(settings: Settings) -> str:
    if not settings.get("flow"):
        return ""
    return _said(str(settings["flow"]), ", version ", str(settings.get("version") or ""))


_SUMMARIES: dict[str, Callable[[Settings], str]] = {
    "salesforce.upsert": _saved,
    "salesforce.update": _updated,
    "salesforce.create": _created,
    "salesforce.find": _found,
    "salesforce.recognise": lambda settings: f"Is the customer one of the {settings.get('object', '')}s?",
    "salesforce.query": lambda settings: str(settings.get("soql", "")),
    "salesforce.start_flow": _started,
    "salesforce.publish": lambda settings: str(settings.get("event", "")),
    "stripe.retrieve": lambda settings: f"{settings.get('type', '')} {_paths(settings.get('id'))}",
    "salesforce.list": _listed,
    "stripe.list": _listed,
    "stripe.find": _found_in_stripe,
    "stripe.create": _created,
    "stripe.update": _updated,
    "stripe.act": _acted,
    "currency.convert": _converted,
    "switch": lambda settings: f"by {_paths(settings.get('path'))}",
    "for_each": lambda settings: f"element of {_paths(settings.get('list'))}",
    "ask": lambda settings: str(settings.get("question", "")),
    "approval": lambda settings: str(settings.get("question", "")),
    "alert": lambda settings: str(settings.get("title", "")),
    "parallel": lambda settings: _named(settings.get("branches"), "exit"),
    "scope": lambda settings: _said("undoes ", "", _named(settings.get("undo"), "step")),
    "sub_flow": _taken,
    "wait": _waited,
    "throttle": _throttled,
    "debounce": _calmed,
    "wait_for_event": _awaited,
}
