"""At the keyboard alone a flow is built from nothing: paid invoices become payments, or a person is asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.newcomer import AtTheKeyboard, published, synced

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("town")]  # whose servers take half a minute


def test_a_flow_is_built_from_nothing_at_the_keyboard_alone(
    newcomer: Page, theatre: Theatre, town: str
) -> None:
    page, keys = newcomer, AtTheKeyboard(newcomer)
    page.goto(f"{town}flows/")

    keys.go(page.get_by_role("button", name="New flow…"))
    keys.press("Enter")
    keys.type("Invoices at the keyboard")
    keys.press("Enter")
    page.locator("#designer[data-ready]").wait_for()

    # What starts it; the form is open already
    keys.take("invoice.paid", "invoice.paid")
    keys.press("Escape")
    expect(page.locator("#card-trigger")).to_be_focused()
    expect(page.locator("#card-trigger")).to_contain_text("invoice.paid")

    # Is the customer known?
    keys.add("find a rec", "#card-find")
    keys.press("Enter")
    keys.take("stripe cus", "Stripe_Customer__c")
    keys.go(page.get_by_label("Field", exact=True))
    keys.take("ext", "External_ID__c")
    keys.go(page.get_by_role("button", name="Add a step to if there is none"))
    keys.add("ask", "#card-ask", key="Enter")
    keys.go(page.get_by_role("button", name="Add a step to Ask a person: Leave it out"), "ArrowDown")
    keys.add("stop", "#card-stop", key="Enter")

    # What the payment is made of
    keys.go(page.locator("#card-find"), "ArrowUp")
    keys.add("map", "#card-map")
    keys.press("Enter")
    keys.take("payment", "Payment__c")
    expect(page.locator("#card-map")).to_contain_text("0 fields of Payment__c")
    keys.go(page.get_by_role("link", name="Open the mapping"))
    keys.press("Enter")
    page.locator("#mapper[data-ready]").wait_for()
    keys.go(page.locator("#mapper-suggest"))
    keys.press("Enter")
    keys.go(page.locator("#mapper-accept-sure"))
    keys.press("Enter")
    expect(page.locator("#mapper-saved")).to_have_text("All changes are kept")
    keys.go(page.locator('[data-field="Stripe_Customer__c"]'), "ArrowDown")
    keys.go(
        page.locator('[data-field="Stripe_Customer__c"]').get_by_role("button", name="Accept"), "ArrowRight"
    )
    keys.press("Enter")
    expect(page.locator("#mapper-saved")).to_have_text("All changes are kept")
    expect(page.locator("#mapper-wrong")).to_be_hidden()
    keys.go(page.locator(".page-head .crumb"), "Shift+Tab")
    keys.press("Enter")
    page.locator("#designer[data-ready]").wait_for()

    # It is saved: object, external id and record stand there by themselves
    expect(page.locator("#card-map")).to_be_focused()
    keys.add("save", "#card-upsert")
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")

    keys.press("p")
    keys.type("Paid invoices become payments")
    keys.press("Control+Enter")
    published(page)
    keys.go(page.get_by_role("button", name="Deploy version 1…"))
    keys.press("Enter")
    keys.go(page.get_by_role("button", name="Deploy version 1", exact=True))
    keys.press("Enter")
    expect(page.get_by_text("Live in Development").first).to_be_visible()

    print(f"\n{keys.actions} actions at the keyboard")
    assert keys.actions < 60
    synced(theatre, page, town)
