"""The mapper gives records a type by its name, and begins look-ups by an external id."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow
from tests.browser.mapper import Mapper

pytestmark = pytest.mark.browser


def of_deals(theatre: Theatre, page: Page) -> Mapper:
    mapper = Mapper.__new__(Mapper)
    mapper.theatre, mapper.page, mapper.slug = theatre, page, "deals"
    mapper.address = theatre.at(theatre.do("deals"))
    mapper.open()
    return mapper


def test_a_record_type_is_chosen_and_a_record_looked_up_by_mouse_and_keyboard(
    theatre: Theatre, page: Page
) -> None:
    mapper = of_deals(theatre, page)
    kind = page.get_by_role("combobox", name="Record type")
    expect(kind.locator("option:checked")).to_have_text("Default: Direct deal")

    # The type narrows what a picklist offers, and what is checked as one goes.
    kind.select_option("Partner deal")
    expect(mapper.field("RecordType.DeveloperName").locator(".mapper-value")).to_have_text("Partner")
    expect(mapper.field("Stage__c").locator(".mapper-value")).to_contain_text(
        "is not a value of the picklist in records of type “Partner deal”"
    )
    mapper.field("Stage__c").locator(".mapper-chip").click()
    right = page.get_by_label("Value of Salesforce for succeeded")
    expect(right.locator("option")).to_have_text(["Won (not in the picklist)", "empty", "Open", "Lost"])
    right.select_option("Open")
    page.get_by_role("dialog", name="Stage__c").get_by_role("button", name="Save").click()
    expect(mapper.field("Stage__c").locator(".mapper-value")).to_have_text("Open")

    # A look-up is begun at the reference, by keyboard.
    mapper.field("Customer__c").focus()
    page.keyboard.press("ArrowRight")
    expect(mapper.field("Customer__c").get_by_role("button", name="Look up Customer__c")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Look Customer__c up by an external id")
    expect(dialog.get_by_role("radio")).to_have_count(2)
    expect(dialog.get_by_role("radio", name="Stripe_ID__c")).to_be_checked()
    assert findings(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#mapper-hint")).to_contain_text("Customer__r.Stripe_ID__c is picked")
    mapper.source("charge.customer").click()
    expect(mapper.field("Customer__r.Stripe_ID__c").locator(".mapper-chip")).to_have_text("=")
    expect(mapper.field("Customer__c").get_by_role("button", name="Look up Customer__c")).to_have_count(0)

    kept = {line["field"]: line for line in mapper.saved()}
    assert kept["RecordType.DeveloperName"]["chips"] == [{"chip": "constant", "value": "Partner"}]
    assert kept["Customer__r.Stripe_ID__c"]["from"] == ["charge.customer"]
    mapper.open()
    expect(kind.locator("option:checked")).to_have_text("Partner deal")
    expect(mapper.field("Customer__r.Stripe_ID__c").locator(".mapper-chip")).to_be_visible()
    assert findings(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert overflow(page) == 0
