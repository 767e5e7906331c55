"""This module says which edits of a draft there are, and reads them from what a browser or a program sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

STEP = r"^[a-z0-9_]{1,60}$"
MOST_AT_ONCE = 50

StepId = Annotated[str, Field(pattern=STEP, description="Id of a step.")]


class InvalidEdit(ValueError):
    """What was sent is no edit. `errors` holds a message for each place that is at fault."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{place}: {', '.join(told)}" for place, told in errors.items()))
        self.errors = errors


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class At(_Model):
    """A place for a step: within the flow or a step's exit, behind one of the steps that stand there."""

    parent: str = Field(default="", max_length=60, description="The step around it; empty: the flow itself.")
    exit: str = Field(default="", max_length=40, description="The exit of that step.")
    after: str | None = Field(
        default=None, max_length=60, description="The step before it; empty: it comes first; null: last."
    )


class AddStep(_Model):
    """Put a new step somewhere."""

    edit: Literal["add_step"]
    at: At = At()
    kind: str = Field(max_length=60, description="The step kind.")
    title: str = Field(default="", max_length=120, description="What people call the step.")
    settings: dict[str, Any] = Field(default={}, description="The kind's settings, finished or not.")


class MoveStep(_Model):
    """Put a step, with the steps behind its exits, somewhere else."""

    edit: Literal["move_step"]
    step: StepId
    at: At


class RemoveStep(_Model):
    """Take a step away, with the steps behind its exits."""

    edit: Literal["remove_step"]
    step: StepId


class DuplicateStep(_Model):
    """Put a copy of a step, with the steps behind its exits, below it."""

    edit: Literal["duplicate_step"]
    step: StepId


class PasteSteps(_Model):
    """Put steps somewhere that were copied as JSON, in this flow or in another."""

    edit: Literal["paste_steps"]
    at: At = At()
    steps: list[dict[str, Any]] = Field(
        min_length=1, max_length=200, description="The steps, as documents have them."
    )


class SetSettings(_Model):
    """Replace the settings of a step."""

    edit: Literal["set_settings"]
    step: StepId
    settings: dict[str, Any] = Field(description="The kind's settings, finished or not.")


class SetTitle(_Model):
    """Call a step something."""

    edit: Literal["set_title"]
    step: StepId
    title: str = Field(
        max_length=120, description="What people call the step; empty: what its kind is called."
    )


class SetTrigger(_Model):
    """Replace what starts the flow."""

    edit: Literal["set_trigger"]
    trigger: dict[str, Any] = Field(description="The trigger, as documents have it, finished or not.")


class Rename(_Model):
    """Call the flow something."""

    edit: Literal["rename"]
    name: str = Field(max_length=100, description="What people call the flow.")
    description: str | None = Field(
        default=None, max_length=1000, description="What it is for; null: as it was."
    )


class SetLine(_Model):
    """Fill a field of a map step; a line of that field is replaced where it stands."""

    edit: Literal["set_line"]
    step: StepId
    line: dict[str, Any] = Field(description="The mapping line, finished or not.")
    was: str = Field(
        default="", max_length=200, description="The field of the line that it replaces, if another."
    )
    index: int | None = Field(default=None, ge=0, le=1000, description="Where a new line stands; null: last.")


class RemoveLine(_Model):
    """Fill a field of a map step no more."""

    edit: Literal["remove_line"]
    step: StepId
    field: str = Field(max_length=200, description="The field of the line.")


class MoveLine(_Model):
    """Put a line of a map step somewhere else."""

    edit: Literal["move_line"]
    step: StepId
    field: str = Field(max_length=200, description="The field of the line.")
    index: int = Field(ge=0, le=1000, description="Its place among the lines, from 0.")


# What only the history of a draft says.


class Insert(_Model):
    """Put whole steps somewhere, with the ids that they have."""

    edit: Literal["insert"]
    at: At
    steps: list[dict[str, Any]]


class Replace(_Model):
    """Put another document in place of the whole draft."""

    edit: Literal["replace"]
    document: dict[str, Any]


Edit = (
    AddStep
    | MoveStep
    | RemoveStep
    | DuplicateStep
    | PasteSteps
    | SetSettings
    | SetTitle
    | SetTrigger
    | Rename
    | SetLine
    | RemoveLine
    | MoveLine
)
Kept = Edit | Insert | Replace

_SENT: TypeAdapter[list[Edit]] = TypeAdapter(list[Annotated[Edit, Field(discriminator="edit")]])
_KEPT: TypeAdapter[list[Kept]] = TypeAdapter(list[Annotated[Kept, Field(discriminator="edit")]])


def read(raw: Any) -> list[Edit]:
    """
    Return the edits in `raw`, a list of objects as JSON has them.

    :raises InvalidEdit: if it is no such list, or it is empty or too long
    """
    try:
        found = _SENT.validate_python(raw)
    except ValidationError as error:
        raise InvalidEdit(_errors(error)) from None
    if not 1 <= len(found) <= MOST_AT_ONCE:
        raise InvalidEdit({"edits": [f"Send 1 to {MOST_AT_ONCE} edits at once."]})
    return found


def kept(raw: Any) -> list[Kept]:
    """Return the edits that the history holds."""
    return _KEPT.validate_python(raw)


def plain(edits: Sequence[Kept]) -> list[dict[str, Any]]:
    """Return `edits` as JSON has them."""
    return [edit.model_dump(mode="json") for edit in edits]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a list of edits."""
    return _SENT.json_schema()


def _errors(error: ValidationError) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(["edits", *map(str, detail["loc"])])
        errors.setdefault(place, []).append(detail["msg"])
        if len(errors) >= 20:  # more would only repeat what is wrong with all of them
            break
    return errors
