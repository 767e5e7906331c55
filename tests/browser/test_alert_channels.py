"""Somebody sets up at the keyboard whom alerts reach, and sees that a test is on its way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import clipped, crowded, findings, overflow, resized

pytestmark = pytest.mark.browser


def test_a_channel_and_a_rule_are_set_up_at_the_keyboard(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("alerts/channels/"))
    page.get_by_role("link", name="Add E-mail").press("Enter")
    page.get_by_label("Name").press_sequentially("Finance team")
    page.get_by_label("Addresses").press_sequentially("cfo@acme.test")
    page.get_by_role("button", name="Add the channel").press("Enter")
    expect(page.locator("#channels")).to_contain_text("cfo@acme.test")
    seen = look(page)
    page.get_by_role("button", name="Send a test by Finance team").press("Enter")
    expect(page.locator("#channels")).to_contain_text("on its way")

    page.get_by_role("link", name="Rules", exact=True).press("Enter")
    page.get_by_role("link", name="Add a rule").press("Enter")
    page.get_by_label("Name").press_sequentially("Payouts")
    page.get_by_label("Finance team").press("Space")
    seen += look(page)
    page.get_by_role("button", name="Add the rule").press("Enter")
    expect(page.get_by_role("heading", name="Payouts")).to_be_visible()

    page.get_by_role("link", name="Messages").press("Enter")
    expect(page.locator("#deliveries")).to_contain_text("This is a test")
    assert seen + look(page) == []


def look(page: Page) -> list[str]:
    """Return what is wrong with the page on a laptop and on a phone."""
    wrong = findings(page)
    for width in (390, 1280):
        resized(page, width)
        wrong += [f"{width}: {overflow(page)} too wide"] if overflow(page) else []
        wrong += [f"{width}: {place}" for place in (*clipped(page), *crowded(page))]
    return wrong
