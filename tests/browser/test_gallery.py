"""Templates are looked at, checked against the org and installed with the keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, clipped, crowded, findings, overflow

pytestmark = pytest.mark.browser


def test_a_template_is_checked_and_installed_by_keyboard(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("flows/"))
    page.get_by_role("link", name="Templates").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/templates/")  # with its scripts: without them the button leads to a page of its own
    customers = page.locator("#template-customers")

    customers.get_by_role("button", name="Check the org").focus()
    page.keyboard.press("Enter")
    expect(customers.get_by_role("status")).to_contain_text("The org is not ready", timeout=30_000)

    customers.get_by_role("button", name="Install").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Customers", timeout=30_000)
    page.goto(theatre.at("flows/templates/"))
    expect(customers).to_contain_text("Installed")


@pytest.mark.parametrize("width", [pytest.param(1280, id="a laptop"), pytest.param(390, id="a phone")])
def test_open_folds_and_findings_fit_and_are_accessible(
    browser: Browser, theatre: Theatre, signed_in: Any, watch: Watch, width: int
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": width, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    watch.over(page)
    page.goto(theatre.at("flows/templates/"))
    for fold in page.locator("#template-payments details").all():
        fold.locator("summary").click()
    page.locator("#template-payments").get_by_role("button", name="Check the org").click()
    expect(page.locator("#checks-payments")).to_contain_text("not ready", timeout=30_000)

    wrong: list[Any] = [*clipped(page), *crowded(page), *([overflow(page)] if overflow(page) > 0 else [])]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wrong += findings(page)
    wrong += watch.complaints
    context.close()

    assert wrong == []
