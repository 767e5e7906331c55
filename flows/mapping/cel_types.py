"""
This module names the types of CEL and brings its library to who compiles an expression.

The library takes 10 MB of each process that loads it, and most processes never see an expression.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any


class Type(Enum):
    """What a value of an expression is."""

    STRING = "STRING"
    INT = "INT"
    DOUBLE = "DOUBLE"
    BOOL = "BOOL"
    NULL = "NULL"
    TIMESTAMP = "TIMESTAMP"
    MAP = "MAP"
    DYN = "DYN"  # told when it is evaluated
    LIST = "a list of anything"
    TEXTS = "a list of texts"
    OBJECT = "a map of anything by name"


@cache
def library() -> Any:
    """Return the module of CEL."""
    from cel_expr_python import cel  # noqa: PLC0415  # see above

    return cel


@cache
def told(kind: Type) -> Any:
    """Return a type as the library knows it."""
    known = library().Type
    match kind:
        case Type.LIST:
            return known.List(known.DYN)
        case Type.TEXTS:
            return known.List(known.STRING)
        case Type.OBJECT:
            return known.Map(known.STRING, known.DYN)
        case _:
            return getattr(known, kind.value)


@cache
def extensions() -> list[Any]:
    """Return the extensions of CEL that expressions may use: mathematics and optional values."""
    from cel_expr_python.ext import ext_math, ext_optional  # noqa: PLC0415  # see above

    return [ext_math.ExtMath(), ext_optional.ExtOptional()]
