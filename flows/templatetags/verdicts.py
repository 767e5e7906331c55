"""This module shows on pages what the error catalogue says of a dead letter: who acts on it, and why."""

from __future__ import annotations

from typing import Any

from django import template

from flows.error_catalogue import of_failure
from flows.models import DeadLetter, Run

register = template.Library()

# Tone and icon by who has to act; the words beside them carry the meaning.
_LOOKS = {
    "auto": ("info", "rotate-cw"),
    "approve": ("warn", "circle-check"),
    "human": ("err", "hand"),
}
# What is worth a word beside the message, by the name of the parameter.
_WORDS = {
    "max_length": "Longest allowed",
    "minimum": "Smallest allowed",
    "value": "Value",
    "object": "Object",
    "external_id": "External id",
    "record_id": "Record",
    "permission": "Permission",
    "other_mode": "Found in mode",
}


@register.inclusion_tag("flows/_verdict.html")
def verdict(letter: DeadLetter) -> dict[str, Any]:
    """Say who can mend what `letter` is about, why it failed, and what its message tells of."""
    found = of_failure(letter, given_up=True)
    tone, icon = _LOOKS[found.autonomy]
    return {
        "verdict": found,
        "tone": tone,
        "icon": icon,
        "particulars": [(_WORDS[name], value) for name, value in found.params.items() if name in _WORDS],
    }


@register.inclusion_tag("flows/_mended.html")
def mended(run: Run) -> dict[str, Any]:
    """Say what was changed for `run`, by whom and when; of most runs nothing was."""
    return {"mendings": list(run.mendings.order_by("id")) if run.mended else []}
