"""From nothing to a published flow that Salesforce starts: an Account renames its customer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.newcomer import AtTheKeyboard, published

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("town")]  # whose servers take half a minute


def test_an_account_renames_its_customer_at_the_keyboard_alone(
    newcomer: Page, theatre: Theatre, town: str
) -> None:
    page, keys = newcomer, AtTheKeyboard(newcomer)
    known = theatre.do("an_account", name="Acme", customer="Old name")
    page.goto(f"{town}flows/")

    keys.go(page.get_by_role("button", name="New flow…"))
    keys.press("Enter")
    keys.type("Accounts into Stripe")
    keys.go(page.locator("#new-flow-starts"))
    keys.type("Changes")
    keys.go(page.get_by_role("button", name="Design it"))
    keys.press("Enter")
    page.locator("#designer[data-ready]").wait_for()

    # Which changes start it
    keys.take("acco", "Account")
    keys.go(page.get_by_label("Created", exact=True))
    keys.press("Space")
    keys.go(page.get_by_label("Only if one of these fields changed, 1"))
    keys.take("name", "Name")
    keys.press("Escape")
    card = page.locator("#card-trigger")
    expect(card).to_be_focused()
    expect(card).to_contain_text("When a record changes in Salesforce")
    expect(card).to_contain_text("Account: updated, of Name")

    # The customer that is this Account, and its new name
    keys.add("find in str", "#card-find")
    expect(page.locator("#card-find")).to_contain_text("metadata salesforce_account_id from Account.Id")
    keys.add("update in str", "#card-update")
    keys.press("Enter")
    keys.go(page.get_by_role("button", name="Add a parameter"))
    keys.press("Enter")
    expect(page.get_by_label("Parameter", exact=True)).to_be_focused()
    keys.take("name", "name")
    keys.go(page.get_by_label("Read from, 1", exact=True))
    keys.take("Account.Name", "Account.Name")
    keys.press("Escape")
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")

    # It is run on the Account by its name, and nothing is written
    keys.press("r")
    keys.go(page.get_by_label("A record of Account as it is now"), "ArrowDown")
    keys.go(page.locator("#run-record"))
    keys.type("Acme")
    keys.press("Enter")
    expect(page.locator("#run-came")).to_contain_text("Ran to “Update in Stripe”")
    assert theatre.do("customer_of_town", customer=known["customer"])["name"] == "Old name"

    expect(page.locator("#card-update")).to_be_focused()
    keys.press("p")
    keys.type("An Account renames its customer")
    keys.press("Control+Enter")
    published(page)
    expect(page.get_by_text("Account: updated, of Name")).to_be_visible()
