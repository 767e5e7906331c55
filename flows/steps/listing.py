"""This module is what the steps share that read several records as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from flows.engine.kind import Answer
from flows.engine.outcome import Done, Failure, GiveUp
from flows.mapping.conditions import Scalar
from flows.mapping.reading import Context, Paths, Read, first_of
from flows.mapping.widgets import shown

MOST = 1_000  # as many as a for-each goes through

TOO_MANY = "too_many"

Beyond = Annotated[
    Literal["exit", "first", "fail"],
    Field(
        json_schema_extra=shown(
            "If there are more",
            words={"exit": "Go another way", "first": "Take the first", "fail": "Fail"},
        ),
        description="What happens if there are more: the run goes another way (too many), takes the first of "
        "them in their order, or fails. A list is never cut silently.",
    ),
]
Limit = Annotated[
    int,
    Field(
        json_schema_extra=shown("At most"),
        ge=1,
        le=MOST,
        description="How many there may be.",
    ),
]


Sources = Annotated[
    Paths,
    Field(
        json_schema_extra=shown(
            "Read from", offers="paths", add="Add a fallback", either=("Compared with", "A value of the run")
        ),
        description="Where the value is read. Without one, nothing is asked and nothing is found.",
    ),
]
Fixed = Annotated[
    Scalar | list[Scalar],
    Field(
        json_schema_extra=shown(
            "Fixed value",
            add="Add a value",
            either=("Compared with", "The same always"),
            several_if={"is": ["in", "not_in"]},
        ),
        description="A fixed value, instead of one that is read.",
    ),
]
_NONE: tuple[Any, ...] = (None, "", [])


def is_one_of_them(sources: Sequence[str], fixed: Any) -> None:
    """
    Refuse what is not compared with anything, or with two things.

    :raises ValueError: if neither is given, or both
    """
    if bool(sources) is (fixed not in _NONE):
        raise ValueError("Say either where the value is read, or what it is")


def reader(sources: Sequence[str], fixed: Any) -> Read:
    """Return what reads the value; none, an empty text and an empty list are no value."""
    read: Read = first_of(sources) if sources else lambda _context: fixed

    def value(context: Context) -> Any:
        found = read(context)
        return None if found in _NONE else found

    return value


def exits_of(beyond: str) -> tuple[str, ...]:
    """Return the exits of a step that lists."""
    return ("found", "none", TOO_MANY) if beyond == "exit" else ("found", "none")


def nothing(name: str) -> dict[str, Any]:
    """Return what is read behind a list that is empty; `name` is what one of its elements is called."""
    return {"id": None, name: None, f"{name}s": [], "count": 0}


def answer(found: Sequence[Mapping[str, Any]], name: str, *, key: str, limit: int, beyond: str) -> Answer:
    """Return what the step comes to that has `found` records, of which one more than `limit` is asked for."""
    if not found:
        return Done(nothing(name), exit="none")
    if len(found) > limit and beyond != "first":
        if beyond == "exit":
            return Done({**nothing(name), "more_than": limit}, exit=TOO_MANY)
        message = f"There are more than {limit} {name}s"
        return GiveUp(message, Failure("too_large", message, code="too_many", field="limit"))
    taken = [dict(one) for one in found[:limit]]
    output = {"id": taken[0].get(key), name: taken[0], f"{name}s": taken, "count": len(taken)}
    return Done(output, exit="found")
