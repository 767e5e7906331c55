"""This module bounds how deeply what is sent to the REST interface may be nested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class ShallowJson(JSONParser):
    """JSON of a reasonable depth: what is nested beyond it is the client's mistake, not a fault of ours."""

    deepest = 100  # a flow document of the most steps within steps has a third of it

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        Return the body as plain data.

        :raises ParseError: if it is not JSON that can be read
        """
        try:
            found = super().parse(stream, media_type, parser_context)
        except RecursionError:
            found, too_deep = None, True
        else:
            too_deep = _deeper_than(self.deepest, found)
        if too_deep:
            raise ParseError("The body is nested too deeply.")
        return found


def _deeper_than(levels: int, value: Any) -> bool:
    """Tell whether `value` has more than `levels` lists and objects within each other, without recursion."""
    here: list[Any] = [value]
    for _ in range(levels):
        here = [
            child
            for outer in here
            if isinstance(outer, (dict, list))
            for child in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not here:
            return False
    return any(isinstance(value, (dict, list)) for value in here)
