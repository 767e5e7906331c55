"""This module says what a chip is: one small change that a mapping line makes to a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from flows.mapping.failure import MappingFailed, Notes, quoted
from flows.mapping.reading import Context
from flows.mapping.widgets import by_its_label

# What a chip is compiled to. None stands for empty.
Transform = Callable[[Any, Context, Notes], Any]


class Chip(BaseModel, ABC):
    """One change of a value. The docstring of a subclass is its help text."""

    model_config = ConfigDict(json_schema_extra=by_its_label(), extra="forbid", frozen=True)

    label: ClassVar[str]
    takes_empty: ClassVar[bool] = False  # others are skipped where there is no value

    chip: str

    def sources(self) -> list[str]:
        """Return the paths that the value itself may come from, beside those of the line."""
        return []

    def reads(self) -> list[str]:
        """Return every path that the chip looks at."""
        return self.sources()

    @abstractmethod
    def compile(self, field: str) -> Transform:
        """Return the chip as a function; it raises nothing but `MappingFailed` for `field`."""


def text_of(value: Any, field: str) -> str:
    """
    Return `value` as JSON would write it, since that is how people see it in Stripe.

    :raises MappingFailed: if it is an object, a list, or a number of hundreds of digits
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)) or (isinstance(value, int) and value.bit_length() > 1000):
        raise MappingFailed(field, "not_a_value", f"{quoted(value)} is not one value")
    return str(value)
