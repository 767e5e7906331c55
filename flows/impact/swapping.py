"""This module exchanges a name or a path in the settings of a step, wherever it stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def swapped(value: Any, old: str, new: str) -> Any:
    """Return `value` with `new` in place of `old`: a text, the beginning of a path, a word."""
    if isinstance(value, str):
        return _in_text(value, old, new)
    if isinstance(value, Mapping):
        return {name: swapped(part, old, new) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [swapped(part, old, new) for part in value]
    return value


def _in_text(text: str, old: str, new: str) -> str:
    if text == old:
        return new
    if text.startswith((f"{old}.", f"{old}[")):
        return new + text[len(old) :]
    if not re.search(r"[\s{(]", text):
        return text  # a name or a path, and another one
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", lambda _: new, text)
