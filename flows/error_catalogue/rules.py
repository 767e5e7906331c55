"""
This module reads the tables of the catalogue.

A row is `keys | class | action | autonomy | explanation | suggestion | name: pattern`. The keys are codes, or
HTTP statuses such as `503` and `5xx`, or `*` where only the message tells. The last column is for rules that
hold only for messages in which the pattern is found, in any case of its letters.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flows.error_catalogue.policy import ACTIONS, AUTONOMIES, Autonomy

CLASSES: dict[str, str] = {
    "transient": "It may well work later",
    "rate_limit": "The API budget is spent",
    "lock": "Another change holds the record",
    "auth": "The credential is not accepted",
    "permission": "A permission is missing",
    "schema": "The org's fields or objects differ from what the flow expects",
    "data": "A value is not acceptable",
    "missing_ref": "A record that is referred to is not there",
    "duplicate": "Several records fit",
    "declined": "The bank said no",
    "conflict": "The record is in a state that forbids the change",
    "too_large": "Too much at once",
    "unknown": "Nobody has explained this failure yet",
    "internal": "A fault of this product",
}

WAIT = (
    "Nothing needs to be done: it is tried again by itself. Retry it now if the other system has recovered."
)
ACCESS = "Give the integration user edit access to {field} (permission set Stripe_Integration), then retry."

_COLUMNS = 6


class Rule(NamedTuple):
    """What one row says. `{field}` in its texts stands for the field at fault."""

    id: str
    error_class: str
    action: str
    autonomy: Autonomy
    explanation: str
    suggestion: str
    says: re.Pattern[str] | None = None

    def fits(self, message: str) -> bool:
        """Tell whether the rule holds for `message`."""
        return self.says is None or self.says.search(message) is not None


Rules = dict[str, tuple[Rule, ...]]


def read(system: str, table: str) -> Rules:
    """
    Return the rules of `table` by their keys, those for certain messages before those for any.

    :raises ValueError: if a row names a class, an action or an autonomy that there is not
    """
    rules: Rules = {}
    for line in filter(None, table.splitlines()):
        keys, error_class, action, autonomy, explanation, suggestion, *rest = (
            part.strip() for part in line.split("|", _COLUMNS)
        )
        if error_class not in CLASSES or action not in ACTIONS or autonomy not in AUTONOMIES:
            raise ValueError(f"There is no such class, action or autonomy: {line[:120]}")
        name, _, pattern = rest[0].partition(":") if rest else ("", "", "")
        says = re.compile(pattern.strip(), re.IGNORECASE) if pattern else None
        suggestion = suggestion.replace("{wait}", WAIT).replace("{access}", ACCESS)
        for key in keys.split():
            id = ".".join(filter(None, (system, key, name.strip())))
            rule = Rule(id, error_class, action, autonomy, explanation, suggestion, says)
            rules[key] = (*rules.get(key, ()), rule)
    return {key: tuple(sorted(found, key=lambda rule: rule.says is None)) for key, found in rules.items()}
