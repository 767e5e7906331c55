"""This module reads the product's own source for the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("integrator", "connectors", "flows", "monitoring")


def modules(*, with_tests: bool = False) -> list[Path]:
    """Return every hand-written module, migrations left out."""
    folders = [*PACKAGES, *(["tests"] if with_tests else [])]
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    """Return the path as a reader of a failing test wants it."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
