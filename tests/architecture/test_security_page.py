"""This module tests that the page on security names only tests that exist, and leaves no risk without one."""

from __future__ import annotations

import re

from tests.architecture.source import ROOT, functions

PAGE = (ROOT / "docs" / "security.md").read_text()
# A test file, and perhaps one of its tests: `tests/unit/x/test_y.py::test_z`.
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
# Every requirement of levels 1 and 2 of ASVS 5.0.0, by section: first and last, or the only one.
REQUIRED = """
1.1.1-2 1.2.1-9 1.3.1-11 1.4.1-3 1.5.1-2 2.1.1-3 2.2.1-3 2.3.1-4 2.4.1 3.2.1-2 3.3.1-4 3.4.1-6 3.5.1-5 3.7.1-2
4.1.1-3 4.2.1 4.3.1-2 4.4.1-4 5.1.1 5.2.1-3 5.3.1-2 5.4.1-3 6.1.1-3 6.2.1-12 6.3.1-4 6.4.1-4 6.5.1-5 6.6.1-3
6.8.1-4 7.1.1-3 7.2.1-4 7.3.1-2 7.4.1-5 7.5.1-2 7.6.1-2 8.1.1-2 8.2.1-3 8.3.1 8.4.1 9.1.1-3 9.2.1-4 10.1.1-2
10.2.1-2 10.3.1-4 10.4.1-11 10.5.1-5 10.6.1-2 10.7.1-3 11.1.1-2 11.2.1-3 11.3.1-3 11.4.1-4 11.5.1 11.6.1
12.1.1-3 12.2.1-2 12.3.1-4 13.1.1 13.2.1-5 13.3.1-2 13.4.1-5 14.1.1-2 14.2.1-4 14.3.1-3 15.1.1-3 15.2.1-3
15.3.1-7 16.1.1 16.2.1-5 16.3.1-4 16.4.1-3 16.5.1-3 17.1.1 17.2.1-4 17.3.1-2
"""
BEYOND = {"1.2.10", "1.3.12", "4.1.4", "6.3.8", "8.3.2", "16.5.4"}  # of level 3
OWED = {"6.3.3", "6.4.4", "6.5.2"}  # what the page says is not there yet


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

    assert len(requirements) > 150
    for requirement, control, proof in requirements:
        assert re.fullmatch(r"\d+\.\d+\.\d+(, \d+\.\d+\.\d+)*", requirement), requirement
        assert control
        reason = control.startswith(("Not applicable because ", "Left to the operator: ", "Not yet: "))
        assert reason or "`tests/" in proof or proof == "`make check`", requirement


def required() -> set[str]:
    """Return every requirement of levels 1 and 2."""
    found: set[str] = set()
    for part in REQUIRED.split():
        section, _, numbers = part.rpartition(".")
        first, _, last = numbers.partition("-")
        found |= {f"{section}.{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_every_requirement_of_levels_1_and_2_is_spoken_of_once() -> None:
    listed = [one for row in rows("ASVS 5.0, level 2") for one in row[0].split(", ")]

    assert len(required()) == 253
    assert set(listed) == required() | BEYOND
    assert sorted(set(listed)) == sorted(listed)


def test_what_is_owed_is_known() -> None:
    owed = {row[0] for row in rows("ASVS 5.0, level 2") if row[1].startswith("Not yet: ")}

    assert owed == OWED
