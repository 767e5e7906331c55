"""A flow is tried with the keyboard alone, on a laptop and on a phone, in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, clipped, crowded, findings, overflow
from tests.browser.rows import HOSTILE

pytestmark = pytest.mark.browser

BODY = """{"type": "charge.failed", "created": 1764000000, "data": {"object": {"id": "ch_1",
"object": "charge", "payment_intent": "pi_7", "amount": 1999, "currency": "eur", "status": "failed",
"customer": "cus_1", "failure_code": "card_declined", "failure_message": %s,
"created": 1764000000, "metadata": {}}}}"""


def address(theatre: Theatre) -> str:
    return theatre.at(f"flows/{theatre.ids['flow']}/try/")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_a_flow_is_tried_saved_and_run_by_keyboard(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at(f"flows/{theatre.ids['flow']}/"))
    page.get_by_role("link", name="Try", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Try ")

    page.get_by_role("radio", name="An event that I paste").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(BODY % quoted("No"))
    page.get_by_role("button", name="Try it").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#tried")).to_contain_text("Tried:")
    trial = page.locator("#trial")
    expect(trial.get_by_role("heading", name="Payment__c")).to_be_visible()
    expect(trial.get_by_role("heading", name="Steps taken")).to_be_visible()
    page.get_by_label("Save as a test case").focus()
    page.keyboard.type("Declined")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#test-cases")).to_contain_text("Declined")

    page.get_by_role("button", name="Run all").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="All 1 test case passed")).to_be_visible()
    page.get_by_role("button", name="Delete Declined").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#test-cases")).not_to_contain_text("Declined")


def test_a_comparison_goes_on_by_itself(page: Page, theatre: Theatre) -> None:
    page.goto(address(theatre))

    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")

    shadow = page.locator("#shadow")
    expect(shadow).to_contain_text("50 of 50 events compared", timeout=60_000)
    expect(shadow).to_contain_text("No difference")


@pytest.mark.parametrize("width", [pytest.param(1280, id="a laptop"), pytest.param(390, id="a phone")])
def test_a_trial_fits_and_is_accessible(
    browser: Browser, theatre: Theatre, signed_in: Any, watch: Watch, width: int
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": width, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    watch.over(page)
    page.goto(address(theatre))
    page.get_by_role("radio", name="An event that I paste").check()
    page.locator("#body").fill(BODY % quoted(HOSTILE))
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="What came of it")).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#shadow")).to_contain_text("events compared", timeout=60_000)

    wrong: list[Any] = [*clipped(page), *crowded(page), *([overflow(page)] if overflow(page) > 0 else [])]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wrong += findings(page)
    wrong += watch.complaints
    context.close()

    assert wrong == []
