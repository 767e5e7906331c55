"""With a mouse alone a flow is built from nothing: paid invoices become payments, or a person is asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.newcomer import WithAMouse, published, synced

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("town")]  # whose servers take half a minute


def test_a_flow_is_built_from_nothing_with_the_mouse_alone(
    newcomer: Page, theatre: Theatre, town: str
) -> None:
    page, hand = newcomer, WithAMouse(newcomer)
    page.goto(f"{town}flows/")
    offered = page.locator("#combobox-list [role=option]")

    hand.click(page.get_by_role("button", name="New flow…"))
    hand.type("Invoices with a mouse")
    hand.click(page.get_by_role("button", name="Design it"))
    page.locator("#designer[data-ready]").wait_for()

    # What starts it; the form is open already
    hand.type("invoice.paid")
    hand.click(offered.filter(has_text="invoice.paid").first)

    # Is the customer known?
    hand.click(page.get_by_role("button", name="Add the first step", exact=True))
    hand.click(page.get_by_role("option", name="Find a record"))
    hand.write(page.get_by_label("Salesforce object"), "stripe cus")
    hand.click(offered.filter(has_text="Stripe_Customer__c"))
    hand.click(page.get_by_label("Field", exact=True))
    hand.click(offered.filter(has_text="External_ID__c"))
    hand.click(page.get_by_role("button", name="Add a step to if there is none"))
    hand.click(page.get_by_role("option", name="Ask a person"))
    hand.click(page.get_by_role("button", name="Add a step to Ask a person: Leave it out"))
    hand.click(page.get_by_role("option", name="Stop"))

    # What the payment is made of
    hand.click(page.get_by_role("button", name="Add a step after Find a record"))
    hand.click(page.get_by_role("option", name="Map", exact=False).first)
    hand.write(page.get_by_label("Salesforce object"), "payment")
    hand.click(offered.filter(has_text="Payment__c").first)
    expect(page.locator("#card-map")).to_contain_text("0 fields of Payment__c")
    hand.click(page.get_by_role("link", name="Open the mapping"))
    page.locator("#mapper[data-ready]").wait_for()
    hand.click(page.get_by_role("button", name="Suggest"))
    hand.click(page.locator("#mapper-accept-sure"))
    hand.click(page.locator('[data-field="Stripe_Customer__c"]').get_by_role("button", name="Accept"))
    hand.drag(
        page.locator('[data-path="invoice.number"] .mapper-dot'), page.locator('[data-field="Order_ID__c"]')
    )
    expect(page.locator("#mapper-saved")).to_have_text("All changes are kept")
    expect(page.locator("#mapper-wrong")).to_be_hidden()
    hand.click(page.locator(".page-head .crumb"))
    page.locator("#designer[data-ready]").wait_for()

    # It is saved: object, external id and record stand there by themselves
    hand.click(page.get_by_role("button", name="Add a step after Map"))
    hand.click(page.get_by_role("option", name="Save a record"))
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")

    hand.click(page.get_by_role("button", name="Publish…"))
    hand.type("Paid invoices become payments")
    hand.click(page.get_by_role("button", name="Publish", exact=True))
    published(page)
    hand.click(page.get_by_role("button", name="Deploy version 1…"))
    hand.click(page.get_by_role("button", name="Deploy version 1", exact=True))
    expect(page.get_by_text("Live in Development").first).to_be_visible()

    print(f"\n{hand.actions} actions with the mouse")
    assert hand.actions < 60
    synced(theatre, page, town)
