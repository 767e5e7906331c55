"""A merge is asked for with the keyboard alone, once it is certain, and the page follows it to its end."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings

pytestmark = pytest.mark.browser


def test_from_the_look_to_the_end_by_keys_alone(page: Page, theatre: Theatre) -> None:
    merge = theatre.do("looked_at_merge")
    page.goto(theatre.at(f"merges/{merge}/"))
    expect(page.locator("#merge")).to_contain_text("Nothing has changed yet")

    page.get_by_role("button", name="Merge 2 records").focus()
    page.keyboard.press("Enter")  # nothing was ticked: the browser says so, and sends nothing
    assert theatre.do("state_of_merge", merge=merge) == "checked"
    page.get_by_label("These records are the same customer").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")

    expect(page.locator("#merge-progress")).to_contain_text("You can leave this page")
    assert theatre.do("state_of_merge", merge=merge) == "running"
    assert findings(page) == []
    theatre.do("end_merge", merge=merge)
    expect(page.locator("#merge")).to_contain_text("The records are one now")
    expect(page.locator("#undo")).to_be_visible()
