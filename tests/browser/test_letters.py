"""Of many dead letters one is tried first, watched and stopped, with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre

pytestmark = pytest.mark.browser


def test_one_is_tried_first_and_the_rest_is_stopped_by_keys_alone(page: Page, theatre: Theatre) -> None:
    made = theatre.do("die", field="Stopped__c", runs=3)
    path = "**/dead-letters/retries/*/progress/**"
    page.goto(theatre.at(f"dead-letters/causes/{made['fingerprint']}/"))

    page.get_by_role("button", name="Try one first").press("Enter")
    dialog = page.get_by_role("dialog", name="Try one first")
    expect(dialog).to_contain_text("The oldest of 3 is tried now")
    dialog.get_by_role("button", name="Try one first").press("Enter")
    expect(dialog).to_be_hidden()
    stop = page.get_by_role("button", name="Stop")
    stop.focus()
    with page.expect_response(path):  # the page asks how far it is, and draws that anew
        pass
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")

    shown = page.locator("#group-retry")
    expect(shown).to_contain_text("It was stopped")
    expect(shown).to_contain_text("2 left alone")
    expect(page.get_by_role("button", name="Discard all 2")).to_be_visible()
