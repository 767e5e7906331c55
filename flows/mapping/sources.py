"""This module knows the paths that a mapping may read, and what is likely meant by one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from flows.mapping.fields import SrcField
from flows.mapping.issues import Issue, Level
from integrator.kernel.paths import parse, quote

# Types below which there may be names that nobody told of: merchants choose them, or they come expanded.
_OPEN = frozenset({"map", "list", "unknown", "id"})
LONGEST_METADATA = 500  # characters: https://docs.stripe.com/metadata


class Sources:
    """The fields of one source side, by path."""

    def __init__(self, fields: Iterable[SrcField]) -> None:
        self.fields = {field.path: field for field in fields}
        self._inner = {path[:place] for path in self.fields for place in _ends(path)}
        self.roots = sorted({_root(path) for path in self.fields})
        self.types = {path: field.type for path, field in self.fields.items()}

    def get(self, path: str) -> SrcField:
        """Return what is known of `path`; something of an unknown type where nothing is."""
        found = self.fields.get(path)
        if found is not None:
            return found
        return SrcField(path, "string" if is_metadata(path) else "unknown", nullable=True)

    def check(self, path: str, field: str, *, alone: bool) -> list[Issue]:
        """Return what is wrong with reading `path` for `field`; less so where others are read beside it."""
        known = self.fields.get(path)
        level: Level = "error" if alone else "warning"
        if known is not None and known.removed:
            message = f"{path} is gone from this API version"
            return [Issue(level, "removed_path", field, message, f"Use {known.removed} instead.")]
        if known is not None or not self.fields or self._may_exist(path):
            return []
        near = difflib.get_close_matches(path, list(self.fields), n=1, cutoff=0.75)
        fix = f"Did you mean {near[0]}?" if near else "Choose a path that the events of this flow have."
        return [Issue(level, "unknown_path", field, f"There is no {path} in what this step can read", fix)]

    def _may_exist(self, path: str) -> bool:
        """Tell whether the nearest known thing above `path` may hold what nobody told of."""
        if is_metadata(path):
            return _root(path) in self.roots
        parts = _prefixes(path)
        for prefix in reversed(parts[:-1]):
            known = self.fields.get(prefix)
            if known is not None:
                return known.type in _OPEN or (known.type == "object" and prefix not in self._inner)
            if prefix in self._inner:
                return False
        return False


def is_metadata(path: str) -> bool:
    """Tell whether `path` is the value of a metadata key, which merchants name."""
    return "metadata" in parse(path)[1:-1]


def _root(path: str) -> str:
    return _prefixes(path)[0]


@lru_cache(maxsize=20_000)
def _prefixes(path: str) -> Sequence[str]:
    """Return what `path` leads through, itself last: of `a.b[0]` these are `a`, `a.b` and `a.b[0]`."""
    root, *segments = parse(path)
    text = str(root)
    found = [text]
    for segment in segments:
        text += f"[{segment}]" if isinstance(segment, int) else quote(segment)
        found.append(text)
    return found


def _ends(path: str) -> list[int]:
    return [len(prefix) for prefix in _prefixes(path)[:-1]]
