"""This module tests that the page on security names only tests that exist, and leaves no risk without one."""

from __future__ import annotations

import re

from tests.architecture.source import ROOT, functions

PAGE = (ROOT / "docs" / "security.md").read_text()
# A test file, and perhaps one of its tests: `tests/unit/x/test_y.py::test_z`.
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
CHAPTERS = {f"V{number}" for number in range(1, 18)}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of every row of the tables under a heading of the page."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] not in {"risk", "requirement"}]


def test_every_test_that_is_named_exists() -> None:
    tests = {
        path: {function.name for function in functions(ROOT / path)} if (ROOT / path).exists() else set()
        for path, _ in NAMED
    }

    assert [(path, test) for path, test in NAMED if test and test not in tests[path]] == []
    assert [
        path for path, names in tests.items() if not any(name.startswith("test_") for name in names)
    ] == []


def test_every_risk_has_a_control_and_a_test() -> None:
    risks = rows("Risks")

    assert len(risks) >= 15
    for risk, control, tests in risks:
        assert risk
        assert control
        assert "`tests/" in tests, risk


def test_every_requirement_has_a_test_or_a_reason() -> None:
    requirements = rows("ASVS 5.0, level 2")

    assert len(requirements) > 80
    for requirement, control, proof in requirements:
        assert re.fullmatch(r"\d+\.\d+\.\d+(, \d+\.\d+\.\d+)*", requirement), requirement
        assert control
        reason = control.startswith(("Not applicable because ", "Left to the operator: ", "Not yet: "))
        assert reason or "`tests/" in proof or proof == "`make check`", requirement


def test_every_chapter_is_spoken_of() -> None:
    spoken = {f"V{row[0].split('.')[0]}" for row in rows("ASVS 5.0, level 2")}

    assert spoken == CHAPTERS


def test_no_requirement_stands_twice() -> None:
    listed = [one for row in rows("ASVS 5.0, level 2") for one in row[0].split(", ")]

    assert sorted(set(listed)) == sorted(listed)
