"""This module holds the chip that works a value out by an expression."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from flows.mapping import expressions
from flows.mapping.budgets import LONGEST
from flows.mapping.chip import Chip, Transform
from flows.mapping.failure import MappingFailed, Notes, quoted
from flows.mapping.reading import Context
from flows.mapping.widgets import shown


class Expression(Chip):
    """Work the value out by an expression, in which `value` is the value so far."""

    label: ClassVar[str] = "Expression"
    takes_empty: ClassVar[bool] = True

    chip: Literal["expression"]
    text: str = Field(
        json_schema_extra=shown("Expression"),
        min_length=1,
        max_length=LONGEST,
        description="The expression, in CEL.",
    )
    gives: Literal["as_it_is", "number"] = Field(
        json_schema_extra=shown("Result", words={"as_it_is": "As it is", "number": "An exact number"}),
        default="as_it_is",
        description="What the result is written as: as it is, or a text such as 19.99 as an exact number.",
    )

    @field_validator("text")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        expressions.parse(text)  # raises a ValueError that says where
        return text

    def sources(self) -> list[str]:
        """Return the paths that the expression names."""
        return expressions.parse(self.text).paths

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        expression = expressions.parse(self.text)
        wants_number = self.gives == "number"

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            found = expression.evaluate(context, value, field)
            return _number(found, field) if wants_number and type(found) is str else found

        return transform


def _number(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise MappingFailed(field, "not_a_number", f"{quoted(text)} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise MappingFailed(field, "not_a_number", f"{quoted(text)} is not a number that a field can hold")
    return number
