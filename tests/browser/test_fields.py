"""The fields of a connection fit every window, are read at once however many there are, and need no mouse."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.known import MANY, OBJECT
from tests.browser.looking import OF_COLOURS, Watch, best, clipped, findings, overflow

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def places(theatre: Theatre) -> dict[str, str]:
    """Return where the fields stand, now that they are known."""
    return dict(theatre.do("fields"))


@pytest.mark.timeout(300)  # six pages in two colour schemes, on a machine that may be busy
@pytest.mark.parametrize("width", [pytest.param(1280, id="a laptop"), pytest.param(390, id="a phone")])
def test_the_pages_fit_and_are_accessible_in_light_and_dark(
    browser: Browser, theatre: Theatre, signed_in: Any, places: dict[str, str], width: int
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": width, "height": 844}, reduced_motion="reduce"
    )
    page, watch = context.new_page(), Watch()
    watch.over(page)
    wrong: dict[str, Any] = {}
    for path in (
        places["fields"],
        f"{places['fields']}of/{OBJECT}/",
        f"{places['fields']}of/{OBJECT}/?q=nothing",
        places["stripe"],
        f"{places['stripe']}of/charge/",
        f"{places['stripe']}of/charge/?in=billing_details",
    ):
        page.emulate_media(color_scheme="light")
        page.goto(theatre.at(path))
        found = [*clipped(page), *(["too wide"] if overflow(page) > 0 else []), *findings(page)]
        if width == 1280:  # colours are the same at every width
            page.emulate_media(color_scheme="dark")
            found += findings(page, OF_COLOURS)
        if found or watch.complaints:
            wrong[path] = [*found, *watch.complaints]
            watch.complaints.clear()
    context.close()

    assert wrong == {}


@pytest.mark.serial
def test_hundreds_of_fields_are_there_within_a_second(
    page: Page, theatre: Theatre, places: dict[str, str]
) -> None:
    address = theatre.at(f"{places['fields']}of/{OBJECT}/")

    def milliseconds() -> float:
        page.goto(address)
        expect(page.locator("#fields tbody tr")).to_have_count(MANY)
        return float(page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive"))

    assert best(milliseconds, under=1000) < 1000


def test_fields_are_found_and_opened_by_keyboard_alone(
    page: Page, theatre: Theatre, places: dict[str, str]
) -> None:
    page.goto(theatre.at(places["fields"]))

    page.keyboard.press("/")
    page.keyboard.type("vehicle")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=vehicle")
    link = page.locator("tbody a.row-link")
    expect(link).to_have_count(1)
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/of/{OBJECT}/")
    page.keyboard.press("/")
    page.keyboard.type("kind")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=kind**")
    values = page.locator("#fields summary")
    values.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Value 59")).to_be_visible()
    expect(page.get_by_text("and 140 more")).to_be_visible()


def test_a_change_is_told_with_a_word_and_not_by_colour_alone(
    page: Page, theatre: Theatre, places: dict[str, str]
) -> None:
    page.goto(theatre.at(f"{places['fields']}of/{OBJECT}/"))

    told = page.locator("section", has=page.get_by_role("heading", name="What has changed"))

    expect(told).to_contain_text("Old__c is no longer there, or may not be seen any more.")
    expect(told).to_contain_text("A mapping may fail by it.")


def test_asking_an_org_that_does_not_answer_leaves_what_was_known(
    page: Page, theatre: Theatre, places: dict[str, str]
) -> None:
    page.goto(theatre.at(f"{places['fields']}of/{OBJECT}/"))

    page.get_by_role("button", name="Ask Salesforce again").click()

    expect(page.get_by_text("This is as it was")).to_be_visible()
    expect(page.locator("#fields tbody tr")).to_have_count(MANY)
