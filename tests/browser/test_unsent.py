"""What somebody has chosen and not saved yet outlives what is saved beside it; dates are written one way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import sign_in

pytestmark = pytest.mark.browser


def test_a_choice_in_one_form_outlives_the_saving_of_another(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at(f"budgets/{theatre.ids['salesforce']}/"))
    priority = page.locator("select[name=priority]").first
    reserve = page.locator("#percent")
    before = priority.input_value()
    chosen = "low" if before != "low" else "high"
    priority.select_option(chosen)

    reserve.fill("12.5")
    reserve.locator("xpath=ancestor::form").get_by_role("button").click()

    expect(page.get_by_text("12.5 % are kept for people.").first).to_be_visible()
    expect(page.locator("section", has=page.locator("#outlook"))).to_contain_text("12,500")  # read again
    expect(priority).to_have_value(chosen)

    priority.locator("xpath=ancestor::form").get_by_role("button").click()
    expect(page.get_by_text(f"has {chosen} priority now").first).to_be_visible()
    page.reload()
    expect(page.locator("select[name=priority]").first).to_have_value(chosen)


def test_dates_are_written_one_way_whatever_language_the_browser_is(
    browser: Browser, theatre: Theatre
) -> None:
    context = browser.new_context(locale="de-DE", timezone_id="Europe/Zurich")
    try:
        page = context.new_page()
        sign_in(page, theatre.web, "root@acme.test")
        page.goto(theatre.at("runs/"))
        moment = page.evaluate(
            """() => {
                const box = document.createElement("div");
                box.innerHTML = '<time datetime="2019-09-05T10:00:00Z"></time>';
                document.dispatchEvent(new CustomEvent("fragment", { detail: box }));
                return box.textContent;
            }"""
        )
        assert re.fullmatch(r"5 Sep 2019, \d\d:00:00", moment)
    finally:
        context.close()
