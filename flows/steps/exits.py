"""This module holds the exits that a flow's author names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import StringConstraints

ExitName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]

_TAKEN = frozenset({"error"})  # the engine's own exit for what fails


def check_names(names: Sequence[str]) -> None:
    """
    Refuse exits that cannot be told apart.

    :raises ValueError: if two have one name, or one has a name of the engine's
    """
    if len(set(names)) < len(names):
        raise ValueError("Two exits have the same name")
    if taken := _TAKEN.intersection(names):
        raise ValueError(f"No exit may be called {', '.join(taken)}")
