"""A sub-flow is made, and taken by another flow, by the keyboard on the canvas."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings
from tests.browser.newcomer import AtTheKeyboard
from tests.browser.test_canvas import a_draft, becomes, kept, opened
from tests.browser.test_canvas_inside import added_below

pytestmark = pytest.mark.browser

TELL: dict[str, Any] = {
    "id": "tell",
    "kind": "alert",
    "title": "Tell",
    "settings": {"title": "It is {input.what}"},
}
FIRST: dict[str, Any] = {"id": "first", "kind": "wait", "title": "First", "settings": {"days": 1}}


def test_a_sub_flow_is_made_and_taken_by_the_keyboard(theatre: Theatre, page: Page) -> None:
    # A flow becomes a sub-flow that takes a value and gives one.
    address = a_draft(page, theatre, TELL)
    opened(page, address)
    keys = AtTheKeyboard(page)
    page.locator("#card-trigger").focus()
    keys.press("Enter")
    keys.go(page.get_by_label("What starts it"))
    keys.type("Other flows")
    expect(page.locator("#card-trigger")).to_contain_text("When another flow takes it")
    keys.go(page.get_by_role("button", name="Add an input"))
    keys.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    keys.type("what")
    keys.press("Tab")
    expect(page.locator("#card-trigger")).to_contain_text("takes what")
    keys.go(page.get_by_role("button", name="Add an output"))
    keys.press("Enter")
    expect(page.get_by_label("Name", exact=True).last).to_be_focused()
    keys.type("text")
    keys.go(page.get_by_label("Read from, 1", exact=True))
    keys.take("title", "steps.tell.title")
    keys.press("Escape")
    assert kept(page)["trigger"]["outputs"] == [{"name": "text", "from": ["steps.tell.title"]}]
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")
    slug = str(kept(page)["name"]).lower().replace(" ", "-")
    keys.press("p")
    keys.type("What it tells")
    keys.press("Control+Enter")
    page.wait_for_url("**/?version=1")
    expect(page.get_by_role("heading", name="Taken by")).to_be_visible()
    expect(page.get_by_role("button", name="Deploy version 1…")).to_have_count(0)

    # Another flow takes it, and reads what it gives.
    opened(page, a_draft(page, theatre, FIRST))
    added_below(page, "first", "sub-flow", "sub_flow")
    keys.press("Enter")
    keys.go(page.get_by_label("Sub-flow", exact=True))
    keys.take(slug, slug)
    becomes(page, ["first", ("sub_flow", {"taken": ["sub_flow__tell"]})])
    expect(page.locator("#card-sub_flow")).to_contain_text("version 1")
    expect(page.locator("#node-sub_flow .ways")).to_have_count(0)
    expect(page.locator("#panel")).to_contain_text("1 step of version 1: Tell. It gives steps.sub_flow.text.")
    keys.go(page.get_by_label("Read from, 1", exact=True))
    keys.take("charge.id", "charge.id")
    keys.press("Escape")
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")
    assert kept(page)["steps"][1]["settings"]["inputs"] == {"what": {"from": ["charge.id"]}}
    assert findings(page) == []
