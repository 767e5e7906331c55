"""This module finds every REST route with its method, its address and the permission that it declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

# What stands for the parts of an address: ids that lead to nothing, so that a refusal is the role's alone.
NOBODY = {
    "id": "0",
    "flow": "nobody",
    "number": "1",
    "slug": "nobody",
    "step": "nobody",
    "object": "nobody",
    "public_id": "nobody",
    "topic": "0",
    "resync": "0",
    "polled": "0",
    "environment": "nobody",
}


class Route(NamedTuple):
    """One way to ask the REST interface for something."""

    method: str
    path: str  # below /api/v1/
    permission: str | None
    view: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def rest_routes() -> list[Route]:
    """Return every route below /api/v1/."""
    return list(_walk(get_resolver().url_patterns, ""))


@lru_cache
def filters() -> dict[str, list[str]]:
    """Return the names that a query may have, for each address below /api/v1/ that can be read."""
    told = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        path.removeprefix("/api/v1/"): [
            one["name"] for one in methods["get"].get("parameters", ()) if one["in"] == "query"
        ]
        for path, methods in told.items()
        if "get" in methods
    }


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif path.startswith("api/v1/"):
            yield from _routes(pattern, path.removeprefix("api/v1/"))


def _routes(pattern: URLPattern, path: str) -> Iterator[Route]:
    view = pattern.callback.cls  # type: ignore[attr-defined]
    declared = view.permissions
    actions = getattr(pattern.callback, "actions", None) or {
        method: method for method in ("get", "post", "put", "patch", "delete") if hasattr(view, method)
    }
    for method, action in actions.items():
        if method != "head":
            yield Route(method.upper(), _filled(path), declared.get(action), f"{view.__name__}.{action}")


def _filled(path: str) -> str:
    path = re.sub(r"\(\?P<(\w+)>.*?\)(?=/|\$|\\Z)", lambda found: NOBODY[found[1]], path)
    return path.replace("^", "").replace("$", "").replace(r"\Z", "")
