"""This module reads the first of several paths that has a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from integrator.kernel.paths import MISSING, BadPath, compile_path, quote

Context = Mapping[str, Any]
Read = Callable[[Context], Any]


def _checked(paths: list[str]) -> list[str]:
    for path in paths:
        try:
            compile_path(path)
        except BadPath as error:
            raise ValueError(str(error)) from None
    return paths


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# One path or several, of which the first with a value wins.
Paths = Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_checked), Field(max_length=20)]


def first_of(paths: Sequence[str]) -> Read:
    """Return a closure that reads the first of `paths` with a value, or None where none has one."""
    readers = [compile_path(path).read for path in paths]
    match readers:
        case [one]:
            return _first_of_one(one)
        case _:
            return _first_of_many(readers)


def is_known(paths: Sequence[str]) -> Callable[[Context], bool]:
    """Return a closure that tells whether the context says anything about any of `paths`."""
    compiled = [compile_path(path) for path in paths]
    return lambda context: any(path.is_known(context) for path in compiled)


def is_said(paths: Sequence[str]) -> Callable[[Context], bool]:
    """
    Return a closure that tells whether the context has a place for any of `paths`; always, without paths.

    This is stricter than `is_known`: a name that an object does not have is not said. Metadata is the
    exception, since its names are the merchant's: one that is not there was never set, or was taken away.
    """
    readers = [_place_of(path) for path in paths]
    return lambda context: not readers or any(read(context) is not MISSING for read in readers)


def _place_of(text: str) -> Read:
    path = compile_path(text)
    if "metadata" not in path.segments[1:-1]:
        return path.read
    return compile_path(_up_to_metadata(path.segments)).read


def _up_to_metadata(segments: Sequence[str | int]) -> str:
    place = segments.index("metadata", 1)
    text = str(segments[0])
    for segment in segments[1 : place + 1]:
        text += f"[{segment}]" if isinstance(segment, int) else quote(segment)
    return text


def _first_of_one(read: Read) -> Read:
    def first(context: Context) -> Any:
        value = read(context)
        return None if value is MISSING else value

    return first


def _first_of_many(readers: Sequence[Read]) -> Read:
    def first(context: Context) -> Any:
        for read in readers:
            value = read(context)
            if value is not None and value is not MISSING:
                return value
        return None

    return first


def paths_in(settings: BaseModel, *, but: type[BaseModel]) -> Iterator[tuple[str, list[str]]]:
    """Yield each setting that holds paths, by its name, with those within it, but for what is a `but`."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if any(isinstance(mark, AfterValidator) and mark.func is _checked for mark in field.metadata):
            if value:
                yield field.alias or name, value
            continue
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, BaseModel) and not isinstance(part, but):
                yield from paths_in(part, but=but)
