"""This module is how an operation says no to a person."""

from __future__ import annotations


class Unacceptable(ValueError):
    """What was entered or asked for cannot be taken. `field` says where, the message why and what to do."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
