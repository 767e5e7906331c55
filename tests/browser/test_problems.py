"""What is wrong with a flow is loaded into its page, fits it, and is read by keyboard and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, clipped, findings, overflow
from tests.browser.test_canvas import a_draft, opened

pytestmark = pytest.mark.browser


@pytest.mark.timeout(240)
@pytest.mark.parametrize("width", [pytest.param(1280, id="a laptop"), pytest.param(390, id="a phone")])
def test_the_problems_of_a_flow_are_loaded_and_read(
    browser: Browser, theatre: Theatre, signed_in: Any, width: int
) -> None:
    context = browser.new_context(storage_state=signed_in, viewport={"width": width, "height": 844})
    page, watch = context.new_page(), Watch()
    watch.over(page)
    page.goto(theatre.at(f"flows/{theatre.ids['flow']}/"))
    section = page.locator("#flow-problems")

    expect(section.get_by_role("heading", name="Problems")).to_be_visible()
    expect(section).not_to_have_attribute("aria-busy", "true", timeout=60_000)
    summary = section.locator("summary")
    if section.locator("details[open]").count() == 0:
        summary.focus()
        page.keyboard.press("Enter")

    expect(section.get_by_role("row").nth(1)).to_be_visible()
    assert overflow(page) <= 0
    assert [*clipped(page), *findings(page), *watch.complaints] == []
    page.emulate_media(color_scheme="dark")
    assert findings(page) == []
    context.close()


WRONG = (
    {
        "id": "describe",
        "kind": "map",
        "title": "Describe the payment",
        "settings": {
            "target": "Payment__c",
            "lines": [
                {"field": "External_ID__c", "from": ["charge.id"]},
                {"field": "Nothing__c", "from": ["charge.id"]},
            ],
        },
    },
    {
        "id": "save",
        "kind": "salesforce.upsert",
        "settings": {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"},
    },
)


@pytest.mark.usefixtures("org")
def test_what_the_org_would_refuse_counts_among_the_problems_of_a_draft(page: Page, theatre: Theatre) -> None:
    opened(page, a_draft(page, theatre, *WRONG))
    verdict, card = page.locator("#design-verdict"), page.locator("#card-describe")

    expect(verdict).to_contain_text("to solve before it can be published", timeout=30_000)
    errors = page.locator("#design-checks [data-error]")
    expect(errors.filter(has_text="Nothing__c")).to_contain_text("Describe the payment")
    expect(verdict).to_contain_text(f"{errors.count()} to solve")
    here = page.locator("#design-checks [data-error][data-jump='describe']").count()
    expect(card.locator(".count")).to_have_text(f"{here} to solve")
    assert findings(page) == []

    # What was found stays while a change is on its way.
    card.click()
    page.locator("#panel-title").fill("Describe it")
    page.locator("#panel-title").blur()
    expect(card.locator("strong")).to_have_text("Describe it")
    expect(verdict).to_contain_text("to solve")
    expect(card.locator(".count")).to_have_text(f"{here} to solve")


def test_nothing_waits_for_problems_that_are_solved(page: Page, theatre: Theatre, watch: Watch) -> None:
    opened(page, a_draft(page, theatre, {"id": "stop", "kind": "stop", "settings": {}}))
    waits = page.get_by_text("once the problems above are solved")
    expect(waits).to_be_visible()

    watch.allowed = ("Failed to load resource",)
    page.route("**/checks/", lambda route: route.abort())
    page.locator("#card-stop").click()
    page.get_by_label("Reason").fill("Enough")
    page.get_by_label("Reason").blur()

    expect(page.locator("#design-verdict")).to_contain_text("Being checked")
    expect(waits).to_be_hidden()
