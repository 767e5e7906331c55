"""This module tests that the documents name only what is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.source import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def found(pattern: str, *, without_blocks: bool = False) -> list[tuple[Path, str]]:
    """Return what every page holds of a pattern, with the page."""
    texts = {page: page.read_text() for page in PAGES}
    if without_blocks:
        texts = {page: re.sub(r"```.*?```", "", text, flags=re.DOTALL) for page, text in texts.items()}
    return [(page, name) for page, text in texts.items() for name in re.findall(pattern, text)]


def test_every_link_to_a_file_leads_to_one():
    links = found(r"\]\((?!https?:)([^)#]+)")

    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_every_path_in_code_is_there():
    paths = found(r"`((?:integrator|connectors|flows|monitoring|tests|docs)/[\w./-]+)`", without_blocks=True)

    assert paths
    assert [(page.name, path) for page, path in paths if not (ROOT / path).exists()] == []


def test_every_module_in_code_is_there():
    modules = found(r"`((?:connectors|flows|monitoring)(?:\.[a-z_]+)+)`")

    missing = [
        (page.name, module)
        for page, module in modules
        if not any((ROOT / module.replace(".", "/")).with_suffix(s).exists() for s in ("", ".py"))
    ]
    assert modules
    assert missing == []


def test_the_readme_shows_exactly_two_commands():
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    commands = [line.split("#")[0].strip() for line in blocks[0].splitlines()]

    assert commands == ["make demo", "make test"]
