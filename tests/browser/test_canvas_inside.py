"""Branches that are all taken, and steps that are done together, are built by the keyboard on the canvas."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings
from tests.browser.test_canvas import a_draft, becomes, kept, opened

pytestmark = pytest.mark.browser

ENROL: dict[str, Any] = {"object": "customer", "purpose": "Payer", "parameters": {"name": {"value": "Ada"}}}
STEPS: tuple[dict[str, Any], ...] = (
    {"id": "first", "kind": "wait", "title": "First", "settings": {"days": 1}},
    {"id": "enrol", "kind": "stripe.create", "title": "Enrol", "settings": ENROL},
    {"id": "tell", "kind": "alert", "title": "Tell", "settings": {"title": "Undone"}},
)


def added_below(page: Page, step: str, typed: str, new: str) -> None:
    """Add a step below another by typing a word."""
    page.locator(f"#card-{step}").focus()
    page.keyboard.press("+")
    page.keyboard.type(typed)
    expect(page.locator("#picker-list [aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(f"#card-{new}")).to_be_focused()


def moved(page: Page, step: str, key: str, after: list[Any]) -> None:
    page.locator(f"#card-{step}").focus()
    page.keyboard.press(key)
    becomes(page, after)


def test_steps_are_put_into_branches_and_done_together_by_the_keyboard(theatre: Theatre, page: Page) -> None:
    opened(page, a_draft(page, theatre, *STEPS))
    added_below(page, "first", "parallel", "parallel")
    expect(page.locator("#node-parallel > .ways > [data-way=second] > .way-name")).to_have_text("second")
    moved(page, "enrol", "Alt+ArrowRight", ["first", ("parallel", {"first": ["enrol"]}), "tell"])
    moved(page, "tell", "Alt+ArrowRight", ["first", ("parallel", {"first": ["enrol", "tell"]})])
    moved(page, "tell", "Alt+ArrowRight", ["first", ("parallel", {"first": ["enrol"], "second": ["tell"]})])
    page.keyboard.press("Control+z")
    becomes(page, ["first", ("parallel", {"first": ["enrol", "tell"]})])

    added_below(page, "first", "all or nothing", "scope")
    within = ("parallel", {"first": ["enrol", "tell"]})
    moved(page, "parallel", "Alt+ArrowRight", ["first", ("scope", {"try": [within]})])
    page.locator("#card-scope").click()
    page.get_by_role("button", name="Add a step", exact=True).click()
    page.get_by_label("Step", exact=True).select_option("enrol")
    name = page.get_by_label("Name of what undoes it")
    name.fill("leave")
    name.blur()

    expect(page.locator("#node-scope > .ways > [data-way=leave] > .way-name")).to_have_text("leave")
    assert kept(page)["steps"][1]["settings"] == {"undo": [{"step": "enrol", "exit": "leave"}]}
    assert findings(page) == []
